//! A search: which traces or spans come first, and what the answer tells of them.

use std::collections::{BTreeMap, BTreeSet};

use hoptrail_proto::model::TraceId;

use super::hits::Hits;
use super::judge::{Judge, TraceRows};
use super::needed_columns::NeededColumns;
use super::newest::{NewestTraces, Search, SoFar};
use super::ranked::{Rank, Ranked, RankedSearch};
use super::trace_loader::TraceLoader;
use crate::judge::Spanset;
use crate::search::{Inspected, SearchAnswer, SearchPart, SearchRequest, TraceHit};
use crate::{Field, Intrinsic, Order, Place, ReadError, Rows};

/// Memory of a field of a hit with its value, about.
const FIELD_BYTES: usize = 256;

/// Takes hits that are certain before the search ends.
pub(super) type Take<'t> = &'t mut dyn FnMut(SearchPart) -> Result<(), ReadError>;

pub(super) fn search(
    loader: &TraceLoader<'_, '_>,
    request: &SearchRequest,
    take: Option<Take<'_>>,
) -> Result<SearchAnswer, ReadError> {
    let mut judge = Judge::new(loader, &request.spans, request.range)?;
    let of_tree = request.select.iter().map(|field| is_of_tree(field).then(|| judge.program.field(field))).collect();
    let needed = &NeededColumns::of(request);
    judge.explain(request);
    match (request.rows, &request.order) {
        (Rows::Traces, Order::Newest) if request.traces.is_none() => {
            newest(&Hits { judge: &judge, request, needed, of_tree }, take)
        }
        (rows, order) => {
            let rank = &Rank::new(order, &mut judge);
            let (search, found) =
                (RankedSearch { judge: &judge, request, rank }, Hits { judge: &judge, request, needed, of_tree });
            if rows == Rows::Traces { ranked_traces(&search, &found) } else { ranked_spans(&search, &found) }
        }
    }
}

/// Whether only the tree of its trace tells a field of a span.
fn is_of_tree(field: &Field) -> bool {
    match field {
        Field::Intrinsic(
            Intrinsic::TraceDuration
            | Intrinsic::TraceStart
            | Intrinsic::TraceSpans
            | Intrinsic::TraceErrors
            | Intrinsic::RootName
            | Intrinsic::RootService,
        ) => false,
        field => field.is_of_trace(),
    }
}

/// The newest traces. The answer is without those that `take` got.
fn newest(found: &Hits<'_, '_, '_>, mut take: Option<Take<'_>>) -> Result<SearchAnswer, ReadError> {
    let begun = crate::clock::instant();
    let Hits { judge, request, .. } = found;
    let (mut taken, mut memory) = (0, judge.loader.context.reserve(0)?);
    let tell = |so_far: SoFar<'_>| {
        let Some(take) = &mut take else { return Ok(()) };
        let certain = so_far.certain.iter().take(request.limit).skip(taken);
        let mut hits = Vec::new();
        for (_, id) in certain {
            judge.loader.context.check()?;
            hits.extend(found.of(*id)?);
            taken += 1;
        }
        memory.grow(hits.iter().map(hit_bytes).sum())?;
        let inspected = Inspected { bytes: judge.loader.snapshot.bytes_read(), ..so_far.inspected };
        take(SearchPart { hits, inspected, done: so_far.done, all: so_far.all })
    };
    let NewestTraces { traces, inspected } = Search { judge, request }.run(begun, tell)?;
    memory.keep();
    judge.loader.context.ended("the newest traces, unit by unit", begun);
    let place = |(start, trace_id): (u64, TraceId)| Place { value: None, start, trace_id, span_id: None };
    hits_of_traces(found, traces.into_iter().map(place).collect(), taken, inspected)
}

/// Traces in any order.
fn ranked_traces(search: &RankedSearch<'_, '_, '_>, found: &Hits<'_, '_, '_>) -> Result<SearchAnswer, ReadError> {
    let begun = crate::clock::instant();
    let Ranked { places, inspected } = search.run()?;
    search.judge.loader.context.ended("the first traces, of all units", begun);
    hits_of_traces(found, places, 0, inspected)
}

