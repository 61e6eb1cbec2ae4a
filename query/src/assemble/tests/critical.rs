//! Critical path and self time.

use hoptrail_proto::model::SpanKind::{Client, Consumer, Producer};

use super::build::{MS, One, T0, id, span, trace};
use crate::assemble::{Clocks, assemble};

/// The path as text: `s1 0-10 30-40, s2 10-30`, nodes in drawing order.
fn path(spans: Vec<One>) -> String {
    let trace = trace(spans);
    let tree = assemble(&trace, Clocks::AsSent);
    let ms = |nanos: u64| (nanos - T0) / MS;
    let on_path = tree.nodes.iter().filter(|node| !node.critical.is_empty());
    let parts = on_path.map(|node| {
        let stretches: Vec<_> =
            node.critical.iter().map(|part| format!("{}-{}", ms(part.start), ms(part.end))).collect();
        format!("{} {}", node.span().map_or("?", |span| &span.span.name), stretches.join(" "))
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[test]
fn paths() {
    let s = |number, parent, start, end| span(number, parent, "a", start, end);
    let cases = [
        ("alone", vec![s(1, 0, 0, 100)], "s1 0-100"),
        (
            "one after the other",
            vec![s(1, 0, 0, 100), s(2, 1, 10, 40), s(3, 1, 50, 90)],
            "s1 0-10 40-50 90-100, s2 10-40, s3 50-90",
        ),
        (
            "of concurrent ones the last",
            vec![s(1, 0, 0, 100), s(2, 1, 10, 60), s(3, 1, 10, 90)],
            "s1 0-10 90-100, s3 10-90",
        ),
        (
            "overlapping ones in turn",
            vec![s(1, 0, 0, 100), s(2, 1, 10, 45), s(3, 1, 40, 90), s(4, 1, 5, 30)],
            "s1 0-5 30-40 90-100, s4 5-30, s3 40-90",
        ),
        ("deep", vec![s(1, 0, 0, 100), s(2, 1, 10, 90), s(3, 2, 20, 80)], "s1 0-10 90-100, s2 10-20 80-90, s3 20-80"),
        (
            "what runs on in the background is not waited for",
            vec![s(1, 0, 0, 100), s(2, 1, 10, 30), s(3, 2, 20, 60), s(4, 1, 50, 100)],
            "s1 0-10 30-50, s2 10-30, s4 50-100",
        ),
        (
            "the background decides when it ends last",
            vec![s(1, 0, 0, 100), s(2, 1, 10, 30), s(3, 2, 20, 160)],
            "s1 0-10, s2 10-20, s3 20-160",
        ),
        ("a child that starts before its parent is cut", vec![s(1, 0, 10, 100), s(2, 1, 0, 50)], "s1 50-100, s2 10-50"),
        ("a span without length", vec![s(1, 0, 0, 100), s(2, 1, 50, 50)], "s1 0-100"),
        ("an unlinked root that ends last", vec![s(1, 0, 0, 100), s(3, 2, 60, 130)], "s1 0-60, s3 60-130"),
    ];
    for (name, spans, expected) in cases {
        assert_eq!(path(spans), expected, "{name}");
    }
}

#[test]
fn time_in_a_queue_belongs_to_nobody() {
    let spans = vec![
        span(1, 0, "shop", 0, 50),
        span(2, 1, "shop", 40, 45).kind(Producer),
        span(3, 2, "mail", 200, 260).kind(Consumer),
    ];
    assert_eq!(path(spans), "s1 0-40, s2 40-45, s3 200-260");
}

#[test]
fn the_path_never_counts_a_moment_twice() {
    // Pseudo-random trees; a fixed seed keeps the case the same.
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..200 {
        let spans = (1..=30).map(|number| {
            let start = random(100);
            span(number, random(number), "a", start, start + random(80))
        });
        let trace = trace(spans);
        let tree = assemble(&trace, Clocks::AsSent);
        let mut parts: Vec<_> = tree.nodes.iter().flat_map(|node| node.critical.iter().copied()).collect();
        parts.sort_by_key(|part| part.start);
        assert!(parts.windows(2).all(|pair| pair[0].end <= pair[1].start), "{parts:?}");
        assert!(parts.last().is_none_or(|last| last.end == tree.interval.end));
        for node in &tree.nodes {
            assert!(node.self_nanos <= node.interval.nanos());
        }
    }
}

#[test]
fn self_time_is_what_no_child_covers() {
    let spans = [
        span(1, 0, "a", 0, 100),
        span(2, 1, "a", 10, 40),
        span(3, 1, "b", 30, 50),
        span(4, 1, "b", 35, 38),
        span(5, 1, "b", 90, 140),
        span(6, 1, "c", 60, 70).kind(Client),
    ];
    let trace = trace(spans);
    let tree = assemble(&trace, Clocks::AsSent);
    let own = |number| tree.nodes[tree.find_span(id(number)).expect("span")].self_nanos / MS;
    assert_eq!(own(1), 100 - 40 - 10 - 10);
    assert_eq!((own(2), own(5)), (30, 50));
    assert_eq!(own(6), 10, "an inferred peer takes nothing away from its caller");
    let part = &tree.summary.services[1];
    assert_eq!((part.name.as_str(), part.spans, part.self_nanos / MS), ("b", 3, 20 + 3 + 50));
}
