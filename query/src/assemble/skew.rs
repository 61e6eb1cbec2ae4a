//! Clocks that disagree, measured from calls between hosts.
//!
//! A callee cannot start before its caller, and a callee whose caller waited for it cannot end after the caller. Each call from
//! one host to another so bounds the difference of the two clocks from both sides, as in NTP; the bounds of all calls of the trace
//! between the same two hosts are taken together. When they exclude 0, the middle is the estimate.

use std::sync::Arc;

use hashbrown::HashMap;
use hoptrail_proto::model::{AnyValue, Resource, SpanKind, StatusCode, TraceSpan};

use super::draft::Draft;
use super::{Clocks, Interval, Warning};

/// Two hosts of a trace whose clocks disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockSkew {
    /// Host of the callers: its clock counts as right.
    pub reference: String,
    /// The host whose clock is off.
    pub host: String,
    /// Nanoseconds to add to the times of `host`, by the middle of what is possible.
    pub offset_nanos: i64,
    /// The clocks are apart by at least this many nanoseconds.
    pub at_least_nanos: u64,
    /// Calls between the two that were measured.
    pub calls: usize,
}

/// Resource attributes that name a clock, best first.
const HOST_KEYS: [&str; 6] =
    ["host.id", "k8s.node.name", "host.name", "service.instance.id", "k8s.pod.name", "service.name"];

