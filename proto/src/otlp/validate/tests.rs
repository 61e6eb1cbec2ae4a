use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{self as trace, ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::checks::otlp_walk;
use crate::otlp::schema::REQUEST;
use crate::otlp::warnings::Warning;
use crate::otlp::wire::{WireValue, put_field};
use crate::otlp::{arbitrary, decode, to_request};

fn check(body: Vec<u8>) -> Result<Validated, MalformedRequest> {
    validate(Bytes::from(body), &Limits::default())
}

fn good() -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "GET /cart".to_owned(), ..Span::default() }
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// A message with one field of bytes.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_field(&mut out, number, WireValue::Bytes(bytes));
    out
}

/// A request of the span with these bytes, between two good ones.
fn around(span: &[u8]) -> Vec<u8> {
    let good = field(2, &good().encode_to_vec());
    field(1, &field(2, &[good.as_slice(), &field(2, span), &good].concat()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn lists(levels: usize) -> Value {
    let inner = Value::KvlistValue(KeyValueList::default());
    (1..levels).fold(inner, |inner, _| Value::KvlistValue(KeyValueList { values: vec![attribute("k", inner)] }))
}

fn arrays(levels: usize) -> Value {
    let inner = Value::IntValue(1);
    (1..levels).fold(inner, |inner, _| Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(inner) }] }))
}

#[test]
fn odd_but_valid_spans_are_kept_as_they_are() {
    let text = |length: usize| Value::StringValue("x".repeat(length));
    let many = (0..10_000).map(|n| attribute(&format!("key.{n}"), Value::IntValue(n))).collect();
    let cases = [
        ("plain", good()),
        ("64-bit trace id", Span { trace_id: [[0; 8], [7; 8]].concat(), ..good() }),
        ("far past", Span { start_time_unix_nano: 1, end_time_unix_nano: 2, ..good() }),
        ("far future", Span { start_time_unix_nano: u64::MAX, end_time_unix_nano: u64::MAX, ..good() }),
        ("end before start", Span { start_time_unix_nano: 9, end_time_unix_nano: 3, ..good() }),
        ("empty name", Span { name: String::new(), ..good() }),
        ("zero parent", Span { parent_span_id: vec![0; 8], ..good() }),
        ("unknown kind", Span { kind: 99, ..good() }),
        ("1 MB value", Span { attributes: vec![attribute("big", text(1 << 20))], ..good() }),
        ("10,000 attributes", Span { attributes: many, ..good() }),
        ("empty key", Span { attributes: vec![attribute("", text(1))], ..good() }),
        ("attribute without value", Span { attributes: vec![KeyValue::default()], ..good() }),
        ("64 lists deep", Span { attributes: vec![attribute("deep", lists(64))], ..good() }),
        ("64 arrays deep", Span { attributes: vec![attribute("deep", arrays(64))], ..good() }),
    ];
    for (name, span) in cases {
        let body = request(vec![span.clone(), span]);
        let validated = check(body.clone()).expect(name);
        assert_eq!((validated.accepted, validated.refused.total(), validated.repaired), (2, 0, 0), "{name}");
        assert_eq!(validated.body, body, "{name}");
    }
}

