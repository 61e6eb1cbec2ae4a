//! Peers that report no spans get a node below their caller's span.

use hashbrown::HashSet;
use hoptrail_proto::model::{SpanId, SpanKind, TraceId, TraceSpan};
use hoptrail_storage::peer_of_span;

use super::draft::Draft;
use super::{NodeKey, NodeKind};

/// Adds a child for every call whose other side is not in the trace.
pub(super) fn infer(drafts: &mut Vec<Draft<'_>>, trace: TraceId) {
    let answered = answered(drafts, trace);
    let mut peers = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(span) = draft.span().filter(|_| !answered[index]) else { continue };
        let Some(peer) = peer_of_span(span) else { continue };
        let key = NodeKey { peer: true, ..draft.key };
        let mut inferred = Draft::new(key, NodeKind::Inferred(peer), draft.interval);
        inferred.parent = Some(index);
        inferred.outlier = draft.outlier;
        inferred.shift_nanos = draft.shift_nanos;
        peers.push(inferred);
    }
    drafts.append(&mut peers);
}

/// For every node: whether somebody in the trace took its call, or it makes none.
fn answered(drafts: &[Draft<'_>], trace: TraceId) -> Vec<bool> {
    let mut answered: Vec<bool> = drafts.iter().map(|draft| draft.span().is_none()).collect();
    let mut linked: HashSet<SpanId> = HashSet::new();
    for draft in drafts {
        let Some(child) = draft.span() else { continue };
        linked.extend(child.span.links.iter().filter(|link| link.trace_id == trace).map(|link| link.span_id));
        let Some((at, parent)) = draft.parent.and_then(|at| Some((at, drafts[at].span()?))) else { continue };
        answered[at] |= match parent.span.kind {
            SpanKind::Client | SpanKind::Producer => takes_over(parent, child),
            _ => true,
        };
    }
    for (index, draft) in drafts.iter().enumerate() {
        let produces = draft.span().is_some_and(|span| span.span.kind == SpanKind::Producer);
        answered[index] |= produces && linked.contains(&draft.key.span_id);
    }
    answered
}

/// Whether the child of a call is its other side, or makes the real call inside of it.
fn takes_over(parent: &TraceSpan, child: &TraceSpan) -> bool {
    !matches!(child.span.kind, SpanKind::Internal | SpanKind::Unspecified)
        || child.resource.service_name() != parent.resource.service_name()
}
