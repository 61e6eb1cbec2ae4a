//! Call paths: many traces as one, folded by the services, names and kinds of their spans from the root down. The question, the answer, and
//! what a trace adds to it.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use hoptrail_proto::model::SpanKind;

use crate::contrast::Sides;
use crate::{Inspected, Pipeline, TimeRange};

/// Which traces are put together?
#[derive(Debug, Clone)]
pub struct PathsRequest {
    /// One side: traces that a search for this finds.
    pub selected: Pipeline,
    /// The other side, if there are two: traces that a search for this finds, without those of the first.
    pub others: Option<Pipeline>,
    /// When a span that a search finds runs.
    pub range: Option<TimeRange>,
}

/// Traces as one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallPaths {
    /// How many traces there are.
    pub traces: Sides,
    /// Depth first; those with one parent by when they mostly start. Those that fewest traces have are left out when there are very many.
    pub paths: Vec<CallPath>,
    /// How many are left out.
    pub left_out: usize,
    /// How long the critical paths of all traces are together, nanoseconds: of the selected and of the others.
    pub critical: [u64; 2],
    /// What it took.
    pub inspected: Inspected,
}

/// A step of the call path: all spans that are alike from the root down.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPath {
    /// The index of the step above.
    pub parent: Option<usize>,
    /// The service of its spans.
    pub service: String,
    /// Their name.
    pub name: String,
    /// Their kind.
    pub kind: SpanKind,
    /// Its numbers on each side: selected and others; `None` where no trace has it.
    pub sides: [Option<PathNumbers>; 2],
}

/// The numbers of a step on one side. Times are nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathNumbers {
    /// Traces that have it.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
    /// Spans that failed.
    pub errors: u64,
    /// How long spans took together.
    pub total: u64,
    /// How much of their traces' critical paths it was.
    pub critical: u64,
    /// When spans start after their traces do: the median, and what 95 of 100 do not exceed.
    pub start: [u64; 2],
    /// How long they take: the same.
    pub duration: [u64; 2],
}

/// A span of one trace, as call paths see it. A trace is a list of them by start and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step<K> {
    pub(crate) key: K,
    /// Its index in the list.
    pub(crate) parent: Option<usize>,
    pub(crate) start: u64,
    /// Not before its start.
    pub(crate) end: u64,
    pub(crate) is_error: bool,
    /// Whether its times can be real. Others have no part in when a trace starts, or in its critical path.
    pub(crate) is_real: bool,
}

/// Most paths that are told.
const MOST: usize = if cfg!(test) { 40 } else { 10_000 };

/// Which paths are told: those that most traces have, and of these the ones nearer to the root; all that are alike in both, or none of
/// them. No path is in more traces than the one above it, so each that is told has what it hangs on.
#[derive(Debug)]
pub(crate) struct Told {
    last: Option<(Reverse<u64>, u32)>,
}

impl Told {
    /// Of paths with these numbers of traces and depths.
    pub(crate) fn of(ranks: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut alike: BTreeMap<(Reverse<u64>, u32), usize> = BTreeMap::new();
        ranks.for_each(|(traces, depth)| *alike.entry((Reverse(traces), depth)).or_default() += 1);
        let mut sum = 0;
        let fits = |(_, count): &(&(Reverse<u64>, u32), &usize)| {
            sum += **count;
            sum <= MOST
        };
        Self { last: alike.iter().take_while(fits).last().map(|(rank, _)| *rank) }
    }

    /// Whether a path is told.
    pub(crate) fn has(&self, (traces, depth): (u64, u32)) -> bool {
        self.last.is_some_and(|last| (Reverse(traces), depth) <= last)
    }
}

/// The quantiles that are told.
const QUANTILES: [f64; 2] = [0.5, 0.95];

/// Numbers that are collected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Collected {
    pub(crate) traces: u64,
    pub(crate) errors: u64,
    pub(crate) critical: u64,
    pub(crate) starts: Vec<u64>,
    pub(crate) durations: Vec<u64>,
}

impl Collected {
    /// Nothing yet of so many spans, of which so many failed, in so many traces.
    pub(crate) fn with_capacity(traces: u64, errors: u64, spans: usize) -> Self {
        let room = || Vec::with_capacity(spans);
        Self { traces, errors, critical: 0, starts: room(), durations: room() }
    }