#[test]
fn a_bad_span_is_refused_alone_with_its_reason() {
    let broken = [good().encode_to_vec(), vec![0x4a, 9, 1]].concat();
    let cases = [
        (Span { trace_id: vec![], ..good() }, Reason::TraceId, "no trace id"),
        (Span { trace_id: vec![1; 15], ..good() }, Reason::TraceId, "trace id of 15 bytes, not 16"),
        (Span { trace_id: vec![0; 16], ..good() }, Reason::TraceId, "trace id of only zeros"),
        (Span { span_id: vec![], ..good() }, Reason::SpanId, "no span id"),
        (Span { span_id: vec![1; 16], ..good() }, Reason::SpanId, "span id of 16 bytes, not 8"),
        (Span { span_id: vec![0; 8], ..good() }, Reason::SpanId, "span id of only zeros"),
    ]
    .map(|(span, reason, message)| (span.encode_to_vec(), reason, message));
    let raw = [
        (broken, Reason::Span, "byte 39: the bytes end inside a field"),
        ([good().encode_to_vec(), vec![0x28, 1]].concat(), Reason::Span, "name: wrong wire type"),
        ([good().encode_to_vec(), vec![0x0b]].concat(), Reason::Span, "byte 39: wire type 3 is not allowed"),
        (
            [good().encode_to_vec(), field(11, &field(3, &field(2, &[0x18])))].concat(),
            Reason::Span,
            "events[0].attributes[0].value: byte 0: the bytes end inside a field",
        ),
    ];
    for (span, reason, message) in cases.into_iter().chain(raw) {
        let validated = check(around(&span)).expect("framing is intact");
        assert_eq!(validated.accepted, 2, "{message}");
        assert_eq!(validated.refused.counts().collect::<Vec<_>>(), [(reason, 1)], "{message}");
        let place = "resource_spans[0].scope_spans[0].spans[1] \"GET /cart\": ";
        assert_eq!(validated.refused.messages(), [format!("{place}{message}")]);
        assert_eq!(validated.body, request(vec![good(), good()]));
    }
}

#[test]
fn a_parent_id_of_a_wrong_length_is_dropped_and_marked() {
    let span = Span { parent_span_id: vec![1; 7], ..good() };
    let validated = check(around(&span.encode_to_vec())).expect("framing is intact");
    assert_eq!((validated.accepted, validated.repaired, validated.refused.total()), (3, 1, 0));
    let spans = decode(&validated.body).expect("protobuf");
    assert_eq!(spans[1].span.parent_span_id, None);
    let mark = spans[1].span.attribute(REPAIRED).and_then(crate::model::AnyValue::as_str);
    assert_eq!(mark, Some("parent span id of 7 bytes dropped"));
    assert_eq!(spans[0].span.attribute(REPAIRED), None);
}

#[test]
fn text_that_is_not_utf8_is_repaired_and_marked() {
    let bad = b"caf\xe9".as_slice();
    let pair = |key: &[u8], value: &[u8]| [field(1, key), field(2, &field(1, value))].concat();
    let cases = [
        (field(5, bad), "invalid utf-8 in name"),
        (field(3, bad), "invalid utf-8 in trace_state"),
        (field(9, &pair(b"a", bad)), "invalid utf-8 in attributes[0].value.string_value"),
        (field(9, &pair(bad, b"a")), "invalid utf-8 in attributes[0].key"),
        ([field(11, &[]), field(11, &field(2, bad))].concat(), "invalid utf-8 in events[1].name"),
        (field(13, &field(4, &pair(b"a", bad))), "invalid utf-8 in links[0].attributes[0].value.string_value"),
        (field(15, &field(2, bad)), "invalid utf-8 in status.message"),
        ([field(5, bad), field(4, &[1, 2])].concat(), "invalid utf-8 in name; parent span id of 2 bytes dropped"),
        (
            field(9, &pair(b"a", bad)).repeat(6),
            "invalid utf-8 in attributes[0].value.string_value; invalid utf-8 in attributes[1].value.string_value; \
             invalid utf-8 in attributes[2].value.string_value; invalid utf-8 in attributes[3].value.string_value; \
             and 2 more",
        ),
    ];
    for (more, text) in cases {
        let ids = [field(1, &[1; 16]), field(2, &[2; 8])].concat();
        let validated = check(around(&[ids, more].concat())).expect(text);
        assert_eq!((validated.accepted, validated.repaired), (3, 1), "{text}");
        let spans = decode(&validated.body).expect("protobuf");
        let mark = spans[1].span.attribute(REPAIRED).and_then(crate::model::AnyValue::as_str);
        assert_eq!(mark, Some(text));
        assert!(format!("{:?}", spans[1].span).contains("caf\u{fffd}") || !text.starts_with("invalid utf-8"));
    }
}

