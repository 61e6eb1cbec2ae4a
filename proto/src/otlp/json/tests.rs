use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::checks::otlp_json;
use crate::model::{AnyValue, Attribute, SpanKind, StatusCode, Trace, TraceId, TraceSpan};
use crate::otlp::validate::{Limits, MalformedRequest, REPAIRED, Reason, validate};
use crate::otlp::{arbitrary, decode};

fn parse(text: &str) -> Result<JsonRequest, MalformedRequest> {
    read(text.as_bytes(), &Limits::default())
}

/// The spans of a request that is read and validated, and how many were refused.
fn spans(text: &[u8]) -> (Vec<TraceSpan>, u32) {
    let request = read(text, &Limits::default()).expect("json");
    let validated = validate(request.body, &Limits::default()).expect("the reader writes protobuf");
    let refused = request.refused.total() + validated.refused.total();
    (decode(&validated.body).expect("accepted bytes decode"), refused)
}

/// A span of these fields, with ids.
fn with(fields: &str) -> String {
    let ids = r#""traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174""#;
    format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{{{ids}, {fields}}}]}}]}}]}}"#)
}

fn with_value(value: &str) -> String {
    with(&format!(r#""attributes": [{{"key": "k", "value": {value}}}]"#))
}

fn only(text: &str) -> TraceSpan {
    let (mut spans, refused) = spans(text.as_bytes());
    assert_eq!((spans.len(), refused), (1, 0), "{text}");
    spans.remove(0)
}

#[test]
fn the_specifications_example_is_read() {
    let text = r#"{"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
        "scopeSpans": [{
            "scope": {"name": "my.library", "version": "1.0.0"},
            "spans": [{
                "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
                "parentSpanId": "EEE19B7EC3C1B173", "name": "I'm a server span", "flags": 256,
                "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000", "kind": 2,
                "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}],
                "events": [{"timeUnixNano": 3, "name": "e", "droppedAttributesCount": 1}],
                "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b171"}],
                "status": {"code": 2, "message": "no"}
            }]
        }]
    }]}"#;
    let span = only(text);
    assert_eq!(span.resource.service_name(), "my.service");
    assert_eq!((span.scope.name.as_str(), span.scope.version.as_str()), ("my.library", "1.0.0"));
    assert_eq!(span.span.trace_id.to_string(), "5b8efff798038103d269b633813fc60c");
    assert_eq!(span.span.parent_span_id.map(|id| id.to_string()).as_deref(), Some("eee19b7ec3c1b173"));
    assert_eq!((span.span.kind, span.span.status.code), (SpanKind::Server, StatusCode::Error));
    assert_eq!((span.span.start_unix_nano, span.span.flags), (1_544_712_660_000_000_000, 256));
    assert_eq!((span.span.events[0].time_unix_nano, span.span.links.len()), (3, 1));
}