    /// A span: when it starts after its trace, how long it takes, and how much of that is on the critical path.
    pub(crate) fn push(&mut self, start: u64, duration: u64, critical: u64) {
        self.starts.push(start);
        self.durations.push(duration);
        self.critical = self.critical.saturating_add(critical);
    }

    /// The numbers; `None` of nothing.
    pub(crate) fn numbers(mut self) -> Option<PathNumbers> {
        let total = self.durations.iter().fold(0u64, |sum, nanos| sum.saturating_add(*nanos));
        (self.traces > 0).then(|| PathNumbers {
            traces: self.traces,
            spans: self.durations.len() as u64,
            errors: self.errors,
            total,
            critical: self.critical,
            start: QUANTILES.map(|q| quantile(&mut self.starts, q)),
            duration: QUANTILES.map(|q| quantile(&mut self.durations, q)),
        })
    }
}

/// The value of rank `ceil(q * n)`.
fn quantile(values: &mut [u64], q: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is positive and at most the number of values"
    )]
    let rank = (q * values.len() as f64).ceil() as usize;
    let place = rank.saturating_sub(1).min(values.len().saturating_sub(1));
    if values.is_empty() { 0 } else { *values.select_nth_unstable(place).1 }
}

/// The indexes of the steps without those in a circle, parents before their children; and for each step its children, by start.
pub(crate) fn top_down<K>(steps: &[Step<K>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    let mut order = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        match step.parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(index),
            None => order.push(index),
        }
    }
    let mut next = 0;
    while let Some(index) = order.get(next).copied() {
        order.extend(children.get(index).into_iter().flatten());
        next += 1;
    }
    (order, children)
}

/// When the trace starts: the first start that can be real.
pub(crate) fn start_of<K>(steps: &[Step<K>]) -> u64 {
    let real = steps.iter().filter(|step| step.is_real).map(|step| step.start).min();
    real.or_else(|| steps.iter().map(|step| step.start).min()).unwrap_or_default()
}

/// How long each step was on the critical path: at every moment of the trace the span that its end was waiting for. Walked backwards from
/// the latest end. Inside of a span, the child that ended last before the moment that is looked at is what the span waited for. A child that
/// runs on after its parent counts with the end of its latest descendant. Roots beside the first are children of it: `roots` has all.
pub(crate) fn critical<K>(steps: &[Step<K>], order: &[usize], children: &[Vec<usize>]) -> Vec<u64> {
    let mut nanos = vec![0; steps.len()];
    let roots: Vec<usize> = order.iter().copied().filter(|index| parent_of(steps, *index).is_none()).collect();
    let Some(main) = roots.first().copied() else { return nanos };
    let ends = latest_ends(steps, order);
    let end = |index: usize| ends.get(index).copied().unwrap_or_default();
    let Some(until) = roots.iter().filter(|root| is_real(steps, **root)).map(|root| end(*root)).max() else {
        return nanos;
    };
    let adopted: Vec<usize> = roots.iter().copied().filter(|root| *root != main).collect();
    let start = |index: usize| steps.get(index).map_or(0, |step| step.start);
    let mut todo = vec![(main, start(main), until)];
    let mut waited: Vec<(u64, usize)> = Vec::new();
    while let Some((own, floor, until)) = todo.pop() {
        waited.clear();
        let below = children.get(own).into_iter().flatten();
        let others = adopted.iter().filter(|_| own == main);
        for child in below.chain(others).copied().filter(|child| is_real(steps, *child)) {
            waited.push((end(child), child));
            if let Some(early) = steps.get(child).map(|step| step.end).filter(|early| *early < end(child)) {
                waited.push((early, child));
            }
        }
        waited.sort_unstable_by(|one, other| other.cmp(one));
        let mut moment = until;
        let mut claim = |from: u64, to: u64| {
            if let (Some(step), Some(sum)) = (steps.get(own), nanos.get_mut(own)) {
                *sum += to.min(step.end).saturating_sub(from.max(step.start));
            }
        };
        for (end, child) in &waited {
            let from = start(*child).max(floor);
            if *end > moment || *end <= from {
                continue;
            }
            if moment <= floor {
                break;
            }
            claim(*end, moment);
            todo.push((*child, from, *end));
            moment = from;
        }
        claim(floor, moment);
    }
    nanos
}

fn parent_of<K>(steps: &[Step<K>], index: usize) -> Option<usize> {
    steps.get(index).and_then(|step| step.parent)
}

fn is_real<K>(steps: &[Step<K>], index: usize) -> bool {
    steps.get(index).is_some_and(|step| step.is_real)
}