#[test]
fn resources_and_scopes_are_repaired_with_their_own_mark() {
    let bad = b"caf\xe9".as_slice();
    let span = field(2, &good().encode_to_vec());
    let cases = [
        ([field(1, &field(1, &field(1, bad))), field(2, &span)].concat(), "invalid utf-8 in attributes[0].key"),
        ([field(2, &span), field(3, bad)].concat(), "invalid utf-8 in schema_url"),
        (field(2, &[field(1, &field(1, bad)), span.clone()].concat()), "invalid utf-8 in name"),
        (field(2, &[span.clone(), field(3, bad)].concat()), "invalid utf-8 in schema_url"),
    ];
    for (at, (group, text)) in cases.into_iter().enumerate() {
        let validated = check(field(1, &group)).expect(text);
        assert_eq!((validated.accepted, validated.repaired), (1, 0), "{text}");
        let spans = decode(&validated.body).expect("protobuf");
        let marked = if at < 2 { &spans[0].resource.attributes } else { &spans[0].scope.attributes };
        assert_eq!(marked.last(), Some(&crate::model::Attribute::new(REPAIRED, text)));
    }
}

#[test]
fn a_broken_resource_or_scope_refuses_only_its_own_spans() {
    let span = field(2, &good().encode_to_vec());
    let scoped = field(2, &[span.clone(), span.clone()].concat());
    let fine = field(1, &scoped);
    let resource = field(1, &[field(1, &[0x0a, 9]), scoped.clone(), scoped.clone()].concat());
    let scope = field(1, &[field(2, &[field(1, &[0x08, 1]), span].concat()), scoped].concat());
    let validated = check([fine, resource, scope].concat()).expect("framing is intact");
    assert_eq!(validated.accepted, 2 + 2);
    let counts: Vec<_> = validated.refused.counts().collect();
    assert_eq!(counts, [(Reason::Resource, 4), (Reason::Scope, 1)]);
    assert_eq!(
        validated.refused.messages()[2],
        "resource_spans[2].scope_spans[0].spans: their scope: name: wrong wire type"
    );
    assert_eq!(decode(&validated.body).expect("protobuf").len(), 4);
}

/// How deep the value of the first attribute is.
fn depth(attributes: &[crate::model::Attribute]) -> usize {
    use crate::model::AnyValue;
    let (mut depth, mut next) = (0, attributes.first().map(|pair| &pair.value));
    while let Some(value) = next {
        depth += 1;
        next = match value {
            AnyValue::KvList(pairs) => pairs.first().map(|pair| &pair.value),
            AnyValue::Array(values) => values.first(),
            _ => None,
        };
    }
    depth
}

#[test]
fn values_deeper_than_64_levels_are_cut_and_marked() {
    let place = |inner: &str| format!("attributes[0].value.{inner}...");
    let list =
        place("kvlist_value.values[0].value.kvlist_value.values[0].value.kvlist_value.values[0].value.kvlist_value");
    let list = list.replace(".value.kvlist_value...", "...");
    let array = place(&["array_value.values[0]"; 4].join("."));
    for (deep, place) in [(lists(65), &list), (arrays(65), &array), (lists(1_000), &list), (arrays(1_000), &array)] {
        let span = Span { attributes: vec![attribute("deep", deep.clone())], ..good() };
        let event = trace::span::Event { attributes: vec![attribute("deep", deep.clone())], ..Default::default() };
        let eventful = Span { events: vec![event], ..good() };
        let validated =
            check([around(&span.encode_to_vec()), around(&eventful.encode_to_vec())].concat()).expect("framing");
        assert_eq!((validated.accepted, validated.repaired, validated.refused.total()), (6, 2, 0));
        let spans = decode(&validated.body).expect("protobuf");
        let mark = spans[1].span.attribute(REPAIRED).and_then(crate::model::AnyValue::as_str);
        assert_eq!(mark, Some(format!("values nested too deep cut in {place}").as_str()));
        // A list keeps the key at the last level, whose value is gone and counts as an empty one.
        assert!((64..=65).contains(&depth(&spans[1].span.attributes)), "{}", depth(&spans[1].span.attributes));
        assert!((64..=65).contains(&depth(&spans[4].span.events[0].attributes)));
        assert_eq!(spans[1].span.name, "GET /cart");

        let resource = Resource { attributes: vec![attribute("deep", deep)], ..Resource::default() };
        let group = [field(1, &resource.encode_to_vec()), field(2, &field(2, &good().encode_to_vec()))].concat();
        let validated = check(field(1, &group)).expect("framing");
        assert_eq!((validated.accepted, validated.repaired), (1, 0));
        let spans = decode(&validated.body).expect("protobuf");
        assert_eq!(spans[0].resource.attributes.last().map(|pair| pair.key.as_str()), Some(REPAIRED));
    }
}

