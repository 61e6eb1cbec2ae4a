//! Traces of files that people opened: in memory for a while, never stored. Pages find them by id, like any other trace.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use hoptrail_proto::model::{TenantId, Trace, TraceId, TraceSpan};
use tokio::sync::Semaphore;

/// Longest file.
pub(crate) const MOST_BYTES: usize = 32 << 20;
/// Bytes of files whose traces are kept; the oldest are forgotten first.
const KEPT_BYTES: usize = 64 << 20;
/// Most traces that are kept.
const KEPT: usize = 1_000;
/// How long a trace is kept, in nanoseconds: an hour.
const AGE: u64 = 3_600_000_000_000;

type Key = (TenantId, TraceId);

/// Files that are read at the same time.
const AT_ONCE: usize = 2;

#[derive(Debug)]
pub(crate) struct Opened {
    state: Mutex<State>,
    /// Who reads a file has a turn.
    pub(crate) turns: Semaphore,
}

impl Default for Opened {
    fn default() -> Self {
        Self { state: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

#[derive(Debug, Default)]
struct State {
    traces: HashMap<Key, Kept>,
    /// The oldest first. A key that was opened again stands there twice.
    order: VecDeque<(u64, Key)>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    trace: Arc<Trace>,
    bytes: usize,
    at: u64,
}

impl Opened {
    /// Keeps the spans of a file of `bytes` bytes. Answers its traces, those with the most spans first.
    pub(crate) fn keep(&self, tenant: &TenantId, spans: Vec<TraceSpan>, bytes: usize, now: u64) -> Vec<Arc<Trace>> {
        let count = spans.len().max(1);
        let mut by_id: HashMap<TraceId, Vec<TraceSpan>> = HashMap::new();
        for span in spans {
            by_id.entry(span.span.trace_id).or_default().push(span);
        }
        let mut traces: Vec<Arc<Trace>> = by_id.into_iter().map(|(id, spans)| Arc::new(Trace { id, spans })).collect();
        traces.sort_by_key(|trace| (std::cmp::Reverse(trace.spans.len()), trace.id));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for trace in traces.iter().take(KEPT) {
            let share = bytes / count * trace.spans.len();
            state.add((tenant.clone(), trace.id), Arc::clone(trace), share, now);
        }
        state.forget(now);
        traces
    }

    /// The trace of a file that was opened not long ago.
    pub(crate) fn trace(&self, tenant: &TenantId, id: TraceId, now: u64) -> Option<Arc<Trace>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now);
        state.traces.get(&(tenant.clone(), id)).map(|kept| Arc::clone(&kept.trace))
    }
}

impl State {
    fn add(&mut self, key: Key, trace: Arc<Trace>, bytes: usize, at: u64) {
        self.bytes += bytes;
        self.order.push_back((at, key.clone()));
        if let Some(before) = self.traces.insert(key, Kept { trace, bytes, at }) {
            self.bytes -= before.bytes;
        }
    }

    fn forget(&mut self, now: u64) {
        while let Some((at, key)) = self.order.front() {
            let is_old = now.saturating_sub(*at) > AGE;
            if !is_old && self.bytes <= KEPT_BYTES && self.traces.len() <= KEPT && self.order.len() <= 2 * KEPT {
                return;
            }
            // Opened again, it stays.
            if self.traces.get(key).is_some_and(|kept| kept.at == *at)
                && let Some(kept) = self.traces.remove(key)
            {
                self.bytes -= kept.bytes;
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::{Span, SpanId};

    use super::*;

    fn spans(trace: u128, count: u64) -> Vec<TraceSpan> {
        let span = |number: u64| TraceSpan {
            span: Span {
                trace_id: TraceId(trace.to_be_bytes()),
                span_id: SpanId(number.to_be_bytes()),
                ..Span::default()
            },
            resource: Arc::default(),
            scope: Arc::default(),
        };
        (1..=count).map(span).collect()
    }

    fn id(trace: u128) -> TraceId {
        TraceId(trace.to_be_bytes())
    }

    #[test]
    fn traces_are_kept_for_an_hour_and_for_their_tenant() {
        let (opened, tenant) = (Opened::default(), TenantId::single());
        let found = opened.keep(&tenant, [spans(1, 1), spans(2, 3)].concat(), 400, 0);
        assert_eq!(found.iter().map(|trace| trace.spans.len()).collect::<Vec<_>>(), [3, 1]);
        assert!(opened.trace(&tenant, id(2), AGE).is_some() && opened.trace(&tenant, id(3), 0).is_none());
        let other = TenantId::new("other").expect("a tenant");
        assert!(opened.trace(&other, id(2), 0).is_none());
        opened.keep(&tenant, spans(2, 4), 100, AGE / 2);
        assert_eq!(opened.trace(&tenant, id(1), AGE + 1), None);
        assert_eq!(opened.trace(&tenant, id(2), AGE + 1).map(|trace| trace.spans.len()), Some(4));
        assert!(opened.trace(&tenant, id(2), 2 * AGE).is_none());
        let state = opened.state.lock().expect("no panic");
        assert_eq!((state.bytes, state.order.len(), state.traces.len()), (0, 0, 0));
    }

    #[test]
    fn memory_is_bounded() {
        let (opened, tenant) = (Opened::default(), TenantId::single());
        for number in 0..10 {
            opened.keep(&tenant, spans(number, 2), MOST_BYTES, 0);
        }
        assert!(opened.trace(&tenant, id(9), 0).is_some() && opened.trace(&tenant, id(7), 0).is_none());
        for number in 0..5_000 {
            opened.keep(&tenant, spans(number, 1), 1, 0);
        }
        let state = opened.state.lock().expect("no panic");
        assert!(state.traces.len() <= KEPT && state.order.len() <= 2 * KEPT);
    }
}
