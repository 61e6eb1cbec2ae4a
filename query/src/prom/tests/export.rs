//! `/metrics/spans`.

use std::collections::BTreeMap;

use super::*;

impl Prom {
    async fn scrape(&self, accept: &str) -> (String, Vec<u8>) {
        let request = Request::get("/metrics/spans").header("accept", accept).body(Body::empty()).expect("a request");
        let response = self.page.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().expect("ASCII").to_owned();
        (kind, to_bytes(response.into_body(), usize::MAX).await.expect("a body").to_vec())
    }

    /// The samples of the text: name and labels with their numbers.
    async fn samples(&self) -> BTreeMap<String, f64> {
        let (kind, text) = self.scrape("application/openmetrics-text;version=1.0.0,*/*;q=0.1").await;
        assert!(kind.starts_with("application/openmetrics-text"));
        let text = String::from_utf8(text).expect("text");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let line = line.split(" # {trace_id").next().expect("a part");
            let (name, number) = line.rsplit_once(' ').expect("a number");
            (name.to_owned(), number.parse().expect("a number"))
        };
        lines.map(sample).collect()
    }
}

/// The number of one sample.
fn of(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    *samples.get(name).unwrap_or_else(|| panic!("{name} is not in {samples:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_what_was_counted_and_grow() {
    let prom = Prom::new().await;
    let samples = prom.samples().await;
    let calls = |samples: &BTreeMap<String, f64>| -> f64 {
        samples
            .iter()
            .filter(|(name, _)| name.starts_with("traces_spanmetrics_calls_total"))
            .map(|(_, number)| number)
            .sum()
    };
    assert_eq!(calls(&samples), prom.spans.len() as f64);
    let shop = "service=\"shop\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET /\",status_code=\"STATUS_CODE_UNSET\"";
    let is_so = |span: &TraceSpan| {
        is_server(span, "shop") && span.span.name == "GET /" && span.span.status.code == SpanStatus::Unset
    };
    let expected = prom.count((0, 7300), is_so);
    assert_eq!(of(&samples, &format!("traces_spanmetrics_calls_total{{{shop}}}")), expected);
    let bucket = |le: &str| {
        let le = format!("le=\"{le}\",{shop}");
        of(&samples, &format!("traces_spanmetrics_latency_bucket{{{le}}}"))
    };
    let within = |nanos: u64| {
        prom.count((0, 7300), |span| is_so(span) && span.span.end_unix_nano - span.span.start_unix_nano <= nanos)
    };
    assert_eq!(
        (bucket("1.0"), bucket("0.125"), bucket("+Inf")),
        (within(1_000_000_000), within(125_000_000), expected)
    );
    prom.keep(&[span(9000, "shop", "GET /", SpanKind::Server, (7_205_000, 5))]).await;
    let later = prom.samples().await;
    assert_eq!(of(&later, &format!("traces_spanmetrics_calls_total{{{shop}}}")), expected + 1.0);
    prom.clock.set((NOW + 7200) * 1000 * MS);
    assert_eq!(calls(&prom.samples().await), 0.0, "nothing had spans in the last hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_count_when_both_sides_are_known() {
    let mut client = span(1, "web", "GET /", SpanKind::Client, (7_000_000, 20));
    let mut server = span(2, "cart", "GET /", SpanKind::Server, (7_000_001, 10));
    (server.span.trace_id, server.span.parent_span_id) = (client.span.trace_id, Some(client.span.span_id));
    client.span.attributes.push(Attribute::new("server.address", "cart.local"));
    let prom = Prom::with(vec![client]).await;
    let name = |server: &str, rest: &str| {
        format!("traces_service_graph_request_total{{client=\"web\",{rest}server=\"{server}\"}}")
    };
    let (virtual_name, own_name) = (
        "traces_service_graph_request_total{client=\"web\",connection_type=\"virtual_node\",server=\"cart.local\",virtual_node=\"server\"}",
        name("cart", ""),
    );
    assert_eq!(of(&prom.samples().await, virtual_name), 1.0, "nobody answered yet");
    prom.keep(&[server]).await;
    let samples = prom.samples().await;
    assert_eq!(of(&samples, &own_name), 1.0);
    let seconds = "traces_service_graph_request_server_seconds_sum{client=\"web\",server=\"cart\"}";
    assert!((of(&samples, seconds) - 0.01).abs() < 1e-9);
    let fresh = span(3, "pay", "GET /", SpanKind::Server, (7_195_000, 10));
    prom.keep(&[fresh]).await;
    let user = "traces_service_graph_request_total{client=\"user\",connection_type=\"virtual_node\",server=\"pay\",virtual_node=\"client\"}";
    assert!(!prom.samples().await.contains_key(user), "its minute is not over for long enough");
    prom.clock.set((NOW + 30) * 1000 * MS);
    assert_eq!(of(&prom.samples().await, user), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_escaped_and_series_are_bounded() {
    let names: Vec<String> = (0..100)
        .map(|n| format!("{}\"\\\n{{}} # EOF", char::from(b'a' + n % 26).to_string().repeat(usize::from(n) + 1)))
        .collect();
    let spans = names.iter().enumerate();
    let spans = spans.map(|(n, name)| span(n as u64 + 1, "shop", name, SpanKind::Internal, (7_100_000, 5))).collect();
    let prom = Prom::with(spans).await;
    let samples = prom.samples().await;
    let calls: Vec<_> = samples.iter().filter(|(name, _)| name.starts_with("traces_spanmetrics_calls_total")).collect();
    assert_eq!(calls.len(), 1500 / 19 + 1);
    assert_eq!(of(&samples, "traces_spanmetrics_calls_total{metric_overflow=\"true\"}"), (100 - 1500 / 19) as f64);
    assert!(calls.iter().any(|(name, _)| name.contains("span_name=\"a\\\"\\\\\\n{} # EOF\"")), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_spans_are_exemplars_in_both_forms() {
    let prom = Prom::with(vec![span(0x1234, "shop", "GET /", SpanKind::Server, (7_190_000, 700))]).await;
    let (_, text) = prom.scrape("*/*").await;
    let text = String::from_utf8(text).expect("text");
    let line = text.lines().find(|line| line.contains("le=\"1.0\"")).expect("a bucket");
    let exemplar = " # {trace_id=\"00000000000000000000000000001235\",span_id=\"0000000000001234\"} 0.7 1767232790.000";
    assert!(line.ends_with(exemplar), "{line}");
    assert_eq!(text.matches("trace_id=").count(), 3, "of calls, size and one bucket: {text}");
    let (kind, body) =
        prom.scrape("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited").await;
    assert!(kind.starts_with("application/vnd.google.protobuf"));
    let families = families(&body);
    let names: Vec<&str> = families.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["traces_spanmetrics_calls_total", "traces_spanmetrics_latency", "traces_spanmetrics_size_total"]
    );
    let message = &families[1].1;
    assert!(message.windows(16).any(|part| part == b"0000000000001234"), "the exemplar is there");
}

/// The names of delimited families, which are their first fields, and the messages.
fn families(mut body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let length = prost::decode_length_delimiter(&mut body).expect("a length");
        let (message, rest) = body.split_at(length);
        let name = &message[2..2 + usize::from(message[1])];
        all.push((String::from_utf8(name.to_vec()).expect("a name"), message.to_vec()));
        body = rest;
    }
    all
}
