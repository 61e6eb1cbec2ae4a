use std::sync::Arc;

use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, StatusCode, Trace, TraceId, TraceSpan};

use super::*;
use crate::assemble::{Clocks, assemble};

const T0: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;

fn span(id: u64, parent: u64, service: &str, name: &str, (start, length): (u64, u64)) -> TraceSpan {
    let span = Span {
        span_id: SpanId(id.to_be_bytes()),
        parent_span_id: SpanId::from_bytes(&parent.to_be_bytes()),
        name: name.to_owned(),
        start_unix_nano: T0 + start * MS,
        end_unix_nano: T0 + (start + length) * MS,
        ..Span::default()
    };
    let resource = Resource { attributes: vec![Attribute::new("service.name", service)], ..Resource::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

fn trace(spans: Vec<TraceSpan>) -> Trace {
    Trace { id: TraceId([1; 16]), spans }
}

/// What became of each span, as `+name`, `-name`, `~name` or `name`.
fn told(base: Vec<TraceSpan>, compare: Vec<TraceSpan>) -> (Vec<String>, Counts) {
    let (base, compare) = (trace(base), trace(compare));
    let (base, compare) = (assemble(&base, Clocks::AsSent), assemble(&compare, Clocks::AsSent));
    let rows = align(&base, &compare);
    let (changes, counts) = changes(&base, &compare, &rows);
    let name = |node: &crate::assemble::Node<'_>| node.span().expect("a span").span.name.clone();
    let told = changes.iter().map(|changed| match changed {
        Changed::Added(node) => format!("+{}", name(node)),
        Changed::Removed(node) => format!("-{}", name(node)),
        Changed::Both { compare, change: Some(_), .. } => format!("~{}", name(compare)),
        Changed::Both { compare, .. } => name(compare),
    });
    (told.collect(), counts)
}

fn shop() -> Vec<TraceSpan> {
    vec![
        span(1, 0, "shop", "GET /", (0, 100)),
        span(2, 1, "cart", "list", (10, 20)),
        span(3, 2, "cart", "redis", (12, 5)),
        span(4, 1, "pay", "charge", (40, 30)),
    ]
}

#[test]
fn the_same_trace_under_other_ids_and_times_has_no_differences() {
    let mut later = shop();
    fn other(id: SpanId) -> SpanId {
        SpanId((u64::from_be_bytes(id.0) * 1000).to_be_bytes())
    }
    for span in &mut later {
        span.span.span_id = other(span.span.span_id);
        span.span.parent_span_id = span.span.parent_span_id.map(other);
        span.span.start_unix_nano += 5000 * MS;
        span.span.end_unix_nano += 5000 * MS;
    }
    let (told, counts) = told(shop(), later);
    assert_eq!(told, ["GET /", "list", "redis", "charge"]);
    assert_eq!(counts, Counts { same: 4, ..Counts::default() });
}

#[test]
fn spans_come_and_go_with_what_is_below_them() {
    let mut other = shop();
    other.remove(2);
    other.push(span(5, 4, "bank", "book", (45, 10)));
    other.push(span(6, 5, "bank", "sql", (46, 2)));
    let (told, counts) = told(shop(), other);
    assert_eq!(told, ["GET /", "list", "-redis", "charge", "+book", "+sql"]);
    assert_eq!(counts, Counts { added: 2, removed: 1, changed: 0, same: 3 });
}

#[test]
fn alike_siblings_are_told_apart_by_their_place() {
    let calls = |lengths: &[u64]| {
        let mut spans = vec![span(1, 0, "shop", "GET /", (0, 1000))];
        spans.extend((2..).zip(lengths).map(|(id, length)| span(id, 1, "cart", "redis", (id * 10, *length))));
        spans
    };
    assert_eq!(told(calls(&[5, 5, 5]), calls(&[5, 5])).0, ["GET /", "redis", "redis", "-redis"]);
    assert_eq!(told(calls(&[5, 5, 5]), calls(&[5, 9, 5])).0, ["GET /", "redis", "~redis", "redis"]);
    assert_eq!(told(calls(&[5]), calls(&[5, 5])).0, ["GET /", "redis", "+redis"]);
}

#[test]
fn a_change_says_what_is_different() {
    let one = vec![span(1, 0, "s", "n", (0, 100))];
    let with = |change: fn(&mut Span)| {
        let mut other = one.clone();
        change(&mut other[0].span);
        other
    };
    let found = |other: Vec<TraceSpan>| {
        let (base, compare) = (trace(one.clone()), trace(other));
        let (base, compare) = (assemble(&base, Clocks::AsSent), assemble(&compare, Clocks::AsSent));
        let (changes, _) = changes(&base, &compare, &align(&base, &compare));
        let Changed::Both { change, .. } = &changes[0] else { panic!("{changes:?}") };
        change.as_ref().map(|change| (change.duration, change.status, change.attributes.len()))
    };
    assert_eq!(found(with(|_| {})), None);
    assert_eq!(found(with(|span| span.end_unix_nano += 9 * MS)), None, "less than a tenth");
    assert_eq!(found(with(|span| span.end_unix_nano += 12 * MS)), Some((true, false, 0)));
    assert_eq!(found(with(|span| span.status.code = StatusCode::Error)), Some((false, true, 0)));
    assert_eq!(found(with(|span| span.attributes.push(Attribute::new("a", 1)))), Some((false, false, 1)));
}

#[test]
fn every_node_is_in_one_row_and_parents_come_first() {
    let orphans = vec![span(1, 99, "s", "n", (0, 1)), span(2, 99, "s", "n", (2, 1)), span(3, 98, "s", "m", (4, 1))];
    let (base, compare) = (trace(orphans), trace(shop()));
    let (base, compare) = (assemble(&base, Clocks::AsSent), assemble(&compare, Clocks::AsSent));
    let rows = align(&base, &compare);
    for (nodes, side) in [(base.nodes.len(), 0), (compare.nodes.len(), 1)] {
        let mut found: Vec<_> = rows.iter().filter_map(|row| [row.base, row.compare][side]).collect();
        found.sort_unstable();
        assert!(found.into_iter().eq(0..nodes));
    }
    assert!(rows.iter().enumerate().all(|(index, row)| row.parent.is_none_or(|parent| parent < index)));
}

#[test]
fn deep_and_wide_traces_are_aligned_in_one_pass() {
    let spans = |count: u64| {
        let mut spans = vec![span(1, 0, "s", "n", (0, 10))];
        spans.extend((2..count).map(|id| span(id, id - 1, "s", "n", (0, 10))));
        spans.extend((count..2 * count).map(|id| span(id, 1, "s", "wide", (0, 10))));
        spans
    };
    let (_, counts) = told(spans(20_000), spans(30_000));
    assert_eq!((counts.same, counts.added, counts.removed), (39_999, 20_000, 0));
}
