use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::checks::otlp_json;
use crate::model::{AnyValue, Attribute, SpanKind, StatusCode, Trace, TraceId, TraceSpan};
use crate::otlp::malformed::MalformedRequest;
use crate::otlp::validate::{Limits, REPAIRED, Reason, Validated, validate};
use crate::otlp::warnings::Warning;
use crate::otlp::{arbitrary, decode};

fn parse(text: &str) -> Result<JsonRequest, MalformedRequest> {
    read(text.as_bytes(), &Limits::default())
}

/// The spans of a request that is read and validated, and how many were refused.
fn spans(text: &[u8]) -> (Vec<TraceSpan>, u32) {
    let validated = validated(text);
    (decode(&validated.body).expect("accepted bytes decode"), validated.refused.total())
}

fn validated(text: &[u8]) -> Validated {
    let request = read(text, &Limits::default()).expect("json");
    request.validate(&Limits::default()).expect("the reader writes protobuf")
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

const GOOD: &str = r#"{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}"#;

#[test]
fn a_span_without_usable_ids_is_refused_alone() {
    let place = "resource_spans[0].scope_spans[0].spans[1]";
    let cases = [
        (
            r#"{"traceId": "xyz", "spanId": "eee19b7ec3c1b174"}"#,
            Reason::TraceId,
            r#".trace_id: expected hex digits, not "xyz""#,
        ),
        (r#"{"spanId": 5, "name": 7}"#, Reason::SpanId, ".span_id: expected hex digits, not 5"),
        (r#"{"traceId": {}}"#, Reason::TraceId, ".trace_id: expected hex digits, not {}"),
        ("[1]", Reason::Span, ": expected an object, not an array"),
        ("7", Reason::Span, ": expected an object, not a number"),
    ];
    for (bad, reason, message) in cases {
        let text = format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{GOOD}, {bad}, {GOOD}]}}]}}]}}"#);
        let request = parse(&text).expect("json");
        assert_eq!(request.refused.counts().collect::<Vec<_>>(), [(reason, 1)], "{message}");
        assert_eq!(request.refused.messages(), [format!("{place}{message}")]);
        assert_eq!(decode(&request.body).expect("protobuf").len(), 2);
        assert_eq!(validated(text.as_bytes()).repaired, 0);
    }
}

/// The mark of the one span of a request, which is kept.
fn mark(text: &str) -> String {
    let span = only(text);
    assert_eq!(validated(text.as_bytes()).repaired, 1, "{text}");
    let mark = span.span.attribute(REPAIRED).and_then(AnyValue::as_str);
    mark.unwrap_or_else(|| panic!("no mark: {text}")).to_owned()
}