/// Measures the clocks, marks the spans that show the disagreement, and shifts intervals when asked to.
pub(super) fn measure(drafts: &mut [Draft<'_>], order: &[usize], clocks: Clocks) -> Vec<ClockSkew> {
    let hosts = Hosts::of(drafts);
    if hosts.names.len() < 2 {
        mark(drafts, &hosts, &HashMap::new());
        return Vec::new();
    }
    let pairs = bounds(drafts, &hosts);
    mark(drafts, &hosts, &pairs);
    let (offsets, skews) = settle(drafts, order, &hosts, &pairs);
    if clocks == Clocks::Corrected {
        for (draft, host) in drafts.iter_mut().zip(&hosts.of) {
            shift(draft, host.and_then(|host| offsets[host]).unwrap_or_default());
        }
    }
    skews
}

/// Which host each draft ran on.
struct Hosts {
    of: Vec<Option<usize>>,
    names: Vec<String>,
}

impl Hosts {
    fn of(drafts: &[Draft<'_>]) -> Self {
        let mut by_resource: HashMap<*const Resource, usize> = HashMap::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let mut hosts = Self { of: Vec::with_capacity(drafts.len()), names: Vec::new() };
        for draft in drafts {
            let host = draft.span().map(|span| {
                *by_resource.entry(Arc::as_ptr(&span.resource)).or_insert_with(|| {
                    let name = host_name(&span.resource);
                    *by_name.entry(name).or_insert_with_key(|name| {
                        hosts.names.push(name.clone());
                        hosts.names.len() - 1
                    })
                })
            });
            hosts.of.push(host);
        }
        hosts
    }
}

fn host_name(resource: &Resource) -> String {
    HOST_KEYS.iter().find_map(|key| text_of(resource, key)).unwrap_or_default()
}

fn text_of(resource: &Resource, key: &str) -> Option<String> {
    let found = resource.attributes.iter().find(|attribute| attribute.key == key)?;
    match &found.value {
        AnyValue::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// What is known about `clock of the second host + x = clock of the first`, the hosts in ascending order.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// From causes before effects.
    least: i128,
    most: i128,
    /// From callers that wait.
    soft_least: i128,
    soft_most: i128,
    /// Coarsest clock reading seen.
    grain: i128,
    calls: usize,
}

impl Bounds {
    const NONE: Self =
        Self { least: i128::MIN, most: i128::MAX, soft_least: i128::MIN, soft_most: i128::MAX, grain: 0, calls: 0 };

    /// The bounds that contradict nothing: those of waiting callers only where they agree with causes before effects.
    fn settled(&self) -> Option<(i128, i128)> {
        if self.least > self.most {
            return None; // A clock that drifts or was set meanwhile: no single offset explains it.
        }
        let both = (self.least.max(self.soft_least), self.most.min(self.soft_most));
        Some(if both.0 <= both.1 { both } else { (self.least, self.most) })
    }

    /// The estimate and the certain distance, when the clocks disagree by more than they can read.
    fn offset(&self) -> Option<(i128, i128)> {
        let (least, most) = self.settled()?;
        let distance = if least > self.grain {
            least
        } else if most < -self.grain {
            -most
        } else {
            return None;
        };
        let open = least == i128::MIN || most == i128::MAX;
        let nearest = if least > 0 { least } else { most };
        Some((if open { nearest } else { least + (most - least) / 2 }, distance))
    }
}

/// A call from one host to another.
struct Call {
    caller: usize,
    callee: usize,
    outer: Interval,
    inner: Interval,
    /// Whether the caller waited until the callee had ended.
    waited: bool,
}

fn call(drafts: &[Draft<'_>], hosts: &Hosts, index: usize) -> Option<Call> {
    let (child, parent_at) = (&drafts[index], drafts[index].parent?);
    let parent = &drafts[parent_at];
    let (inner, outer) = (child.span()?, parent.span()?);
    if !is_as_sent(child, inner) || !is_as_sent(parent, outer) {
        return None;
    }
    let pair = outer.span.kind == SpanKind::Client && inner.span.kind == SpanKind::Server;
    let fits = child.interval.nanos() <= parent.interval.nanos();
    let waited = pair && fits && outer.span.status.code != StatusCode::Error;
    let (caller, callee) = (hosts.of[parent_at]?, hosts.of[index]?);
    Some(Call { caller, callee, outer: parent.interval, inner: child.interval, waited })
}

/// Whether a span is drawn with its own times. Others say nothing about clocks.
fn is_as_sent(draft: &Draft<'_>, span: &TraceSpan) -> bool {
    let Interval { start, end } = draft.interval;
    !draft.outlier && (start, end) == (span.span.start_unix_nano, span.span.end_unix_nano)
}

type Pairs = HashMap<(usize, usize), Bounds>;

fn bounds(drafts: &[Draft<'_>], hosts: &Hosts) -> Pairs {
    let mut pairs: Pairs = HashMap::new();
    let calls = (0..drafts.len()).filter_map(|index| call(drafts, hosts, index));
    for call in calls.filter(|call| call.caller != call.callee) {
        let least = i128::from(call.outer.start) - i128::from(call.inner.start);
        let most = i128::from(call.outer.end) - i128::from(call.inner.end);
        let key = (call.caller.min(call.callee), call.caller.max(call.callee));
        let bounds = pairs.entry(key).or_insert(Bounds::NONE);
        bounds.calls += 1;
        bounds.grain = bounds.grain.max(grain(call.outer)).max(grain(call.inner));
        if call.caller < call.callee {
            bounds.least = bounds.least.max(least);
            bounds.soft_most = bounds.soft_most.min(if call.waited { most } else { i128::MAX });
        } else {
            bounds.most = bounds.most.min(-least);
            bounds.soft_least = bounds.soft_least.max(if call.waited { -most } else { i128::MIN });
        }
    }
    pairs
}

/// How coarse the clock is that read these times: a millisecond, a microsecond, or a nanosecond.
fn grain(interval: Interval) -> i128 {
    let times = [interval.start, interval.end];
    let grain = [1_000_000, 1_000].into_iter().find(|grain| times.iter().all(|time| time.is_multiple_of(*grain)));
    i128::from(grain.unwrap_or(1))
}

/// Marks children that stick out of their parents.
fn mark(drafts: &mut [Draft<'_>], hosts: &Hosts, pairs: &Pairs) {
    for index in 0..drafts.len() {
        let Some(call) = call(drafts, hosts, index) else { continue };
        let key = (call.caller.min(call.callee), call.caller.max(call.callee));
        let skewed = pairs.get(&key).is_some_and(|bounds| bounds.offset().is_some());
        let tolerance = u64::try_from(grain(call.outer).max(grain(call.inner))).unwrap_or_default();
        let before = call.outer.start.saturating_sub(call.inner.start);
        let after = if call.waited { call.inner.end.saturating_sub(call.outer.end) } else { 0 };
        let late = call.inner.start.saturating_sub(call.outer.end);
        let warning = match () {
            () if skewed && before.max(after) > tolerance => Warning::ClockSkew { nanos: before.max(after) },
            () if before > tolerance => Warning::StartsBeforeParent { nanos: before },
            () if late > tolerance => Warning::StartsAfterParent { nanos: late },
            () => continue,
        };
        drafts[index].warnings.push(warning);
    }
}

/// Offsets of all hosts against the host of their first root, and the pairs that disagree.
fn settle(drafts: &[Draft<'_>], order: &[usize], hosts: &Hosts, pairs: &Pairs) -> (Vec<Option<i128>>, Vec<ClockSkew>) {
    let mut offsets: Vec<Option<i128>> = vec![None; hosts.names.len()];
    let mut skews = Vec::new();
    for &index in order {
        let Some(host) = hosts.of[index].filter(|&host| offsets[host].is_none()) else { continue };
        let caller = drafts[index].parent.and_then(|parent| hosts.of[parent]);
        let Some(caller) = caller else {
            offsets[host] = Some(0);
            continue;
        };
        let base = offsets[caller].unwrap_or_default();
        let bounds = pairs.get(&(caller.min(host), caller.max(host)));
        let found = bounds.and_then(|bounds| Some((bounds.offset()?, bounds.calls)));
        let Some(((offset, distance), calls)) = found else {
            offsets[host] = Some(base);
            continue;
        };
        let offset = if caller < host { offset } else { -offset };
        offsets[host] = Some(base + offset);
        skews.push(ClockSkew {
            reference: hosts.names[caller].clone(),
            host: hosts.names[host].clone(),
            offset_nanos: clamp(offset),
            at_least_nanos: u64::try_from(distance).unwrap_or(u64::MAX),
            calls,
        });
    }
    (offsets, skews)
}

fn shift(draft: &mut Draft<'_>, by: i128) {
    let by = clamp(by);
    if by == 0 || draft.outlier {
        return;
    }
    draft.shift_nanos = by;
    draft.interval.start = draft.interval.start.saturating_add_signed(by);
    draft.interval.end = draft.interval.end.saturating_add_signed(by);
}

fn clamp(nanos: i128) -> i64 {
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}
