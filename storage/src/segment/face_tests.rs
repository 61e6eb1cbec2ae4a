//! Tests that the head and a segment give the same answers through the interfaces that both have, and that these are the answers of whole
//! spans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, Attribute, Resource, Span, SpanId, SpanKind, TraceId, TraceSpan};
use proptest::collection::vec;
use proptest::prelude::*;

use super::group::tests::InMemory;
use super::{Metadata, PageSource, SegmentGroup, encode, tail};
use crate::codec::bits::Bitmap;
use crate::rows::{ColumnKey, Owner, Rows, TableKind, ValueType, to_value};
use crate::scan::{HeadGroup, NO_CODE, ParentRow, Projection, RowGroup, ShapePart};
use crate::test_spans::{any_batch, encode as request};

/// Asks the head and a segment that have these spans.
fn on_both(spans: &[TraceSpan], ask: impl Fn(&dyn RowGroup)) {
    let mut rows = Rows::default();
    rows.append_request(&request(spans)).unwrap();
    ask(&HeadGroup::new(&rows));
    let source = InMemory(encode(&[&rows]).expect("fits").0);
    let meta = Arc::new(Metadata::decode(&source.page(0, tail::METADATA).unwrap()).unwrap());
    ask(&SegmentGroup::open(&source, 0, meta, 0).unwrap());
}

fn len(group: &dyn RowGroup) -> usize {
    group.table(TableKind::Span).len()
}

/// The span of each row.
fn all_spans(group: &dyn RowGroup) -> Vec<TraceSpan> {
    let span = |row: usize| {
        let id = group.trace_id(row).unwrap();
        group.spans(id, &[row as u32], Projection::Whole).unwrap().remove(0)
    };
    (0..len(group)).map(span).collect()
}

/// A set of rows, about half of them.
fn some(len: usize, seed: u64) -> Bitmap {
    let mut rows = Bitmap::none(len);
    (0..len).for_each(|row| rows.insert_if(row, seed >> (row % 61) & 1 == 1));
    rows
}

/// As bytes: a NaN is not equal to itself.
fn bytes(span: &TraceSpan) -> Vec<u8> {
    request(std::slice::from_ref(span))
}

/// The value that a span has in a column of attributes.
fn value_of<'s>(span: &'s TraceSpan, key: &ColumnKey) -> Option<&'s AnyValue> {
    let of_key = span.span.attributes.iter().filter(|one| one.key.as_bytes() == &*key.name);
    let of_type = of_key.filter(|one| ValueType::of(&one.value) == key.value_type);
    of_type.map(|one| &one.value).nth(key.occurrence as usize)
}

fn text(value: &AnyValue) -> String {
    format!("{value:?}")
}

/// Compares values and codes of all columns of spans with the whole spans.
fn check_columns(group: &dyn RowGroup, seed: u64) {
    let (spans, rows) = (all_spans(group), some(len(group), seed));
    let table = group.table(TableKind::Span);
    for (column, key) in (0..).zip(table.keys()).filter(|(_, key)| key.owner == Owner::Attribute) {
        let expected: Vec<(usize, String)> =
            rows.iter().filter_map(|row| Some((row, text(value_of(&spans[row], key)?)))).collect();
        let mut values = Vec::new();
        table.values(column, &rows, &mut |row, value| values.push((row, text(&to_value(value))))).unwrap();
        assert_eq!(values, expected, "{key:?}");
        let mut known = BTreeMap::new();
        table.dictionary(column, &mut |code, value| _ = known.insert(code, text(&to_value(value)))).unwrap();
        let Some(codes) = table.codes(column, &rows).unwrap() else { continue };
        assert_eq!(codes.len(), rows.count());
        let decoded = rows.iter().zip(codes).filter(|(_, code)| *code != NO_CODE);
        let decoded: Vec<(usize, String)> = decoded.map(|(row, code)| (row, known[&code].clone())).collect();
        assert_eq!(decoded, expected, "{key:?}");
    }
}