/// The hits of traces with these places, one more than asked for, but for the first `taken`.
fn hits_of_traces(
    found: &Hits<'_, '_, '_>,
    mut places: Vec<Place>,
    taken: usize,
    mut inspected: Inspected,
) -> Result<SearchAnswer, ReadError> {
    let Hits { judge, request, .. } = found;
    let has_more = places.len() > request.limit;
    places.truncate(request.limit);
    let context = judge.loader.context;
    let (mut hits, mut memory) = (Vec::with_capacity(places.len()), context.reserve(0)?);
    let take = |_: &Place, hit: Result<Option<TraceHit>, ReadError>| {
        let hit = hit?;
        memory.grow(hit.as_ref().map_or(0, hit_bytes))?;
        hits.extend(hit);
        context.check()
    };
    let begun = crate::clock::instant();
    let left = places.get(taken..).unwrap_or_default();
    judge.loader.snapshot.workers().in_order(left, begun, |_| true, |place| found.of(place.trace_id), take)?;
    memory.keep();
    context.ended("what is shown of the traces", begun);
    inspected.bytes = judge.loader.snapshot.count_pages(context);
    Ok(SearchAnswer { hits, inspected, next: places.pop().filter(|_| has_more) })
}

/// Spans in any order.
fn ranked_spans<'a>(search: &RankedSearch<'_, '_, 'a>, found: &Hits<'_, '_, 'a>) -> Result<SearchAnswer, ReadError> {
    let begun = crate::clock::instant();
    let Ranked { places, mut inspected } = search.run()?;
    found.judge.loader.context.ended("the first spans, of all units", begun);
    let begun = crate::clock::instant();
    let (judge, context) = (found.judge, found.judge.loader.context);
    let traces: BTreeSet<TraceId> = places.iter().map(|place| place.trace_id).collect();
    let mut rows: Vec<(Place, Spanset)> = Vec::new();
    let mut memory = context.reserve(0)?;
    for id in traces {
        context.check()?;
        let Some(judged) = judge.judge(id)? else { continue };
        let mut own = search.spans_of(&judged)?;
        own.retain(|(place, _)| search.is_after(place));
        memory.grow(own.len() * size_of::<(Place, Spanset)>())?;
        rows.extend(own);
    }
    rows.sort_by(|(one, _), (other, _)| search.rank.compare(one, other));
    let mut shown = search.request.limit.min(rows.len());
    // Spans of one place stay together.
    while shown > 0
        && rows.get(shown).is_some_and(|(place, _)| rows.get(shown - 1).is_some_and(|(last, _)| last == place))
    {
        shown += 1;
    }
    let has_more = rows.len() > shown;
    rows.truncate(shown);
    let next = rows.last().filter(|_| has_more).map(|(place, _)| place.clone());
    let mut by_trace: BTreeMap<TraceId, (Vec<usize>, Vec<Spanset>)> = BTreeMap::new();
    for (index, (place, span)) in rows.into_iter().enumerate() {
        let (indexes, spans) = by_trace.entry(place.trace_id).or_default();
        indexes.push(index);
        spans.push(span);
    }
    let mut hits: Vec<(usize, TraceHit)> = Vec::new();
    for (id, (indexes, spans)) in by_trace {
        let of_trace = found.of_spans(&TraceRows::of(judge, id)?, &spans)?;
        memory.grow(of_trace.iter().map(hit_bytes).sum())?;
        hits.extend(indexes.into_iter().zip(of_trace));
    }
    hits.sort_by_key(|(index, _)| *index);
    memory.keep();
    context.ended("what is shown of the spans", begun);
    inspected.bytes = judge.loader.snapshot.count_pages(context);
    Ok(SearchAnswer { hits: hits.into_iter().map(|(_, hit)| hit).collect(), inspected, next })
}

/// Memory of a hit, about.
fn hit_bytes(hit: &TraceHit) -> usize {
    let spans = hit.spans().map(|span| size_of_val(span) + span.name.len() + span.fields.len() * FIELD_BYTES);
    let services = hit.services.iter().map(|stats| size_of_val(stats) + stats.service.len());
    let attributes = hit.sets.iter().map(|set| size_of_val(set) + set.attributes.len() * FIELD_BYTES);
    size_of_val(hit) + spans.sum::<usize>() + services.sum::<usize>() + attributes.sum::<usize>()
}