/// The latest end of each step and what is below it.
fn latest_ends<K>(steps: &[Step<K>], order: &[usize]) -> Vec<u64> {
    let mut ends: Vec<u64> = steps.iter().map(|step| if step.is_real { step.end } else { 0 }).collect();
    for index in order.iter().rev() {
        let own = ends.get(*index).copied().unwrap_or_default();
        if let Some(above) = parent_of(steps, *index).and_then(|parent| ends.get_mut(parent)) {
            *above = own.max(*above);
        }
    }
    ends
}

/// The paths depth first, siblings by when they mostly start.
pub(crate) fn arranged(paths: Vec<CallPath>) -> Vec<CallPath> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); paths.len()];
    let mut roots = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        match path.parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(index),
            None => roots.push(index),
        }
    }
    let order = |one: &usize, other: &usize| match (paths.get(*one), paths.get(*other)) {
        (Some(one), Some(other)) => by_start(one, other),
        _ => Ordering::Equal,
    };
    children.iter_mut().chain([&mut roots]).for_each(|own| own.sort_by(order));
    let mut stack: Vec<(usize, Option<usize>)> = roots.iter().rev().map(|root| (*root, None)).collect();
    let mut paths: Vec<Option<CallPath>> = paths.into_iter().map(Some).collect();
    let mut arranged: Vec<CallPath> = Vec::with_capacity(paths.len());
    while let Some((index, parent)) = stack.pop() {
        let Some(path) = paths.get_mut(index).and_then(Option::take) else { continue };
        let place = arranged.len();
        arranged.push(CallPath { parent, ..path });
        stack.extend(children.get(index).into_iter().flatten().rev().map(|child| (*child, Some(place))));
    }
    arranged
}

fn by_start(one: &CallPath, other: &CallPath) -> Ordering {
    let start = |path: &CallPath| path.sides.iter().flatten().next().map(|numbers| numbers.start);
    let key = |path: &CallPath| (path.service.clone(), path.name.clone(), path.kind);
    start(one).cmp(&start(other)).then_with(|| key(one).cmp(&key(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(parent: Option<usize>, start: u64, end: u64) -> Step<()> {
        Step { key: (), parent, start, end, is_error: false, is_real: true }
    }

    fn nanos(steps: &[Step<()>]) -> Vec<u64> {
        let (order, children) = top_down(steps);
        assert_eq!(order.len(), steps.len());
        critical(steps, &order, &children)
    }

    #[test]
    fn the_critical_path_waits_for_what_ends_last() {
        let spans = [
            step(None, 0, 100),
            step(Some(0), 10, 40),
            step(Some(0), 20, 60),
            step(Some(2), 30, 50),
            step(Some(0), 70, 90),
        ];
        assert_eq!(
            nanos(&spans),
            [40, 0, 20, 20, 20],
            "its own time, nothing, around its child, the child, the last one"
        );
        let late = [step(None, 0, 10), step(Some(0), 5, 30)];
        assert_eq!(nanos(&late), [5, 25], "a child that runs on");
        let queue = [step(None, 0, 10), step(None, 50, 60)];
        assert_eq!(nanos(&queue), [10, 10], "time in which nobody ran belongs to nobody");
        let unreal = [step(None, 0, 10), Step { is_real: false, ..step(Some(0), 0, u64::MAX) }];
        assert_eq!(nanos(&unreal), [10, 0]);
    }

    #[test]
    fn paths_that_most_traces_have_are_told_with_what_is_above_them() {
        let told = |few: usize| {
            let ranks: Vec<(u64, u32)> = [(9, 0), (7, 1)]
                .into_iter()
                .chain((0..MOST - 3).map(|_| (7, 2)))
                .chain((0..few).map(|_| (1, 2)))
                .collect();
            let told = Told::of(ranks.iter().copied());
            ranks.into_iter().filter(|rank| told.has(*rank)).count()
        };
        assert_eq!((told(1), told(2)), (MOST, MOST - 1), "all that are alike, or none");
        assert!(!Told::of(std::iter::empty()).has((1, 0)));
    }

    #[test]
    fn quantiles_are_values() {
        let values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(QUANTILES.map(|q| quantile(&mut values.clone(), q)), [50, 95]);
        assert_eq!(quantile(&mut [7], 0.95), 7);
        assert_eq!(quantile(&mut [], 0.5), 0);
    }
}
