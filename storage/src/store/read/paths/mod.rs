//! Call paths, put together by columns: each unit folds the traces that only it has, and the others are read span by span.

mod fold;
mod merged;
mod unit;

use hashbrown::HashMap;
use hoptrail_proto::model::{Extent, SpanKind, StatusCode, TraceId, TraceSpan};

use super::contrast::{SidedTraces, UnitTraces};
use super::rounds::Rounds;
use super::scan_unit::ScanUnit;
use super::trace_loader::TraceLoader;
use crate::codec::len_u32;
use crate::contrast::{Bar, ContrastRequest};
use crate::copies::Contents;
use crate::paths::{CallPaths, PathsRequest, Step};
use crate::scan::{Link, ParentRow, Projection, SpanIdentity, decide};
use crate::{Filter, ReadError};
use fold::{Fold, Folded, Key};
use merged::{Merged, Names};
use unit::{Unit, of_unit};

/// Traces that are read span by span are taken together by so many.
const TOGETHER: usize = 64;

/// All traces of the question as one.
pub(super) fn call_paths(loader: &TraceLoader<'_, '_>, request: &PathsRequest) -> Result<CallPaths, ReadError> {
    let nothing = || Filter::Not(Box::new(Filter::True)).into();
    let sides = ContrastRequest {
        selected: request.selected.clone(),
        others: request.others.clone().unwrap_or_else(nothing),
        range: request.range,
        ignored: Vec::new(),
        without: Vec::new(),
        bar: Bar::default(),
    };
    let traces = SidedTraces::of(loader, &sides)?;
    let begun = crate::clock::instant();
    let (mut all, mut memory) = (Merged::default(), loader.context.reserve(0)?);
    let units: Vec<ScanUnit> = traces.units.iter().map(|(unit, _)| unit.clone()).collect();
    let rounds = Rounds::new(loader.snapshot, &units);
    let items: Vec<(usize, &(ScanUnit, UnitTraces))> = traces.units.iter().enumerate().collect();
    let work = |(index, (unit, own)): &(usize, &(ScanUnit, UnitTraces))| {
        loader.context.check()?;
        rounds.fetch(*index)?;
        loader.on(unit, |group| of_unit(group, own, loader))
    };
    let mut irregular = Vec::new();
    let take = |_: &(usize, &(ScanUnit, UnitTraces)), found: Result<Option<Unit>, ReadError>| {
        let Some(found) = found? else { return Ok(()) };
        irregular.extend(found.irregular);
        memory.grow(all.add(found.folded, |(service, name, kind)| {
            let service = found.services.get(service as usize).cloned().unwrap_or_default();
            (service, found.names.get(&name).cloned().unwrap_or_default(), kind)
        }))
    };
    loader.snapshot.workers().in_order(&items, begun, |_| true, work, take)?;
    let split = traces.split_ids.iter().copied().zip(traces.split.iter().copied());
    let apart: Vec<(TraceId, bool)> = split.chain(irregular).collect();
    let work = |traces: &&[(TraceId, bool)]| by_spans(traces, loader);
    let take = |_: &&[(TraceId, bool)], found: Result<(Folded, Vec<Names>), ReadError>| {
        let (folded, keys) = found?;
        memory.grow(all.add(folded, |(code, ..)| keys.get(code as usize).cloned().unwrap_or_default()))
    };
    let chunks: Vec<&[(TraceId, bool)]> = apart.chunks(TOGETHER).collect();
    loader.snapshot.workers().in_order(&chunks, begun, |_| true, work, take)?;
    let told = all.told(&mut memory)?;
    loader.context.ended("the paths of all traces", begun);
    memory.keep();
    Ok(CallPaths { traces: traces.all(), inspected: traces.inspected, ..told })
}

/// Traces read span by span, and what the first part of their keys stands for.
fn by_spans(traces: &[(TraceId, bool)], loader: &TraceLoader<'_, '_>) -> Result<(Folded, Vec<Names>), ReadError> {
    let (mut fold, mut keys) = (Fold::default(), Keys::default());
    for (id, is_selected) in traces {
        loader.context.check()?;
        let read = loader.spans(*id, Projection::Only { names: &[], children: false })?;
        fold.add(&steps_of_spans(read.spans, &mut keys)?, *is_selected);
    }
    Ok((fold.finish(), keys.names))
}

/// Numbers of services, names and kinds.
#[derive(Default)]
struct Keys {
    numbers: HashMap<Names, u32>,
    names: Vec<Names>,
}

impl Keys {
    fn key(&mut self, span: &TraceSpan) -> Key {
        let Self { numbers, names } = self;
        let own = (span.resource.service_name().to_owned(), span.span.name.clone(), span.span.kind);
        let number = *numbers.entry(own).or_insert_with_key(|own| {
            names.push(own.clone());
            len_u32(names.len() - 1)
        });
        (number, 0, SpanKind::Unspecified)
    }
}

/// The steps of a trace.
fn steps_of_spans(mut spans: Vec<TraceSpan>, keys: &mut Keys) -> Result<Vec<Step<Key>>, ReadError> {
    let mut contents = Contents::default();
    spans.sort_by_cached_key(|span| (span.span.start_unix_nano, span.span.span_id, contents.hash(span)));
    let link = |span: &TraceSpan| span.span.parent_span_id.map_or(Link::None, Link::Id);
    let links: Vec<_> = spans.iter().map(|span| (span.span.span_id, link(span))).collect();
    let identity = |index: usize| {
        let own = spans.get(index).map(|own| SpanIdentity {
            start: own.span.start_unix_nano,
            span_id: own.span.span_id,
            end: own.span.end_unix_nano,
            kind: own.span.kind,
            name: own.span.name.as_bytes(),
            service: own.resource.service_name(),
        });
        own.ok_or(ReadError::Cancelled)
    };
    let parents = decide(&links, &identity)?;
    let step = |(span, parent): (&TraceSpan, ParentRow)| {
        let (start, end) = (span.span.start_unix_nano, span.span.end_unix_nano);
        let end = end.max(start);
        Step {
            key: keys.key(span),
            parent: match parent {
                ParentRow::Row(row) => Some(row as usize),
                ParentRow::Root | ParentRow::Outside => None,
            },
            start,
            end,
            is_error: span.span.status.code == StatusCode::Error,
            is_real: Extent::are_real(start, end),
        }
    };
    Ok(spans.iter().zip(parents).map(step).collect())
}