#[test]
fn many_values_that_are_too_deep_are_cut_at_once() {
    let Value::ArrayValue(mut wide) = arrays(2) else { panic!("an array") };
    wide.values = vec![wide.values[0].clone(); 50_000];
    let deep = (1..64).fold(Value::ArrayValue(wide), |inner, _| {
        Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(inner) }] })
    });
    let begun = std::time::Instant::now();
    let validated = check(around(&Span { attributes: vec![attribute("deep", deep)], ..good() }.encode_to_vec()));
    let spans = decode(&validated.expect("framing").body).expect("protobuf");
    let mark = spans[1].span.attribute(REPAIRED).and_then(crate::model::AnyValue::as_str);
    assert!(mark.is_some_and(|mark| mark.ends_with("; and 49996 more")), "{mark:?}");
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
}

#[test]
fn texts_by_their_place_in_a_table_count_as_absent() {
    let strindex = |number: u32| {
        let mut out = Vec::new();
        put_field(&mut out, number, WireValue::Varint(7));
        out
    };
    let pair = [field(1, b"key"), field(2, &strindex(8)), strindex(3)].concat();
    let inner = field(2, &field(6, &field(1, &pair)));
    let span = [good().encode_to_vec(), field(9, &pair), field(9, &[field(1, b"list"), inner].concat())].concat();
    let resource = field(1, &field(1, &pair));
    let validated = check(field(1, &[resource, field(2, &field(2, &span))].concat())).expect("framing");
    assert_eq!((validated.accepted, validated.repaired, validated.is_no_request()), (1, 0, false));
    assert_eq!(validated.warnings.counts().collect::<Vec<_>>(), [(Warning::StringIndex, 6)]);
    assert!(validated.warnings.to_string().starts_with("6 texts count as absent"), "{}", validated.warnings);
    let spans = decode(&validated.body).expect("protobuf");
    let absent = crate::model::Attribute { key: "key".to_owned(), ..Default::default() };
    assert_eq!((&spans[0].span.attributes[0], &spans[0].resource.attributes[0]), (&absent, &absent));
    assert_eq!(spans[0].span.attributes[1].value, crate::model::AnyValue::KvList(vec![absent]));
    assert!(check(validated.body.to_vec()).expect("clean").warnings.is_empty());
}

#[test]
fn spans_of_instrumentation_libraries_are_spans_of_scopes() {
    let library = [field(1, b"library"), field(2, b"1.0")].concat();
    let scoped = [field(1, &library), field(2, &good().encode_to_vec()), field(3, b"url")].concat();
    let validated = check(field(1, &field(1000, &scoped))).expect("framing");
    assert_eq!((validated.accepted, validated.repaired, validated.warnings.is_empty()), (1, 0, true));
    let spans = decode(&validated.body).expect("protobuf");
    assert_eq!((spans[0].scope.name.as_str(), spans[0].scope.version.as_str()), ("library", "1.0"));
    assert_eq!((spans[0].scope.schema_url.as_str(), spans[0].span.name.as_str()), ("url", "GET /cart"));
    assert_eq!(clean::spans(&validated.body, MAX_VALUE_DEPTH), Some(1));
}