#[test]
fn values_are_read_in_all_their_spellings() {
    let list = |values| AnyValue::Array(values);
    let cases = [
        (r#"{"stringValue": ""}"#, AnyValue::from("")),
        (r#"{"stringValue": "a\n\u00e9"}"#, AnyValue::from("a\né")),
        (r#"{"string_value": "snake"}"#, AnyValue::from("snake")),
        (r#"{"boolValue": false}"#, AnyValue::Bool(false)),
        (r#"{"intValue": "-5"}"#, AnyValue::Int(-5)),
        (r#"{"intValue": 9223372036854775807}"#, AnyValue::Int(i64::MAX)),
        (r#"{"intValue": 1e3}"#, AnyValue::Int(1000)),
        (r#"{"intValue": 5.0}"#, AnyValue::Int(5)),
        (r#"{"doubleValue": 1}"#, AnyValue::Double(1.0)),
        (r#"{"doubleValue": "1.5"}"#, AnyValue::Double(1.5)),
        (r#"{"doubleValue": "-Infinity"}"#, AnyValue::Double(f64::NEG_INFINITY)),
        (r#"{"doubleValue": "Infinity"}"#, AnyValue::Double(f64::INFINITY)),
        (r#"{"bytesValue": "/+8="}"#, AnyValue::Bytes(vec![255, 239])),
        (r#"{"bytesValue": "_-8"}"#, AnyValue::Bytes(vec![255, 239])),
        (r#"{"arrayValue": {}}"#, list(vec![])),
        (r#"{"arrayValue": {"values": null}}"#, list(vec![])),
        (
            r#"{"arrayValue": {"values": [{"intValue": 1}, null, {}]}}"#,
            list(vec![1.into(), AnyValue::Empty, AnyValue::Empty]),
        ),
        (r#"{"kvlistValue": {}}"#, AnyValue::KvList(vec![])),
        (r#"{"kvlistValue": {"values": [{"key": "a"}]}}"#, AnyValue::KvList(vec![Attribute::default()])),
        (r#"{"stringValue": null}"#, AnyValue::Empty),
        ("{}", AnyValue::Empty),
        ("null", AnyValue::Empty),
        (r#"{"newValue": {"deep": [1, {}]}}"#, AnyValue::Empty),
    ];
    for (text, mut value) in cases {
        if let AnyValue::KvList(pairs) = &mut value {
            pairs.iter_mut().for_each(|pair| pair.key = "a".to_owned());
        }
        assert_eq!(only(&with_value(text)).span.attributes, [Attribute { key: "k".to_owned(), value }], "{text}");
    }
    let nan = only(&with_value(r#"{"doubleValue": "NaN"}"#)).span.attributes.remove(0).value;
    assert!(matches!(nan, AnyValue::Double(value) if value.is_nan()));
}

#[test]
fn enums_numbers_nulls_and_unknown_fields_are_read_leniently() {
    let kinds =
        [("3", 3), (r#""SPAN_KIND_CLIENT""#, 3), (r#""3""#, 3), ("null", 0), ("77", 0), (r#""SPAN_KIND_X""#, 0)];
    for (text, kind) in kinds {
        assert_eq!(only(&with(&format!(r#""kind": {text}"#))).span.kind as i32, kind, "{text}");
    }
    assert_eq!(only(&with(r#""status": {"code": "STATUS_CODE_ERROR"}"#)).span.status.code, StatusCode::Error);
    let span = only(&with(
        r#""parentSpanId": null, "traceState": null, "name": null, "attributes": null, "events": null, "links": [],
           "status": null, "startTimeUnixNano": null, "droppedAttributesCount": "7", "flags": "1", "end_time_unix_nano": 5,
           "parentSpanId": "", "futureField": {"a": [null, {"b": "\ud800"}]}"#,
    ));
    assert_eq!((span.span.parent_span_id, span.span.dropped_attributes_count), (None, 7));
    assert_eq!((span.span.flags, span.span.end_unix_nano), (1, 5));
    for empty in ["{}", "", "  ", r#"{"resourceSpans": null}"#, r#"{"resourceSpans": [{"scopeSpans": [{}]}]}"#, "null"]
    {
        assert_eq!(spans(empty.as_bytes()), (vec![], 0), "{empty}");
    }
}

#[test]
fn a_value_of_a_wrong_type_refuses_its_span_alone() {
    let good = r#"{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}"#;
    let place = "resource_spans[0].scope_spans[0].spans[1]";
    let cases = [
        (
            r#""traceId": "xyz", "spanId": "eee19b7ec3c1b174""#,
            Reason::TraceId,
            r#".trace_id: expected hex digits, not "xyz""#,
        ),
        (r#""spanId": 5"#, Reason::SpanId, ".span_id: expected hex digits, not 5"),
        (r#""name": 5"#, Reason::Span, ".name: expected a string, not 5"),
        (r#""kind": {}"#, Reason::Span, ".kind: expected a number or name, not {}"),
        (
            r#""startTimeUnixNano": "-1""#,
            Reason::Span,
            r#".start_time_unix_nano: expected an unsigned 64-bit integer, not "-1""#,
        ),
        (r#""flags": 4294967296"#, Reason::Span, ".flags: expected an unsigned 32-bit integer, not 4294967296"),
        (r#""attributes": {"a": 1}"#, Reason::Span, ".attributes[0]: expected an array, not an object"),
        (r#""attributes": [7]"#, Reason::Span, ".attributes[0]: expected an object, not a number"),
        (r#""status": "ok""#, Reason::Span, ".status: expected an object, not a string"),
        (
            r#""attributes": [{}, {"key": "a", "value": {"intValue": 1.5}}]"#,
            Reason::Span,
            ".attributes[1].value.int_value: expected a 64-bit integer, not 1.5",
        ),
        (
            r#""events": [{"attributes": [{"value": {"boolValue": "true"}}]}]"#,
            Reason::Span,
            r#".events[0].attributes[0].value.bool_value: expected true or false, not "true""#,
        ),
        (
            r#""attributes": [{"value": {"doubleValue": "inf"}}]"#,
            Reason::Span,
            r#".attributes[0].value.double_value: expected a number, not "inf""#,
        ),
        (
            r#""attributes": [{"value": {"bytesValue": "*"}}]"#,
            Reason::Span,
            r#".attributes[0].value.bytes_value: expected base64, not "*""#,
        ),
        ("", Reason::Span, ": expected an object, not an array"),
    ];
    for (fields, reason, message) in cases {
        let bad = if fields.is_empty() { "[1]".to_owned() } else { format!("{{{fields}}}") };
        let text = format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{good}, {bad}, {good}]}}]}}]}}"#);
        let request = parse(&text).expect("json");
        assert_eq!(request.refused.counts().collect::<Vec<_>>(), [(reason, 1)], "{message}");
        assert_eq!(request.refused.messages(), [format!("{place}{message}")]);
        assert_eq!(decode(&request.body).expect("protobuf").len(), 2);
    }
}

#[test]
fn a_wrong_resource_or_scope_refuses_its_own_spans() {
    let span = r#"{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}"#;
    let scoped = format!(r#"{{"spans": [{span}]}}"#);
    let text = format!(
        r#"{{"resourceSpans": [
            {{"scopeSpans": [{scoped}, {{"scope": {{"name": 1}}, "spans": [{span}, {span}]}}]}},
            {{"scopeSpans": [{scoped}, {scoped}, {scoped}], "resource": []}}
        ]}}"#
    );
    let request = parse(&text).expect("json");
    assert_eq!(request.refused.counts().collect::<Vec<_>>(), [(Reason::Resource, 3), (Reason::Scope, 2)]);
    assert_eq!(decode(&request.body).expect("protobuf").len(), 1);
}

#[test]
fn what_is_no_json_refuses_the_request_and_says_where() {
    let cases = [
        ("{\"resourceSpans\": [\n  {]}", "line 2 column 4"),
        (r#"{"resourceSpans": []} x"#, "line 1 column 23"),
        ("{", "line 1 column 1"),
        (r#"{"resourceSpans": 5}"#, "resource_spans[0]: expected an array, not a number"),
        ("[]", "expected an object, not an array"),
        ("<html>", "line 1 column 1"),
    ];
    for (text, place) in cases {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
    assert!(parse(&"[".repeat(1_000_000)).is_err());
    assert!(parse(&format!(r#"{{"resourceSpans": {}"#, "[".repeat(1_000_000))).is_err());
}

/// Key-value lists in each other, so many values deep.
fn lists(levels: usize) -> String {
    let (open, close) = (r#"{"kvlistValue": {"values": [{"value": "#, "}]}}");
    format!("{}{{}}{}", open.repeat(levels - 1), close.repeat(levels - 1))
}

#[test]
fn values_are_read_32_levels_deep_and_refused_deeper() {
    for place in [r#""attributes": [{"value": VALUE}]"#, r#""events": [{"attributes": [{"value": VALUE}]}]"#] {
        let text = |levels: usize| with(&place.replace("VALUE", &lists(levels)));
        let span = only(&text(32));
        let attribute = span.span.attributes.first().or(span.span.events.first().and_then(|e| e.attributes.first()));
        let (mut depth, mut value) = (1, &attribute.expect("kept").value);
        while let AnyValue::KvList(pairs) = value {
            (depth, value) = (depth + 1, &pairs[0].value);
        }
        assert_eq!(depth, 32);
        for levels in [33, 40, 10_000] {
            let request = parse(&text(levels)).expect("json");
            assert_eq!(request.refused.counts().collect::<Vec<_>>(), [(Reason::Depth, 1)], "{levels}");
        }
    }
}

#[test]
fn text_that_utf8_cannot_hold_is_repaired_and_marked() {
    let escaped = with(r#""name": "a\ud83d!""#).into_bytes();
    let mut raw = with(r#""name": "aX!""#).into_bytes();
    let at = raw.windows(3).position(|window| window == b"aX!").expect("the name") + 1;
    raw[at] = 0xe9;
    for text in [escaped, raw] {
        let (spans, refused) = spans(&text);
        assert_eq!((spans[0].span.name.as_str(), refused), ("a\u{fffd}!", 0));
        let mark = spans[0].span.attribute(REPAIRED).and_then(AnyValue::as_str);
        assert_eq!(mark, Some("invalid utf-8 in name"));
    }
    assert_eq!(only(&with(r#""name": "\ud83d\ude00""#)).span.name, "😀");
}

#[test]
fn a_trace_is_written_as_the_specification_says() {
    let span = only(&with(
        r#""name": "n", "kind": 3, "startTimeUnixNano": 5, "parentSpanId": "00000000000000ff", "status": {"code": 1},
           "attributes": [{"key": "i", "value": {"intValue": 7}}, {"key": "b", "value": {"bytesValue": "/+8="}},
                          {"key": "d", "value": {"doubleValue": "NaN"}}, {"key": "a", "value": {"arrayValue": {}}}]"#,
    ));
    let trace = Trace { id: span.span.trace_id, spans: vec![span] };
    let written: Value = serde_json::from_str(&write_trace(&trace)).expect("json");
    let expected = json!({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "parentSpanId": "00000000000000ff",
        "name": "n", "kind": 3, "startTimeUnixNano": "5", "endTimeUnixNano": "0", "status": {"code": 1},
        "attributes": [
            {"key": "i", "value": {"intValue": "7"}}, {"key": "b", "value": {"bytesValue": "/+8="}},
            {"key": "d", "value": {"doubleValue": "NaN"}}, {"key": "a", "value": {"arrayValue": {"values": []}}}
        ]
    }]}]}]});
    assert_eq!(written, expected);
}

#[test]
fn spans_of_equal_resources_are_written_together() {
    let (one, mut other) = (only(&with(r#""name": "1""#)), only(&with(r#""name": "2""#)));
    other.resource = std::sync::Arc::new(crate::model::Resource { schema_url: "x".to_owned(), ..Default::default() });
    let trace = Trace { id: TraceId([1; 16]), spans: vec![one.clone(), other, only(&with(r#""name": "3""#)), one] };
    let written: Value = serde_json::from_str(&write_trace(&trace)).expect("json");
    assert_eq!(written["resourceSpans"].as_array().map(Vec::len), Some(2));
    let spans = &written["resourceSpans"][0]["scopeSpans"][0]["spans"];
    let names: Vec<_> = spans.as_array().into_iter().flatten().map(|span| span["name"].as_str()).collect();
    assert_eq!(names, [Some("1"), Some("3"), Some("1")]);
}

fn in_any_order(spans: &[TraceSpan]) -> HashSet<String> {
    spans.iter().map(|span| format!("{span:?}")).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(spans in arbitrary::spans()) {
        let text = write_trace(&Trace { id: TraceId([1; 16]), spans: spans.clone() });
        let request = parse(&text).expect("own json");
        let validated = validate(request.body.clone(), &Limits::default()).expect("protobuf");
        prop_assert_eq!((request.refused.total(), validated.refused.total()), (0, 0));
        prop_assert_eq!(&validated.body, &request.body, "nothing to repair");
        let back = decode(&validated.body).expect("protobuf");
        prop_assert_eq!(back.len(), spans.len());
        prop_assert_eq!(in_any_order(&back), in_any_order(&spans));
    }

    #[test]
    fn damaged_json_never_panics(
        spans in arbitrary::spans(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), "[\\[\\]{}\",:0-9a-zé\\\\]"), 1..4),
    ) {
        let mut text: Vec<char> = write_trace(&Trace { id: TraceId([1; 16]), spans }).chars().collect();
        for (place, new) in damage {
            let place = place.index(text.len());
            text[place] = new.chars().next().unwrap_or(' ');
        }
        otlp_json(text.into_iter().collect::<String>().as_bytes());
    }

    #[test]
    fn any_bytes_are_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        otlp_json(&body);
    }
}