#[test]
fn values_of_each_form_come_by_row() {
    let span = |n: u64| {
        let hash = xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes());
        let mut attributes = vec![
            Attribute::new("few", format!("kind {}", hash % 7)),
            Attribute::new("path", format!("/users/{}/cart", hash % 50_000)),
            Attribute::new("status", [200i64, 404, 500][hash as usize % 3]),
            Attribute::new("size", (hash >> 20) as i64),
        ];
        if n.is_multiple_of(3) {
            attributes.push(Attribute::new("odd", format!("{:x}q{:x}", hash, n)));
        }
        let (trace_id, span_id) = (TraceId([(n / 700) as u8 + 1; 16]), SpanId((n + 1).to_be_bytes()));
        let span = Span { trace_id, span_id, attributes, start_unix_nano: 1_000 + n, ..Span::default() };
        TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
    };
    let spans: Vec<TraceSpan> = (0..5_000).map(span).collect();
    on_both(&spans, |group| {
        for seed in [u64::MAX, 0, 1, 0x0fff_0000_ff00_1234] {
            check_columns(group, seed);
        }
        let table = group.table(TableKind::Span);
        let [few] = table.columns(Owner::Attribute, b"few")[..] else { panic!("one column") };
        assert!(table.codes(few, &Bitmap::all(table.len())).unwrap().is_some());
        let [size] = table.columns(Owner::Attribute, b"size")[..] else { panic!("one column") };
        assert_eq!(table.codes(size, &Bitmap::all(table.len())).unwrap(), None);
    });
}

/// The parent of each span of a trace by the rules as they are written down, one span at a time.
fn plain_parents(spans: &[&TraceSpan]) -> Vec<ParentRow> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|index| {
        let (own, service) = (&spans[*index].span, spans[*index].resource.service_name());
        (own.start_unix_nano, own.span_id, own.end_unix_nano, own.kind, own.name.clone(), service.to_owned())
    });
    let with_id = |id: SpanId| order.iter().copied().filter(move |index| spans[*index].span.span_id == id);
    let parents: Vec<ParentRow> = (0..spans.len()).map(|index| plain_parent(spans, index, &with_id)).collect();
    let circle = |index: usize| {
        let (mut circle, mut at) = (BTreeSet::from([index]), index);
        while let ParentRow::Row(parent) = parents[at] {
            at = parent as usize;
            if at == index {
                return Some(circle);
            }
            if !circle.insert(at) {
                return None;
            }
        }
        None
    };
    let is_first = |index: usize, circle: BTreeSet<usize>| order.iter().find(|at| circle.contains(at)) == Some(&index);
    let cut = |index: usize| circle(index).is_some_and(|circle| is_first(index, circle));
    (0..spans.len()).map(|index| if cut(index) { ParentRow::Root } else { parents[index] }).collect()
}

fn plain_parent<I: Iterator<Item = usize>>(
    spans: &[&TraceSpan],
    index: usize,
    with_id: &dyn Fn(SpanId) -> I,
) -> ParentRow {
    use SpanKind::{Client, Consumer, Producer, Server};
    let own = spans[index];
    let others: Vec<usize> = with_id(own.span.span_id).filter(|other| *other != index).collect();
    if let [other] = others[..]
        && spans[other].span.parent_span_id == own.span.parent_span_id
        && matches!((spans[other].span.kind, own.span.kind), (Client, Server) | (Producer, Consumer))
    {
        return ParentRow::Row(other as u32);
    }
    let Some(parent) = own.span.parent_span_id.filter(|parent| *parent != own.span.span_id) else {
        return ParentRow::Root;
    };
    let worse = |candidate: &usize| {
        let candidate = spans[*candidate];
        let serves = matches!(candidate.span.kind, Server | Consumer);
        (candidate.resource.service_name() != own.resource.service_name(), !serves)
    };
    with_id(parent).min_by_key(worse).map_or(ParentRow::Outside, |index| ParentRow::Row(index as u32))
}

/// A span of one of two traces, with one of few ids and of few services.
fn tangled_span() -> impl Strategy<Value = TraceSpan> {
    let fields = (1u8..3, 1u8..9, prop::option::of(1u8..11), 0u64..4, 0i32..6, prop::sample::select(vec!["a", "b"]));
    fields.prop_map(|(trace, id, parent, start, kind, service)| {
        let span = Span {
            trace_id: TraceId([trace; 16]),
            span_id: SpanId([id; 8]),
            parent_span_id: parent.map(|parent| SpanId([parent; 8])),
            kind: SpanKind::from_otlp(kind),
            start_unix_nano: (1 << 60) + start,
            end_unix_nano: (1 << 60) + start + 5,
            ..Span::default()
        };
        let attributes = vec![Attribute::new("service.name", service)];
        let resource = Arc::new(Resource { attributes, ..Resource::default() });
        TraceSpan { span, resource, scope: Arc::default() }
    })
}

