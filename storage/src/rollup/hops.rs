//! The hops of a trace: who called whom.
//!
//! A child in another service than its parent is a hop, and so is a server or consumer below a client or producer. A call that nobody
//! answered is a hop to the peer that its attributes name. A server whose caller is unknown was called by a user, and a consumer whose
//! producer is unknown takes from a queue.

use std::borrow::Borrow;

use hoptrail_proto::model::SpanKind;

use super::Connection;

/// What hops tell of a span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HopSpan {
    pub(crate) id: u64,
    /// 0 for a root.
    pub(crate) parent: u64,
    pub(crate) start: u64,
    pub(crate) duration: u64,
    /// The code of its service among the nodes.
    pub(crate) service: u32,
    pub(crate) kind: SpanKind,
    pub(crate) failed: bool,
    pub(crate) weight: f64,
    /// The code of the peer that it talks about, among the nodes; for a consumer, that of the queue it takes from.
    pub(crate) peer: Option<(u32, Connection)>,
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hop {
    pub(crate) caller: u32,
    pub(crate) callee: u32,
    pub(crate) connection: Connection,
    /// When it began: the start of the caller's span, when that is known.
    pub(crate) start: u64,
    pub(crate) failed: bool,
    pub(crate) weight: f64,
    /// How long it took, as each side saw it.
    pub(crate) by_callee: Option<u64>,
    pub(crate) by_caller: Option<u64>,
}

/// Memory that is used for one trace after the other.
#[derive(Debug, Default)]
pub(crate) struct Hops {
    /// The ids of the spans with their indexes, by id.
    by_id: Vec<(u64, u32)>,
    answered: Vec<bool>,
}

impl Hops {
    /// Calls `each` with the hops of a trace, whose spans are in the order of their starts and without copies. `user` is the code of the
    /// user, and `is_linked` tells whether others of the trace link to a span.
    pub(crate) fn of<S: Borrow<HopSpan>>(
        &mut self,
        spans: &[S],
        user: u32,
        is_linked: impl Fn(u64) -> bool,
        mut each: impl FnMut(&Hop),
    ) {
        let Self { by_id, answered } = self;
        by_id.clear();
        by_id.extend(spans.iter().zip(0_u32..).map(|(span, index)| (span.borrow().id, index)));
        by_id.sort_unstable();
        answered.clear();
        answered.resize(spans.len(), false);
        for (index, child) in spans.iter().map(Borrow::borrow).enumerate() {
            match parent_of(by_id, spans, index) {
                Some((at, parent)) => {
                    if let Some(known) = answered.get_mut(at) {
                        *known |= !is_call(parent.kind) || takes_over(parent, child);
                    }
                    if is_hop(parent, child) {
                        each(&known_call(parent, child));
                    }
                }
                None => entered(child, user).iter().for_each(&mut each),
            }
        }
        let unanswered = spans
            .iter()
            .map(Borrow::borrow)
            .zip(answered)
            .filter(|(span, answered)| !matches!(span.kind, SpanKind::Server | SpanKind::Consumer) && !**answered);
        for (span, _) in unanswered {
            let peer = span.peer.filter(|_| span.kind != SpanKind::Producer || !is_linked(span.id));
            peer.into_iter().for_each(|peer| each(&unanswered_call(span, peer)));
        }
    }
}

/// The parent of a span: the first with that id that is not the span itself.
fn parent_of<'s, S: Borrow<HopSpan>>(
    by_id: &[(u64, u32)],
    spans: &'s [S],
    child: usize,
) -> Option<(usize, &'s HopSpan)> {
    let wanted = spans.get(child).map(|span| span.borrow().parent).filter(|parent| *parent != 0)?;
    let first = by_id.partition_point(|(id, _)| *id < wanted);
    let alike = by_id.get(first..)?.iter().take_while(|(id, _)| *id == wanted);
    let at = alike.map(|(_, index)| *index as usize).find(|index| *index != child)?;
    Some((at, spans.get(at)?.borrow()))
}

fn is_call(kind: SpanKind) -> bool {
    matches!(kind, SpanKind::Client | SpanKind::Producer)
}

/// Whether the child of a call is its other side, or makes the real call inside of it.
fn takes_over(parent: &HopSpan, child: &HopSpan) -> bool {
    !matches!(child.kind, SpanKind::Internal | SpanKind::Unspecified) || child.service != parent.service
}

fn is_hop(parent: &HopSpan, child: &HopSpan) -> bool {
    let is_served = matches!(child.kind, SpanKind::Server | SpanKind::Consumer);
    parent.service != child.service || is_call(parent.kind) && is_served
}

fn known_call(parent: &HopSpan, child: &HopSpan) -> Hop {
    let is_message = parent.kind == SpanKind::Producer || child.kind == SpanKind::Consumer;
    Hop {
        caller: parent.service,
        callee: child.service,
        connection: if is_message { Connection::Message } else { Connection::Request },
        start: parent.start,
        failed: child.failed || parent.failed && is_call(parent.kind),
        weight: child.weight,
        by_callee: Some(child.duration),
        by_caller: is_call(parent.kind).then_some(parent.duration),
    }
}

/// The call that a span answers whose caller is unknown.
fn entered(span: &HopSpan, user: u32) -> Option<Hop> {
    let (caller, connection) = match span.kind {
        SpanKind::Server => (user, Connection::Virtual),
        SpanKind::Consumer => span.peer?,
        _ => return None,
    };
    let HopSpan { service: callee, start, failed, weight, duration, .. } = *span;
    Some(Hop { caller, callee, connection, start, failed, weight, by_callee: Some(duration), by_caller: None })
}

fn unanswered_call(span: &HopSpan, (callee, connection): (u32, Connection)) -> Hop {
    let HopSpan { service: caller, start, failed, weight, duration, .. } = *span;
    Hop { caller, callee, connection, start, failed, weight, by_callee: None, by_caller: Some(duration) }
}