#[test]
fn what_is_not_understood_is_told() {
    let fine = request(vec![good()]);
    let other = field(7, b"something");
    let wrong_place = field(1, &field(9, b"something"));
    let deeper = field(1, &field(2, &field(9, b"something")));
    for (foreign, told) in [
        (&other, "field 7 is no part of a request for traces, which has resource_spans (field 1)"),
        (&wrong_place, "resource_spans[0]: nothing in it is known, but it has field 9"),
        (&deeper, "resource_spans[0].scope_spans[0]: nothing in it is known, but it has field 9"),
    ] {
        let validated = check(foreign.clone()).expect("framing");
        assert!(validated.is_no_request(), "{told}");
        assert_eq!(validated.warnings.to_string(), told);
        let validated = check([foreign.as_slice(), &fine].concat()).expect("framing");
        assert_eq!((validated.accepted, validated.is_no_request()), (1, false), "{told}");
        assert_eq!(validated.warnings.to_string(), told);
        assert_eq!(validated.warnings.counts().collect::<Vec<_>>(), [(Warning::Fields, 1)]);
    }
    // What may be added to OTLP beside spans is no reason to complain.
    let newer = field(
        1,
        &[field(2, &[field(2, &good().encode_to_vec()), field(9, b"new")].concat()), field(9, b"new")].concat(),
    );
    let validated = check(newer.clone()).expect("framing");
    assert!(validated.warnings.is_empty() && validated.body == newer);
}

#[test]
fn logs_and_metrics_are_no_spans_that_are_refused() {
    let time = |number: u32| {
        let mut out = Vec::new();
        put_field(&mut out, number, WireValue::Fixed64(1));
        out
    };
    let request = |item: &[u8]| field(1, &field(2, &field(2, item).repeat(3)));
    let log = [time(1), time(11), field(3, b"INFO"), field(5, &field(1, b"hello"))].concat();
    let metric = [field(1, b"http.server.duration"), field(3, b"ms"), field(9, &field(1, &time(3)))].concat();
    for (item, warning) in [(log, Warning::Logs), (metric, Warning::Metrics)] {
        let validated = check(request(&item)).expect("framing");
        assert!(validated.is_no_request(), "{warning:?}");
        assert_eq!(validated.warnings.counts().collect::<Vec<_>>(), [(warning, 1)]);
        assert!(validated.warnings.to_string().starts_with(&format!("the request holds {}", warning.name())));
        let mixed = check([request(&item), super::tests::request(vec![good()])].concat()).expect("framing");
        assert_eq!((mixed.accepted, mixed.refused.total(), mixed.is_no_request()), (1, 3, false));
    }
}

#[test]
fn broken_framing_refuses_the_request_and_says_where() {
    let span = good().encode_to_vec();
    let fine = request(vec![good()]);
    let cut = fine[..fine.len() - 1].to_vec();
    let cases = [
        (cut, "request, byte 0", "the bytes end inside a field"),
        ([fine, vec![0x08, 1]].concat(), "request", "field resource_spans has the wrong wire type"),
        (field(1, &[field(2, &field(2, &span)), vec![0x12, 99]].concat()), "resource_spans[0], byte", "the bytes end"),
        (field(1, &field(2, &[0x12, 99])), "resource_spans[0].scope_spans[0], byte 0", "the bytes end"),
        (b"<html>".to_vec(), "request, byte", ""),
    ];
    for (body, place, reason) in cases {
        let error = check(body).expect_err(place);
        assert!(error.path.starts_with(place) && error.reason.to_string().starts_with(reason), "{error}");
    }
}

#[test]
fn empty_requests_are_fine() {
    for body in [vec![], field(1, &[]), field(1, &field(2, &[])), request(vec![])] {
        let validated = check(body.clone()).expect("empty");
        assert_eq!((validated.accepted, validated.refused.total()), (0, 0));
        assert_eq!(validated.body, body);
    }
}

