//! Times that cannot be drawn as they are, and other content worth a mark.

use std::sync::Arc;

use hoptrail_proto::model::{Attribute, SpanEvent};

use super::build::{MS, T0, span, trace, warnings};
use crate::assemble::{Clocks, Interval, Warning, assemble};

const DAY: u64 = 86_400_000;

#[test]
fn an_end_before_the_start_is_drawn_without_length() {
    let trace = trace([span(1, 0, "a", 0, 9), span(2, 1, "a", 5, 3)]);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(warnings(&tree, 2), [Warning::EndBeforeStart { nanos: 2 * MS }]);
    assert_eq!(tree.nodes[1].interval.nanos(), 0);
}

#[test]
fn a_missing_start_is_drawn_from_the_parents() {
    let zero = |one: super::build::One| one.change(|span| span.start_unix_nano = 0);
    let trace = trace([span(1, 0, "a", 2, 9), zero(span(2, 1, "a", 0, 5)), zero(span(3, 0, "a", 0, 7))]);
    let tree = assemble(&trace, Clocks::AsSent);
    let of = |number| tree.nodes[tree.find_span(super::build::id(number)).expect("span")].interval;
    assert_eq!(of(2), Interval { start: T0 + 2 * MS + 1, end: T0 + 5 * MS + 1 });
    assert_eq!(of(3), Interval { start: T0 + 7 * MS + 1, end: T0 + 7 * MS + 1 });
    assert_eq!(warnings(&tree, 2), [Warning::ZeroStart]);
    assert_eq!(tree.summary.duration_nanos, 7 * MS);
}

#[test]
fn times_that_cannot_be_real_do_not_stretch_the_axis() {
    let at = |number, start: u64, end: u64| {
        span(number, 1, "a", 0, 0).change(|span| (span.start_unix_nano, span.end_unix_nano) = (start, end))
    };
    let root = || span(1, 0, "a", 0, 9);
    for (start, end) in [(u64::MAX, u64::MAX), (1, 2), (T0 / 1_000, T0 / 1_000 + 5), (u64::MAX - 5, T0), (0, 0)] {
        let trace = trace([root(), at(2, start, end)]);
        let tree = assemble(&trace, Clocks::AsSent);
        assert_eq!((tree.interval.start, tree.summary.duration_nanos), (T0 + 1, 9 * MS), "{start} {end}");
        let node = &tree.nodes[1];
        assert!(node.outlier && node.critical.is_empty() && !node.warnings.is_empty(), "{start} {end}: {node:?}");
    }
    let trace = trace([root(), at(2, T0 + MS, u64::MAX), at(3, T0 + MS, T0 + MS + 5)]);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(tree.interval, Interval { start: T0 + 1, end: T0 + 1 + 9 * MS });
    assert_eq!((tree.nodes[1].interval.nanos(), tree.nodes[1].outlier), (0, false), "a real start counts");
    assert_eq!(warnings(&tree, 2), [Warning::ImpossibleTime]);
    assert_eq!(warnings(&tree, 3), []);
}

#[test]
fn when_no_time_can_be_real_all_count() {
    let at = |number, parent, start: u64, end: u64| {
        span(number, parent, "a", 0, 0).change(|span| (span.start_unix_nano, span.end_unix_nano) = (start, end))
    };
    let trace = trace([at(1, 0, 5, 90), at(2, 1, 7, 100)]);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(tree.interval, Interval { start: 5, end: 100 });
    assert_eq!(tree.summary.warned, 0);
}

#[test]
fn days_between_spans_are_shown_as_a_search_tells_them() {
    let trace = trace([span(1, 0, "a", 0, 9), span(2, 1, "a", 1, 2), span(4, 1, "a", 40 * DAY, 40 * DAY + 1)]);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(tree.summary.duration_nanos, (40 * DAY + 1) * MS);
    assert!(tree.nodes.iter().all(|node| !node.outlier));
}

#[test]
fn content_is_inspected() {
    let event = |ms: u64| SpanEvent { time_unix_nano: T0 + ms * MS, ..SpanEvent::default() };
    let strange = span(1, 0, "", 1, 9).change(|span| {
        span.name.clear();
        span.attributes = vec![Attribute::new("k", 1), Attribute::new("k", 2)];
        span.attributes.push(Attribute::new("hoptrail.repaired", "name: not UTF-8"));
        span.dropped_attributes_count = 2;
        span.events = vec![event(0), event(5), event(20)];
        span.dropped_links_count = 1;
    });
    let trace = trace([strange]);
    let expected = [
        Warning::EmptyName,
        Warning::EmptyService,
        Warning::Repaired("name: not UTF-8".into()),
        Warning::Dropped { attributes: 2, events: 0, links: 1 },
        Warning::RepeatedAttribute("k".into()),
        Warning::EventsOutside { events: 2 },
    ];
    assert_eq!(warnings(&assemble(&trace, Clocks::AsSent), 1), expected);
}

#[test]
fn repeated_keys_are_seen_among_many() {
    let many = span(1, 0, "a", 0, 9).change(|span| {
        span.attributes = (0..100).map(|n| Attribute::new(format!("k{}", n % 99), n)).collect();
    });
    let trace = trace([many]);
    assert_eq!(warnings(&assemble(&trace, Clocks::AsSent), 1), [Warning::RepeatedAttribute("k0".into())]);
}

#[test]
fn repairs_of_span_and_resource_are_told() {
    let mut repaired = span(1, 0, "a", 0, 9).with("hoptrail.repaired", "end before start");
    let mut resource = (*repaired.0.resource).clone();
    resource.attributes.push(Attribute::new("hoptrail.repaired", "text that is not UTF-8"));
    repaired.0.resource = Arc::new(resource);
    let trace = trace([repaired]);
    let expected = Warning::Repaired("end before start; text that is not UTF-8".into());
    assert_eq!(warnings(&assemble(&trace, Clocks::AsSent), 1), [expected]);
}

#[test]
fn times_at_the_edges_of_the_number_range_are_drawn() {
    let extremes = span(1, 0, "a", 0, 0).change(|span| {
        span.start_unix_nano = u64::MAX;
        span.end_unix_nano = u64::MAX;
    });
    let trace = trace([extremes, span(2, 1, "b", 0, 1), span(3, 2, "c", 0, 1).change(|span| span.end_unix_nano = 0)]);
    for clocks in [Clocks::AsSent, Clocks::Corrected] {
        let tree = assemble(&trace, clocks);
        assert_eq!(tree.summary.spans, 3);
        assert!(tree.nodes.iter().all(|node| node.interval.start <= node.interval.end));
    }
}