#[test]
fn an_odd_value_costs_nothing_but_itself() {
    let cases = [
        (r#""name": 5"#, "name dropped: expected a string, not 5"),
        (r#""traceState": {}"#, "trace_state dropped: expected a string, not {}"),
        (r#""kind": {}"#, "kind dropped: expected a number or name, not {}"),
        (r#""kind": 1.5"#, "kind dropped: expected a number or name, not 1.5"),
        (r#""kind": 1e30"#, "kind dropped: expected a number or name, not 1e30"),
        (r#""parentSpanId": "0""#, r#"parent_span_id dropped: expected hex digits, not "0""#),
        (r#""parentSpanId": 0"#, "parent_span_id dropped: expected hex digits, not 0"),
        (r#""parentSpanId": "abcd""#, "parent span id of 2 bytes dropped"),
        (
            r#""startTimeUnixNano": "-1""#,
            r#"start_time_unix_nano dropped: expected an unsigned 64-bit integer, not "-1""#,
        ),
        (
            r#""endTimeUnixNano": "2026-11-29T08:00:00Z""#,
            r#"end_time_unix_nano dropped: expected an unsigned 64-bit integer, not "2026-11-29T08:00:00Z""#,
        ),
        (r#""flags": 4294967296"#, "flags dropped: expected an unsigned 32-bit integer, not 4294967296"),
        (r#""flags": "01x""#, r#"flags dropped: expected an unsigned 32-bit integer, not "01x""#),
        (
            r#""droppedAttributesCount": -1"#,
            "dropped_attributes_count dropped: expected an unsigned 32-bit integer, not -1",
        ),
        (
            r#""droppedEventsCount": 1e10"#,
            "dropped_events_count dropped: expected an unsigned 32-bit integer, not 1e10",
        ),
        (r#""droppedLinksCount": []"#, "dropped_links_count dropped: expected an unsigned 32-bit integer, not []"),
        (r#""attributes": {"a": 1}"#, "attributes[0] dropped: expected an array, not an object"),
        (r#""attributes": [7]"#, "attributes[0] dropped: expected an object, not a number"),
        (r#""attributes": [{"key": 7}]"#, "attributes[0].key dropped: expected a string, not 7"),
        (r#""attributes": [{"value": "text"}]"#, "attributes[0].value dropped: expected an object, not a string"),
        (r#""status": "ok""#, "status dropped: expected an object, not a string"),
        (r#""status": {"code": []}"#, "status.code dropped: expected a number or name, not []"),
        (r#""events": 5"#, "events[0] dropped: expected an array, not a number"),
        (
            r#""events": [{}, {"timeUnixNano": -1}]"#,
            "events[1].time_unix_nano dropped: expected an unsigned 64-bit integer, not -1",
        ),
        (r#""links": [{"traceId": "abc"}]"#, r#"links[0].trace_id dropped: expected hex digits, not "abc""#),
        (
            r#""links": [{"spanId": "eee19b7ec3c1b17"}]"#,
            r#"links[0].span_id dropped: expected hex digits, not "eee19b7ec3c1b17""#,
        ),
        (
            r#""events": [{"attributes": [{"value": {"boolValue": "true"}}]}]"#,
            r#"events[0].attributes[0].value.bool_value dropped: expected true or false, not "true""#,
        ),
        (
            r#""attributes": [{"value": {"doubleValue": "inf"}}]"#,
            r#"attributes[0].value.double_value dropped: expected a number, not "inf""#,
        ),
        (
            r#""attributes": [{"value": {"bytesValue": "*"}}]"#,
            r#"attributes[0].value.bytes_value dropped: expected base64, not "*""#,
        ),
        (
            r#""attributes": [{"value": {"intValue": "many"}}]"#,
            r#"attributes[0].value.int_value dropped: expected a 64-bit integer, not "many""#,
        ),
        (
            r#""attributes": [{"value": {"arrayValue": [1]}}]"#,
            "attributes[0].value.array_value dropped: expected an object, not an array",
        ),
    ];
    for (field, told) in cases {
        assert_eq!(mark(&with(field)), told);
    }
    let five = with(&format!(r#""attributes": [{}]"#, vec!["7"; 50_000].join(",")));
    assert!(mark(&five).ends_with("; and 49996 more"));
    let both = with(r#""name": "\ud800", "kind": []"#);
    assert_eq!(mark(&both), "invalid utf-8 in name; kind dropped: expected a number or name, not []");
}

#[test]
fn a_number_that_is_no_integer_is_kept_as_a_double() {
    for (text, number) in
        [("9223372036854775808", 9_223_372_036_854_775_808.0), ("1e21", 1e21), ("1.5", 1.5), (r#""-1e300""#, -1e300)]
    {
        let text = with_value(&format!(r#"{{"intValue": {text}}}"#));
        let span = only(&text);
        assert_eq!(span.span.attributes[0], Attribute::new("k", number), "{text}");
        assert!(
            mark(&text).starts_with("attributes[0].value.int_value kept as a double: expected a 64-bit integer, not")
        );
    }
    let too_large = only(&with_value(r#"{"intValue": 1e400}"#));
    assert_eq!(too_large.span.attributes[0].value, AnyValue::Empty);
}

#[test]
fn odd_values_of_a_resource_or_scope_are_marked_there() {
    let cases = [
        (
            r#""resource": {"droppedAttributesCount": -1}"#,
            "",
            true,
            "dropped_attributes_count dropped: expected an unsigned 32-bit integer, not -1",
        ),
        (r#""resource": []"#, "", true, "resource dropped: expected an object, not an array"),
        (r#""schemaUrl": 5"#, "", true, "schema_url dropped: expected a string, not 5"),
        (
            r#""resource": {"attributes": [{"value": {"intValue": 1e21}}]}"#,
            "",
            true,
            "attributes[0].value.int_value kept as a double: expected a 64-bit integer, not 1e21",
        ),
        ("", r#""scope": {"name": 1}"#, false, "name dropped: expected a string, not 1"),
        ("", r#""scope": "x""#, false, "scope dropped: expected an object, not a string"),
        ("", r#""schemaUrl": {}"#, false, "schema_url dropped: expected a string, not {}"),
    ];
    for (group, scoped, is_resource, told) in cases {
        let comma = |field: &str| if field.is_empty() { String::new() } else { format!("{field},") };
        let (group, scoped) = (comma(group), comma(scoped));
        let fine = format!(r#"{{"scopeSpans": [{{"spans": [{GOOD}]}}]}}"#);
        let odd = format!(
            r#"{{{group} "scopeSpans": [{{"spans": [{GOOD}, {{}}]}}, {{{scoped} "spans": [{GOOD}, {GOOD}]}}]}}"#
        );
        let (spans, refused) = spans(format!(r#"{{"resourceSpans": [{fine}, {odd}, {fine}]}}"#).as_bytes());
        assert_eq!((spans.len(), refused), (5, 1), "{told}");
        let mark = Attribute::new(REPAIRED, told);
        let marked: Vec<bool> = spans
            .iter()
            .map(|span| if is_resource { &span.resource.attributes } else { &span.scope.attributes })
            .map(|attributes| attributes.last() == Some(&mark))
            .collect();
        assert_eq!(marked, [false, is_resource, true, true, false], "{told}");
    }
}

#[test]
fn what_is_not_understood_is_told() {
    let told = [
        (r#""resourceLogs": [{}]"#, Warning::Logs, "logs, which go to /v1/logs"),
        (r#""resource_metrics": [{}]"#, Warning::Metrics, "metrics, which go to /v1/metrics"),
        (
            r#""message": "hello""#,
            Warning::Fields,
            r#""message" is no part of a request for traces, which has "resourceSpans""#,
        ),
    ];
    let fine = format!(r#""resourceSpans": [{{"scopeSpans": [{{"spans": [{GOOD}]}}]}}]"#);
    for (field, warning, text) in told {
        let alone = validated(format!("{{{field}}}").as_bytes());
        assert!(alone.is_no_request() && alone.warnings.to_string().contains(text), "{}", alone.warnings);
        for both in [format!("{{{field}, {fine}}}"), format!("{{{fine}, {field}}}")] {
            let both = validated(both.as_bytes());
            assert_eq!((both.accepted, both.is_no_request()), (1, false), "{text}");
            assert_eq!(both.warnings.counts().collect::<Vec<_>>(), [(warning, 1)]);
        }
    }
    for (inner, text) in [
        (r#"{"spans": [{}]}"#, r#"resource_spans[0]: nothing in it is known, but it has "spans""#),
        (
            r#"{"scopeSpans": [{"logRecords": [{}]}]}"#,
            r#"resource_spans[0].scope_spans[0]: nothing in it is known, but it has "logRecords""#,
        ),
        (r#"{"scopeSpans": 5}"#, "resource_spans[0].scope_spans[0] dropped: expected an array, not a number"),
        (
            r#"{"scopeSpans": [{"spans": "x"}]}"#,
            "resource_spans[0].scope_spans[0].spans[0] dropped: expected an array, not a string",
        ),
        ("7", "resource_spans[0] dropped: expected an object, not a number"),
    ] {
        let alone = validated(format!(r#"{{"resourceSpans": [{inner}]}}"#).as_bytes());
        assert!(alone.is_no_request(), "{text}");
        assert_eq!(alone.warnings.to_string(), text);
    }
    for fine in
        ["{}", r#"{"resourceSpans": [], "resourceLogs": []}"#, r#"{"x": null}"#, r#"{"resourceSpans": [{"x": {}}]}"#]
    {
        assert!(validated(fine.as_bytes()).warnings.is_empty(), "{fine}");
    }
    let newer = format!(r#"{{"resourceSpans": [{{"new": 1, "scopeSpans": [{{"spans": [{GOOD}], "new": 2}}]}}]}}"#);
    assert!(validated(newer.as_bytes()).warnings.is_empty());
}

#[test]
fn the_names_of_instrumentation_libraries_are_read() {
    for (spans, library) in [
        ("instrumentationLibrarySpans", "instrumentationLibrary"),
        ("instrumentation_library_spans", "instrumentation_library"),
    ] {
        let scoped = format!(r#"{{"{library}": {{"name": "lib", "version": "1"}}, "spans": [{GOOD}]}}"#);
        let span = only(&format!(r#"{{"resourceSpans": [{{"{spans}": [{scoped}]}}]}}"#));
        assert_eq!((span.scope.name.as_str(), span.scope.version.as_str()), ("lib", "1"));
    }
}

#[test]
fn texts_by_their_place_in_a_table_count_as_absent() {
    let text = with(
        r#""attributes": [{"keyStrindex": 7, "value": {"stringValueStrindex": "8"}}, {"key": "k", "value": {"string_value_strindex": 9}}]"#,
    );
    let validated = validated(text.as_bytes());
    assert_eq!((validated.accepted, validated.repaired), (1, 0));
    assert_eq!(validated.warnings.counts().collect::<Vec<_>>(), [(Warning::StringIndex, 3)]);
    let absent = |key: &str| Attribute { key: key.to_owned(), value: AnyValue::Empty };
    assert_eq!(only(&text).span.attributes, [absent(""), absent("k")]);
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
fn values_are_read_64_levels_deep_and_cut_below() {
    for place in [r#""attributes": [{"value": VALUE}]"#, r#""events": [{"attributes": [{"value": VALUE}]}]"#] {
        let text = |levels: usize| with(&place.replace("VALUE", &lists(levels)));
        for levels in [64, 65, 80, 200, 10_000] {
            let span = only(&text(levels));
            let attribute = span.span.attributes.first().filter(|pair| pair.key != REPAIRED);
            let attribute = attribute.or(span.span.events.first().and_then(|event| event.attributes.first()));
            let (mut depth, mut value) = (0, &attribute.expect("kept").value);
            while let AnyValue::KvList(pairs) = value {
                (depth, value) = (depth + 1, &pairs[0].value);
            }
            assert_eq!((depth, value), (64.min(levels - 1), &AnyValue::Empty), "{levels}");
            let mark = span.span.attribute(REPAIRED).and_then(AnyValue::as_str);
            let cut = mark.is_some_and(|mark| mark.starts_with("values nested too deep cut in "));
            assert_eq!((cut, mark.is_some()), (levels > 64, levels > 64), "{levels}: {mark:?}");
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
    assert_eq!((memory("é".as_bytes()), memory(b"a\xff\xff")), (2, 3 + 13));
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