#[test]
fn fields_that_occur_twice_are_merged() {
    let twice = [good().encode_to_vec(), field(5, b"later"), field(15, &field(2, b"failed")), field(15, &[0x18, 2])];
    let resource =
        |key: &str| Resource { attributes: vec![attribute(key, Value::BoolValue(true))], ..Resource::default() };
    let group = [
        field(1, &resource("a").encode_to_vec()),
        field(2, &field(2, &twice.concat())),
        field(1, &resource("b").encode_to_vec()),
    ];
    let body = field(1, &group.concat());
    let validated = check(body.clone()).expect("framing is intact");
    assert_eq!((validated.accepted, validated.repaired), (1, 0));
    assert_eq!(decode(&validated.body), decode(&body));
    let spans = decode(&validated.body).expect("protobuf");
    assert_eq!((spans[0].span.name.as_str(), spans[0].resource.attributes.len()), ("later", 2));
    assert_eq!(clean::spans(&validated.body, MAX_VALUE_DEPTH), Some(1));
}

#[test]
fn parts_of_values_are_merged_as_protobuf_says_and_many_cost_no_square() {
    let array = |number: u8| field(5, &field(1, &[0x18, number]));
    let value = [field(1, b"text"), array(1), array(2)].concat();
    let pair = [field(1, b"key"), field(2, &value), field(2, &array(3))].concat();
    let span = [good().encode_to_vec(), field(9, &pair)].concat();
    let validated = check(around(&span)).expect("framing");
    let spans = decode(&validated.body).expect("protobuf");
    let numbers = [1, 2, 3].map(crate::model::AnyValue::Int).to_vec();
    assert_eq!(spans[1].span.attributes[0].value, crate::model::AnyValue::Array(numbers));
    assert_eq!(ExportTraceServiceRequest::decode(validated.body), ExportTraceServiceRequest::decode(&*around(&span)));

    let many = (1..MAX_VALUE_DEPTH).fold(array(1).repeat(50_000), |inner, _| field(5, &field(1, &inner)));
    let begun = std::time::Instant::now();
    let validated = check(around(&[good().encode_to_vec(), field(9, &field(2, &many))].concat())).expect("framing");
    assert_eq!((validated.accepted, validated.repaired), (3, 1));
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
}

#[test]
fn many_refusals_are_counted_and_a_few_named() {
    let validated = check(request(vec![Span { span_id: vec![], ..good() }; 100])).expect("framing is intact");
    assert_eq!((validated.refused.total(), validated.refused.messages().len()), (100, 5));
    let text = validated.refused.to_string();
    assert!(text.starts_with("100 spans refused (invalid_span_id: 100): resource_spans[0]"), "{text}");
    assert!(text.ends_with("; ..."), "{text}");
}

proptest! {
    #[test]
    fn any_valid_request_is_taken_untouched(spans in arbitrary::spans()) {
        let body = to_request(&spans).encode_to_vec();
        let validated = check(body.clone()).expect("valid");
        prop_assert_eq!(&validated.body, &body);
        prop_assert_eq!(validated.accepted as usize, spans.len());
        otlp_walk(&body);
    }

    #[test]
    fn any_bytes_are_judged_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        otlp_walk(&body);
    }

    #[test]
    fn any_damage_is_judged_and_what_is_kept_decodes(
        spans in arbitrary::spans(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = to_request(&spans).encode_to_vec();
        for (place, byte) in damage {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        otlp_walk(&body);
    }

    #[test]
    fn any_change_of_the_structure_is_judged_as_prost_reads_it(spans in arbitrary::spans(), picks in arbitrary::picks()) {
        let body = to_request(&spans).encode_to_vec();
        otlp_walk(&arbitrary::restructured(&REQUEST, &body, &mut picks.into_iter()));
    }
}