/// Spans of which many share an id, of which parents are missing, and that go in circles. No two are the same.
fn tangled() -> impl Strategy<Value = Vec<TraceSpan>> {
    vec(tangled_span(), 1..24).prop_map(|mut spans| {
        for (span, number) in spans.iter_mut().zip(0i64..) {
            span.span.attributes.push(Attribute::new("number", number));
        }
        spans
    })
}

/// The number of a span of [`tangled`].
fn number(span: &TraceSpan) -> i64 {
    match span.span.attributes[0].value {
        AnyValue::Int(number) => number,
        _ => panic!("a number"),
    }
}

proptest! {
    #[test]
    fn parents_are_those_that_the_rules_give(spans in tangled()) {
        let mut expected: BTreeMap<i64, Result<i64, ParentRow>> = BTreeMap::new();
        for trace in 1..3 {
            let own: Vec<&TraceSpan> = spans.iter().filter(|span| span.span.trace_id.0[0] == trace).collect();
            for (span, parent) in own.iter().zip(plain_parents(&own)) {
                let parent = match parent {
                    ParentRow::Row(row) => Ok(number(own[row as usize])),
                    other => Err(other),
                };
                expected.insert(number(span), parent);
            }
        }
        on_both(&spans, |group| {
            let all = all_spans(group);
            for id in (1..3).map(|trace| TraceId([trace; 16])) {
                let (rows, parents) = (group.rows_of(id).unwrap(), group.parents_of(id).unwrap());
                assert_eq!(rows.len(), parents.len());
                for (row, parent) in rows.into_iter().zip(parents) {
                    let number_of = |row: u32| number(&all[row as usize]);
                    let parent = match parent {
                        ParentRow::Row(row) => Ok(number_of(row)),
                        other => Err(other),
                    };
                    assert_eq!(parent, expected[&number_of(row)], "span {} of {spans:?}", number_of(row));
                }
            }
        });
    }

    #[test]
    fn exactly_the_rows_asked_become_spans(batch in any_batch(), seed in any::<u64>()) {
        on_both(&batch, |group| {
            let all: Vec<Vec<u8>> = all_spans(group).iter().map(bytes).collect();
            let wanted = some(len(group), seed);
            for trace in 0..5 {
                let id = TraceId([trace; 16]);
                let mut rows = group.rows_of(id).unwrap();
                assert!(rows.iter().all(|row| group.trace_id(*row as usize).unwrap() == id));
                rows.retain(|row| wanted.contains(*row as usize));
                let spans = group.spans(id, &rows, Projection::Whole).unwrap();
                assert_eq!(spans.len(), rows.len());
                assert!(rows.iter().zip(&spans).all(|(row, span)| all[*row as usize] == bytes(span)));
                let others: Vec<u32> = (0..len(group) as u32).filter(|row| !rows.contains(row)).collect();
                let foreign = others.into_iter().filter(|row| group.trace_id(*row as usize).unwrap() != id);
                assert!(group.spans(id, &foreign.collect::<Vec<_>>(), Projection::Whole).unwrap().is_empty());
            }
        });
    }

    #[test]
    fn columns_have_what_whole_spans_have(batch in any_batch(), seed in any::<u64>()) {
        on_both(&batch, |group| {
            check_columns(group, seed);
            let (spans, rows) = (all_spans(group), some(len(group), seed));
            let table = group.table(TableKind::Span);
            let parts = [ShapePart::Name, ShapePart::Kind, ShapePart::Status, ShapePart::Resource, ShapePart::Scope];
            let [names, kinds, codes, resources, scopes] = parts.map(|part| table.shape_values(part, &rows).unwrap());
            for (at, row) in rows.iter().enumerate() {
                let span = &spans[row].span;
                assert_eq!(table.name(names[at]), span.name.as_bytes());
                assert_eq!(SpanKind::from_otlp(kinds[at] as i32), span.kind);
                assert_eq!(codes[at], span.status.code as u32);
                let (resource, scope) = (&group.resources()[resources[at] as usize], &group.scopes()[scopes[at] as usize]);
                assert_eq!(text_of(resource), text_of(&spans[row].resource));
                assert_eq!(text_of(scope), text_of(&spans[row].scope));
                assert_eq!(group.starts().unwrap()[row], span.start_unix_nano);
                assert_eq!(group.span_id(row).unwrap(), span.span_id);
                assert_eq!(group.parent_id(row).unwrap(), span.parent_span_id.unwrap_or_default());
            }
        });
    }
}

/// As text: a NaN is not equal to itself.
fn text_of(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
