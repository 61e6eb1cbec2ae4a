use prost::Message;

use super::*;
use crate::model::{AnyValue, Attribute, SpanKind, StatusCode, Trace};

const JAEGER_FILE: &str = r#"{"data":[{"traceID":"4bf92f3577b34da6a3ce929d0e0e4736","processes":{"p1":{"serviceName":"shop","tags":[
  {"key":"hostname","type":"string","value":"node-7"}]}},"spans":[
  {"traceID":"4bf92f3577b34da6a3ce929d0e0e4736","spanID":"a1","operationName":"GET /","references":[],"startTime":1760000000000000,
   "duration":1500,"processID":"p1","tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"error","type":"bool","value":true},
   {"key":"big","type":"int64","value":"9007199254740993"},{"key":"n","type":"int64","value":7},{"key":"f","type":"float64","value":1.5},
   {"key":"otel.status_description","type":"string","value":"no"},{"key":"raw","type":"binary","value":"AQI="}],
   "logs":[{"timestamp":1760000000000500,"fields":[{"key":"event","type":"string","value":"retry"},{"key":"k","type":"string","value":"v"}]}]},
  {"traceID":"4bf92f3577b34da6a3ce929d0e0e4736","spanID":"b2","operationName":"child","startTime":1760000000000100,"duration":1,"processID":"p1",
   "references":[{"refType":"FOLLOWS_FROM","traceID":"4bf92f3577b34da6a3ce929d0e0e4736","spanID":"c3"},
   {"refType":"CHILD_OF","traceID":"4bf92f3577b34da6a3ce929d0e0e4736","spanID":"a1"}],"tags":null,"logs":null},
  {"traceID":"none","spanID":"d4","operationName":"x","startTime":1,"duration":1,"processID":"p1"}]}],"total":0,"errors":null}"#;

const ZIPKIN_FILE: &str = r#"[[{"traceId":"463ac35c9f6413ad","id":"a1","kind":"SERVER","name":"get /","timestamp":1760000000000000,"duration":2000,
  "localEndpoint":{"serviceName":"shop","ipv4":"10.0.0.1","port":80},"annotations":[{"timestamp":1760000000000500,"value":"ws"}],
  "tags":{"http.path":"/","error":"timeout"}}],
  [{"traceId":"463ac35c9f6413ad","id":"b2","parentId":"a1","kind":"CLIENT","remoteEndpoint":{"serviceName":"db","ipv6":"::1"}},
   {"traceId":"","id":"b3"}]]"#;

fn value<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a AnyValue> {
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
}

#[test]
fn a_file_of_jaeger_becomes_spans() {
    let found = read(JAEGER_FILE.as_bytes()).expect("spans");
    assert_eq!((found.spans.len(), found.refused, found.form), (2, 1, JAEGER));
    let [root, child] = found.spans.as_slice() else { panic!("two spans") };
    assert_eq!(root.resource.service_name(), "shop");
    assert_eq!(root.resource.attribute("host.name"), Some(&"node-7".into()));
    assert_eq!(
        (root.span.kind, root.span.status.code, root.span.status.message.as_str()),
        (SpanKind::Server, StatusCode::Error, "no")
    );
    assert_eq!(
        (root.span.start_unix_nano, root.span.end_unix_nano),
        (1_760_000_000_000_000_000, 1_760_000_000_001_500_000)
    );
    let own = &root.span.attributes;
    assert_eq!(value(own, "big"), Some(&AnyValue::Int(9_007_199_254_740_993)));
    assert_eq!(value(own, "n"), Some(&AnyValue::Int(7)));
    assert_eq!(value(own, "f"), Some(&AnyValue::Double(1.5)));
    assert_eq!(value(own, "raw"), Some(&AnyValue::Bytes(vec![1, 2])));
    assert_eq!(own.len(), 4, "what has a place of its own is no attribute");
    assert_eq!((root.span.events[0].name.as_str(), root.span.events[0].attributes.len()), ("retry", 1));
    assert_eq!(child.span.parent_span_id, Some(root.span.span_id));
    assert_eq!(child.span.links.len(), 1);
    assert_eq!(value(&child.span.links[0].attributes, "opentracing.ref_type"), Some(&"follows_from".into()));
}

#[test]
fn a_file_of_zipkin_becomes_spans() {
    let found = read(ZIPKIN_FILE.as_bytes()).expect("spans");
    assert_eq!((found.spans.len(), found.refused), (2, 1));
    let [root, child] = found.spans.as_slice() else { panic!("two spans") };
    assert_eq!((root.resource.service_name(), root.span.kind), ("shop", SpanKind::Server));
    assert_eq!(root.resource.attribute("network.local.port"), Some(&AnyValue::Int(80)));
    assert_eq!((root.span.status.code, root.span.status.message.as_str()), (StatusCode::Error, "timeout"));
    assert_eq!(
        (root.span.end_unix_nano - root.span.start_unix_nano, root.span.events[0].name.as_str()),
        (2_000_000, "ws")
    );
    assert_eq!(child.span.parent_span_id, Some(root.span.span_id));
    assert_eq!(value(&child.span.attributes, "peer.service"), Some(&"db".into()));
    let list = r#"[{"traceId":"1","id":"2"}]"#;
    assert_eq!(read(list.as_bytes()).expect("a list of spans").spans.len(), 1);
}

#[test]
fn files_of_otlp_become_the_spans_that_they_were_written_of() {
    let spans = read(JAEGER_FILE.as_bytes()).expect("spans").spans;
    let body = otlp::to_request(&spans).encode_to_vec();
    let json = json::write_trace(&Trace { id: spans[0].span.trace_id, spans: spans.clone() });
    let around = format!("{{\"result\":{json}}}");
    for (file, form) in [(body, OTLP), (json.into_bytes(), OTLP_JSON), (around.into_bytes(), OTLP_JSON)] {
        let found = read(&file).expect(form);
        assert_eq!((found.form, found.refused), (form, 0));
        assert!(spans.iter().all(|span| found.spans.contains(span)) && found.spans.len() == spans.len(), "{form}");
    }
}

#[test]
fn what_is_none_of_them_says_so() {
    for (file, message) in [
        ("", "it is empty"),
        ("{", "as JSON"),
        ("{}", "has no resourceSpans"),
        ("hello", "protobuf"),
        ("[1]", "looks like Zipkin"),
        ("[]", "no spans"),
        ("{\"data\":[]}", "no spans"),
        ("{\"data\":7}", "looks like Jaeger"),
        ("{\"processes\":{}}", "no spans"),
        ("{\"resourceSpans\":[]}", "no spans"),
    ] {
        let error = read(file.as_bytes()).expect_err(file).to_string();
        assert!(error.contains(message), "{file}: {error}");
    }
    for end in 0..JAEGER_FILE.len() {
        _ = read(&JAEGER_FILE.as_bytes()[..end]);
    }
}
