//! Clocks of hosts.

use hoptrail_proto::model::SpanKind::{Client, Consumer, Producer, Server};

use super::build::{MS, T0, span, trace, warnings};
use crate::assemble::{Clocks, Warning, assemble};

#[test]
fn a_server_outside_of_its_waiting_client_shows_the_difference_of_the_clocks() {
    let spans = || {
        [
            span(1, 0, "web", 0, 100),
            span(2, 1, "web", 10, 90).kind(Client),
            span(3, 2, "cart", 210, 270).kind(Server),
            span(4, 3, "cart", 220, 230),
        ]
    };
    let trace = trace(spans());
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(tree.skews.len(), 1);
    let skew = &tree.skews[0];
    // 210..270 fits into 10..90 when moved back by 180 to 200.
    assert_eq!((skew.reference.as_str(), skew.host.as_str()), ("web", "cart"));
    assert_eq!((skew.offset_nanos, skew.at_least_nanos, skew.calls), (-190 * MS as i64, 180 * MS, 1));
    assert_eq!(warnings(&tree, 3), [Warning::ClockSkew { nanos: 180 * MS }]);
    assert_eq!(warnings(&tree, 4), []);
    assert_eq!(tree.nodes[2].shift_nanos, 0);

    let corrected = assemble(&trace, Clocks::Corrected);
    assert_eq!(corrected.skews, tree.skews);
    assert_eq!(corrected.nodes[2].interval.start, T0 + 20 * MS + 1);
    assert_eq!(corrected.nodes[3].interval.start, T0 + 30 * MS + 1, "the whole host moves");
    assert_eq!((corrected.nodes[2].shift_nanos, corrected.nodes[0].shift_nanos), (-190 * MS as i64, 0));
    assert_eq!(corrected.summary.duration_nanos, 100 * MS);
}

#[test]
fn what_looks_like_skew_and_is_not() {
    let calls: [(&str, [super::build::One; 2], &[Warning]); 5] = [
        ("inside", [span(1, 0, "a", 0, 9).kind(Client), span(2, 1, "b", 1, 8).kind(Server)], &[]),
        (
            "a client that gave up",
            [span(1, 0, "a", 0, 9).kind(Client).error(), span(2, 1, "b", 5, 12).kind(Server)],
            &[],
        ),
        (
            "a server that works on after its client",
            [span(1, 0, "a", 0, 9).kind(Client), span(2, 1, "b", 1, 80).kind(Server)],
            &[],
        ),
        (
            "a consumer that is late",
            [span(1, 0, "a", 0, 9).kind(Producer), span(2, 1, "b", 50, 60).kind(Consumer)],
            &[Warning::StartsAfterParent { nanos: 41 * MS }],
        ),
        (
            "one host, one clock",
            [span(1, 0, "a", 5, 9), span(2, 1, "a", 2, 8)],
            &[Warning::StartsBeforeParent { nanos: 3 * MS }],
        ),
    ];
    for (name, spans, expected) in calls {
        let trace = trace(spans);
        let tree = assemble(&trace, Clocks::AsSent);
        assert_eq!(tree.skews, [], "{name}");
        assert_eq!(warnings(&tree, 2), expected, "{name}");
    }
}

#[test]
fn a_clock_cannot_disagree_by_less_than_it_can_read() {
    // Millisecond clocks: the server seems to start 1 ms early.
    let whole = |one: super::build::One| {
        one.change(|span| {
            span.start_unix_nano -= 1;
            span.end_unix_nano -= 1;
        })
    };
    let trace = trace([whole(span(1, 0, "a", 5, 9).kind(Client)), whole(span(2, 1, "b", 4, 7).kind(Server))]);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!((tree.skews.len(), warnings(&tree, 2).len()), (0, 0));
}

#[test]
fn calls_in_both_directions_bound_the_same_clocks() {
    // b calls back into a: b's clock is 100 ms ahead, and both calls say so.
    let trace = trace([
        span(1, 0, "a", 0, 60).kind(Client),
        span(2, 1, "b", 110, 150).kind(Server),
        span(3, 2, "b", 115, 145).kind(Client),
        span(4, 3, "a", 20, 40).kind(Server),
    ]);
    let tree = assemble(&trace, Clocks::Corrected);
    // Forward: b + x, -110 <= x <= -90. Back: -105 <= x <= -95.
    assert_eq!((tree.skews[0].offset_nanos, tree.skews[0].at_least_nanos), (-100 * MS as i64, 95 * MS));
    assert_eq!(tree.skews[0].calls, 2);
    assert!(tree.nodes.windows(2).all(|pair| pair[0].interval.start <= pair[1].interval.start));
}

#[test]
fn a_clock_that_contradicts_itself_is_marked_and_left_alone() {
    // Asynchronous both ways, each effect before its cause: no single offset explains both.
    let trace = trace([
        span(1, 0, "a", 100, 110).kind(Producer),
        span(2, 1, "b", 50, 60).kind(Consumer),
        span(3, 2, "b", 55, 56).kind(Producer),
        span(4, 3, "a", 20, 30).kind(Consumer),
    ]);
    let tree = assemble(&trace, Clocks::Corrected);
    assert_eq!(tree.skews, []);
    assert_eq!(warnings(&tree, 2), [Warning::StartsBeforeParent { nanos: 50 * MS }]);
}
