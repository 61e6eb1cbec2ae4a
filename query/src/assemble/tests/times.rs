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
fn far_spans_do_not_stretch_the_axis() {
    let far = || span(4, 1, "a", 40 * DAY, 40 * DAY + 1);
    let near = trace([span(1, 0, "a", 0, 9), span(2, 1, "a", 1, 2), span(3, 1, "a", 1, 2), far()]);
    let tree = assemble(&near, Clocks::AsSent);
    assert_eq!(tree.summary.duration_nanos, 9 * MS);
    assert_eq!(warnings(&tree, 4), [Warning::FarFromTrace]);
    assert!(tree.nodes[3].outlier && tree.nodes[3].critical.is_empty());

    let steady = trace((0..5).map(|day| span(day + 1, 0, "a", day * DAY * 9 / 10, day * DAY)));
    assert_eq!(assemble(&steady, Clocks::AsSent).summary.warned, 0, "a long trace without gaps is no outlier");
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
