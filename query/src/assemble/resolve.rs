//! Which span is the parent of which, whatever the ids say.

use std::cmp::Ordering;

use hashbrown::HashMap;
use hoptrail_proto::model::{SpanId, SpanKind, TraceSpan};

use super::draft::Draft;
use super::{Interval, NodeKey, NodeKind, Warning};

/// Spans by start, each with its parent, then a placeholder for every parent that is missing. Free of cycles.
pub(super) fn link(spans: &[TraceSpan]) -> Vec<Draft<'_>> {
    let mut sorted: Vec<&TraceSpan> = spans.iter().collect();
    sorted.sort_by(|a, b| by_identity(a, b));
    let by_id = ById::of(&sorted);
    // Peers and placeholders come later; room that nobody uses costs nothing.
    let mut drafts: Vec<Draft<'_>> = Vec::with_capacity(2 * spans.len());
    for (index, span) in sorted.iter().enumerate() {
        let key = NodeKey { repeat: by_id.repeat(index), ..NodeKey::of(span.span.span_id) };
        let interval = Interval { start: span.span.start_unix_nano, end: span.span.end_unix_nano };
        drafts.push(Draft::new(key, NodeKind::Span(span), interval));
    }
    mark_duplicates(&mut drafts, &sorted, &by_id);
    let mut missing = HashMap::new();
    for index in 0..sorted.len() {
        attach(index, &mut drafts, &sorted, &by_id, &mut missing);
    }
    cut_cycles(&mut drafts);
    drafts
}

/// Orders spans by start, and the same way whatever order they came in.
fn by_identity(a: &TraceSpan, b: &TraceSpan) -> Ordering {
    times(a)
        .cmp(&times(b))
        .then_with(|| (a.span.kind, &a.span.name).cmp(&(b.span.kind, &b.span.name)))
        .then_with(|| a.resource.service_name().cmp(b.resource.service_name()))
}

fn times(span: &TraceSpan) -> (u64, SpanId, u64) {
    (span.span.start_unix_nano, span.span.span_id, span.span.end_unix_nano)
}

/// Indexes of spans by id. Nearly always there is one span for each.
struct ById {
    first: HashMap<SpanId, usize>,
    more: HashMap<SpanId, Vec<usize>>,
    numbers: HashMap<usize, u32>,
}

impl ById {
    fn of(sorted: &[&TraceSpan]) -> Self {
        let mut by_id =
            Self { first: HashMap::with_capacity(sorted.len()), more: HashMap::new(), numbers: HashMap::new() };
        for (index, span) in sorted.iter().enumerate() {
            let id = span.span.span_id;
            if *by_id.first.entry(id).or_insert(index) != index {
                let more = by_id.more.entry(id).or_default();
                more.push(index);
                by_id.numbers.insert(index, u32::try_from(more.len()).unwrap_or(u32::MAX));
            }
        }
        by_id
    }

    fn repeat(&self, index: usize) -> u32 {
        if self.numbers.is_empty() {
            return 0;
        }
        self.numbers.get(&index).copied().unwrap_or_default()
    }

    /// Indexes of the spans with this id, by start.
    fn get(&self, id: SpanId) -> impl Iterator<Item = usize> + '_ {
        let more = self.more.get(&id).into_iter().flatten().copied();
        self.first.get(&id).copied().into_iter().chain(more)
    }
}

/// Marks spans that share an id, and puts a server side under the client side whose id it shares.
fn mark_duplicates(drafts: &mut [Draft<'_>], sorted: &[&TraceSpan], by_id: &ById) {
    for (&id, more) in &by_id.more {
        let all: Vec<usize> = by_id.get(id).collect();
        if let &[a, b] = all.as_slice()
            && let Some((client, server)) = sides(sorted, a, b)
        {
            drafts[server].parent = Some(client);
            drafts[client].warnings.push(Warning::SharedId);
            drafts[server].warnings.push(Warning::SharedId);
            continue;
        }
        let spans = u32::try_from(more.len()).unwrap_or(u32::MAX).saturating_add(1);
        all.iter().for_each(|&index| drafts[index].warnings.push(Warning::DuplicateId { spans }));
    }
}

/// Client and server side of one call with one id (Zipkin's shared spans).
fn sides(sorted: &[&TraceSpan], a: usize, b: usize) -> Option<(usize, usize)> {
    let (first, second) = (&sorted[a].span, &sorted[b].span);
    let same_parent = first.parent_span_id == second.parent_span_id;
    match (first.kind, second.kind) {
        (SpanKind::Client, SpanKind::Server) | (SpanKind::Producer, SpanKind::Consumer) if same_parent => Some((a, b)),
        (SpanKind::Server, SpanKind::Client) | (SpanKind::Consumer, SpanKind::Producer) if same_parent => Some((b, a)),
        _ => None,
    }
}

fn attach<'a>(
    index: usize,
    drafts: &mut Vec<Draft<'a>>,
    sorted: &[&'a TraceSpan],
    by_id: &ById,
    missing: &mut HashMap<SpanId, usize>,
) {
    let span = sorted[index];
    let Some(parent) = span.span.parent_span_id else { return };
    if drafts[index].parent.is_some() {
        return; // The server side of a shared id already has its parent.
    }
    if parent == span.span.span_id {
        drafts[index].warnings.push(Warning::SelfParent);
    } else if let Some(best) = best_parent(span, parent, sorted, by_id) {
        drafts[index].parent = Some(best);
    } else {
        let placeholder = *missing.entry(parent).or_insert_with(|| {
            let interval = Interval { start: span.span.start_unix_nano, end: span.span.end_unix_nano };
            let mut draft = Draft::new(NodeKey::of(parent), NodeKind::Missing, interval);
            draft.warnings.push(Warning::NotReceived);
            drafts.push(draft);
            drafts.len() - 1
        });
        drafts[index].parent = Some(placeholder);
        drafts[index].warnings.push(Warning::MissingParent(parent));
    }
}

/// Of several spans with the parent's id: one of the child's service, else a server side, else the earliest.
fn best_parent(child: &TraceSpan, id: SpanId, sorted: &[&TraceSpan], by_id: &ById) -> Option<usize> {
    let service = child.resource.service_name();
    by_id.get(id).min_by_key(|&index| {
        let candidate = sorted[index];
        let serves = matches!(candidate.span.kind, SpanKind::Server | SpanKind::Consumer);
        (candidate.resource.service_name() != service, !serves)
    })
}

/// Makes the earliest span of every circle a root.
fn cut_cycles(drafts: &mut [Draft<'_>]) {
    const UNSEEN: usize = usize::MAX;
    let mut seen_in = vec![UNSEEN; drafts.len()];
    for walk in 0..drafts.len() {
        let mut at = walk;
        while seen_in[at] == UNSEEN {
            seen_in[at] = walk;
            match drafts[at].parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        if seen_in[at] == walk && drafts[at].parent.is_some() {
            cut(drafts, at);
        }
    }
}

/// Cuts the circle through `member`; drafts are sorted by start, so the smallest index is the earliest.
fn cut(drafts: &mut [Draft<'_>], member: usize) {
    let mut earliest = member;
    let mut at = member;
    while let Some(parent) = drafts[at].parent {
        earliest = earliest.min(parent);
        at = parent;
        if at == member {
            break;
        }
    }
    drafts[earliest].parent = None;
    drafts[earliest].warnings.push(Warning::ParentCycle);
}
