//! Parent links of every condition.

use hoptrail_proto::model::SpanKind;

use super::build::{id, shape, span, trace, warnings};
use crate::assemble::{Clocks, NodeKey, Warning, assemble};

#[test]
fn trees_of_any_links() {
    let s = |number, parent| span(number, parent, "a", number, 100);
    let cases = [
        ("one root", vec![s(1, 0), s(2, 1), s(3, 2), s(4, 1)], "s1(s2(s3) s4)"),
        ("children come by start", vec![s(1, 0), s(9, 1), s(3, 1)], "s1(s3 s9)"),
        ("several roots", vec![s(1, 0), s(2, 0), s(3, 2)], "s1 s2(s3)"),
        ("orphans share a placeholder", vec![s(1, 0), s(3, 2), s(4, 2), s(6, 5)], "s1 ?2(s3 s4) ?5(s6)"),
        ("only orphans", vec![s(3, 2)], "?2(s3)"),
        ("self parent", vec![s(1, 0), s(2, 2), s(3, 2)], "s1 s2(s3)"),
        ("a circle of two is cut at the earliest", vec![s(1, 0), s(2, 3), s(3, 2)], "s1 s2(s3)"),
        ("a circle with a tail", vec![s(5, 4), s(4, 3), s(3, 5), s(6, 5), s(7, 6)], "s3(s4(s5(s6(s7))))"),
        ("two circles", vec![s(1, 2), s(2, 1), s(3, 4), s(4, 3)], "s1(s2) s3(s4)"),
    ];
    for (name, spans, expected) in cases {
        let count = spans.len();
        let trace = trace(spans);
        let tree = assemble(&trace, Clocks::AsSent);
        assert_eq!(shape(&tree), expected, "{name}");
        assert_eq!(tree.summary.spans, count, "{name}: no span is lost");
    }
}

#[test]
fn the_order_of_arrival_does_not_matter() {
    let spans = || vec![span(1, 0, "a", 0, 90), span(2, 1, "b", 5, 50), span(2, 1, "a", 5, 50), span(3, 2, "b", 6, 7)];
    let (forward, mut backward) = (trace(spans()), trace(spans()));
    backward.spans.reverse();
    assert_eq!(assemble(&forward, Clocks::AsSent), assemble(&backward, Clocks::AsSent));
}

#[test]
fn odd_links_are_marked() {
    let spans = [
        span(1, 0, "a", 0, 9),
        span(2, 2, "a", 1, 9),
        span(3, 4, "a", 2, 9),
        span(4, 3, "a", 3, 9),
        span(6, 5, "a", 4, 9),
    ];
    let trace = trace(spans);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(warnings(&tree, 1), []);
    assert_eq!(warnings(&tree, 2), [Warning::SelfParent]);
    assert_eq!(warnings(&tree, 3), [Warning::ParentCycle]);
    assert_eq!(warnings(&tree, 4), []);
    assert_eq!(warnings(&tree, 5), [Warning::NotReceived]);
    assert_eq!(warnings(&tree, 6), [Warning::MissingParent(id(5))]);
    assert_eq!((tree.summary.missing, tree.summary.depth, tree.summary.warned), (1, 2, 3));
}

#[test]
fn different_spans_of_one_id_are_all_kept_and_children_go_to_their_own_service() {
    let spans = [span(1, 0, "a", 0, 90), span(2, 1, "a", 1, 50), span(2, 1, "b", 2, 50), span(3, 2, "b", 3, 4)];
    let trace = trace(spans);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(shape(&tree), "s1(s2 s2(s3))");
    assert_eq!(tree.nodes[1].warnings, [Warning::DuplicateId { spans: 2 }]);
    assert_eq!(tree.nodes[2].key, NodeKey { repeat: 1, ..NodeKey::of(id(2)) });
    assert_eq!(tree.find(&tree.nodes[2].key), Some(2));
}

#[test]
fn a_server_that_shares_its_clients_id_becomes_its_child() {
    let spans = [
        span(2, 1, "b", 2, 8).kind(SpanKind::Server),
        span(1, 0, "a", 0, 10),
        span(2, 1, "a", 1, 9).kind(SpanKind::Client),
        span(3, 2, "b", 3, 4),
    ];
    let trace = trace(spans);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(shape(&tree), "s1(s2(s2(s3)))");
    assert_eq!(tree.nodes[1].warnings, [Warning::SharedId]);
    assert_eq!(tree.summary.warned, 0);
}

#[test]
fn the_main_root_is_the_earliest_true_root() {
    let trace = trace([span(3, 2, "x", 0, 9), span(1, 0, "a", 1, 9), span(4, 0, "b", 2, 9)]);
    let tree = assemble(&trace, Clocks::AsSent);
    assert_eq!(tree.summary.root, Some(("a".to_owned(), "s1".to_owned())));
    assert_eq!(tree.roots().count(), 3);
    assert_eq!(tree.ancestors(1).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_trace_without_spans_is_an_empty_tree() {
    let trace = trace([]);
    let tree = assemble(&trace, Clocks::AsSent);
    assert!(tree.nodes.is_empty() && tree.main_root().is_none());
    assert_eq!(tree.roots().count() + tree.children(0).count() + tree.ancestors(0).count(), 0);
}
