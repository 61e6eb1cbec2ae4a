//! Some traces as one, by codes.

use hoptrail_proto::model::SpanKind;
use rustc_hash::FxHashMap;

use crate::codec::len_u32;
use crate::paths::{Step, critical, start_of, top_down};

/// Service, name and kind: as codes of a unit, or as numbers of the answer.
pub(super) type Key = (u32, u32, SpanKind);

/// The parent of a step that has none.
pub(super) const NONE: u32 = u32::MAX;
/// Memory of a span.
pub(super) const SPAN_BYTES: usize = size_of::<Times>();

/// What one side has of a step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) traces: u32,
    pub(super) spans: u32,
    pub(super) errors: u32,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.traces = self.traces.saturating_add(other.traces);
        self.spans = self.spans.saturating_add(other.spans);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// The times of a span, nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// After the start of its trace.
    pub(super) start: u64,
    pub(super) duration: u64,
    pub(super) critical: u64,
}

/// A step.
pub(super) struct Node {
    /// The step above, which comes before, or [`NONE`].
    pub(super) parent: u32,
    pub(super) key: Key,
    /// What the selection and the others have.
    pub(super) tallies: [Tally; 2],
    /// The last trace that had it.
    stamp: u32,
}

/// The steps of traces, and the times of their spans: step by step, the selection before the others.
pub(super) struct Folded {
    pub(super) nodes: Vec<Node>,
    pub(super) times: Vec<Times>,
}

/// Traces as one.
#[derive(Default)]
pub(super) struct Fold {
    nodes: Vec<Node>,
    known: FxHashMap<(u32, Key), u32>,
    traces: u32,
    /// The place of each span: twice its step, and one more for the others.
    spans: Vec<(u32, Times)>,
}

impl Fold {
    /// Adds a trace, whose steps are by start and id.
    pub(super) fn add(&mut self, steps: &[Step<Key>], is_selected: bool) {
        self.traces += 1;
        let (order, children) = top_down(steps);
        let (start, on_path) = (start_of(steps), critical(steps, &order, &children));
        let mut of_steps: Vec<u32> = vec![NONE; steps.len()];
        for index in order {
            let Some(step) = steps.get(index) else { continue };
            let parent = step.parent.and_then(|parent| of_steps.get(parent).copied()).unwrap_or(NONE);
            let place = self.place(parent, step.key);
            of_steps.get_mut(index).into_iter().for_each(|own| *own = place);
            let Self { nodes, traces, spans, .. } = self;
            let Some(node) = nodes.get_mut(place as usize) else { continue };
            let is_first = std::mem::replace(&mut node.stamp, *traces) != *traces;
            let [selected, others] = &mut node.tallies;
            let own = if is_selected { selected } else { others };
            own.add(Tally { traces: u32::from(is_first), spans: 1, errors: u32::from(step.is_error) });
            let times = Times {
                start: step.start.saturating_sub(start),
                duration: step.end.saturating_sub(step.start),
                critical: on_path.get(index).copied().unwrap_or_default(),
            };
            spans.push((2 * place + u32::from(!is_selected), times));
        }
    }

    fn place(&mut self, parent: u32, key: Key) -> u32 {
        let Self { nodes, known, .. } = self;
        *known.entry((parent, key)).or_insert_with(|| {
            nodes.push(Node { parent, key, tallies: Default::default(), stamp: 0 });
            len_u32(nodes.len() - 1)
        })
    }

    /// All traces that were added.
    pub(super) fn finish(self) -> Folded {
        let Self { nodes, spans, .. } = self;
        let mut next = 0;
        let mut places: Vec<u32> = Vec::with_capacity(2 * nodes.len());
        for tally in nodes.iter().flat_map(|node| node.tallies) {
            places.push(next);
            next += tally.spans;
        }
        let mut times = vec![Times::default(); spans.len()];
        for (place, own) in spans {
            let Some(place) = places.get_mut(place as usize) else { continue };
            times.get_mut(*place as usize).into_iter().for_each(|times| *times = own);
            *place += 1;
        }
        Folded { nodes, times }
    }
}
