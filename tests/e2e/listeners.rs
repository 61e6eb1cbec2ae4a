//! What arrives at the four ports besides spans as they should be: other signals, lost clients, odd connections; and what the log
//! says of it.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use prost::Message;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::api::{Http, eventually};
use super::clients::{self, Exporter, installed, sources};
use super::export::{Grpc, request, span};
use super::h2::{self, framed};
use super::spans::hex;
use crate::harness::{Server, serve};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const GRPC: &str = "application/grpc";
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

const SIGNALS: [(&str, &str, &str, &str); 3] = [
    ("metrics", "/v1/metrics", "resourceMetrics", "metrics.v1.MetricsService"),
    ("logs", "/v1/logs", "resourceLogs", "logs.v1.LogsService"),
    ("profiles", "/v1development/profiles", "resourceProfiles", "profiles.v1development.ProfilesService"),
];

fn method(service: &str) -> String {
    format!("/opentelemetry.proto.collector.{service}/Export")
}

/// A server whose log can be read.
struct Logged {
    folder: TempDir,
    server: Server,
}

impl Logged {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = serve(&folder.path().join("data"), arguments);
        command.stderr(File::create(folder.path().join("log")).expect("the folder can be written"));
        let server = Server::launch(command).expect("the server gets ready");
        Self { folder, server }
    }

    /// The lines of the log that contain `text`, after the end.
    fn end(self, text: &str) -> Vec<String> {
        self.server.stop();
        lines(&self.folder.path().join("log"), text)
    }
}

fn lines(log: &Path, text: &str) -> Vec<String> {
    let log = std::fs::read_to_string(log).expect("the log can be read");
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

/// A request of one service that is empty but for its resource, which looks the same for all signals.
fn empty(service: &str) -> Vec<u8> {
    request(service, vec![]).encode_to_vec()
}

fn body(trace: u128) -> Vec<u8> {
    request("shop", vec![span(trace, 1, "sent")]).encode_to_vec()
}

/// Whether the span of [`body`] is there.
async fn is_kept(server: &Server, trace: u128) -> bool {
    Http::new().trace(server, &hex(&trace.to_be_bytes())).await.len() == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn other_signals_are_answered_with_success_counted_and_dropped() {
    let logged = Logged::start(&[]);
    let (server, http) = (&logged.server, Http::new());
    for (signal, path, field, service) in SIGNALS {
        let url = format!("http://{}{path}", server.otlp_http);
        let json = format!(
            r#"{{"{field}":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"agent"}}}}]}}}}]}}"#
        );
        for (kind, sent, answered) in [(PROTOBUF, empty("agent"), ""), (JSON, json.into_bytes(), "{}")] {
            let answer = http.post(&url, &[("content-type", kind), ("user-agent", "lib/1")], sent).await;
            assert_eq!((answer.status, answer.text()), (200, answered), "{signal} {kind}");
            assert_eq!(answer.headers["content-type"], kind, "{signal}");
        }
        let answer = h2::post(&server.otlp_grpc, &method(service), GRPC, framed(&empty("agent"))).await;
        assert_eq!((answer.header("grpc-status"), &answer.body[..]), ("0", &framed(&[])[..]), "{signal}: {answer:?}");
        let label = format!("signal=\"{signal}\"");
        assert_eq!(http.metric(&server.ui, "hoptrail_other_signals_total", &label).await, Some(3.0), "{signal}");
    }
    let page = http.get(&format!("http://{}/search", server.ui)).await;
    for (signal, ..) in SIGNALS {
        assert!(page.text().contains(&format!("hour {signal} arrived from agent")), "{signal}: {}", page.text());
    }
    let told = logged.end("dropped what is no trace");
    let of = |signal: &str, agent: &str| {
        told.iter().filter(|line| line.contains(signal) && line.contains(agent) && line.contains("agent")).count()
    };
    for (signal, ..) in SIGNALS {
        // Over HTTP the second request is counted in a line at the end.
        assert_eq!((of(signal, "lib/1"), of(signal, "h2-test/1")), (2, 1), "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_signals_are_taken_only_when_they_are_understood() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), &["--set", "collector.max_request_size=10000B"]);
    let http = Http::new();
    let url = |path: &str| format!("http://{}{path}", server.otlp_http);
    let gzip = ("content-encoding", "gzip");
    for (path, kind, sent, status) in [
        ("/v1/metrics", PROTOBUF, body(1), 400),
        ("/v1/logs", PROTOBUF, body(1), 400),
        ("/v1/metrics", PROTOBUF, b"<html>".to_vec(), 400),
        ("/v1/logs", JSON, br#"{"resourceSpans":[]}"#.to_vec(), 400),
        ("/v1/metrics", JSON, b"<html>".to_vec(), 400),
        ("/v1/metrics", JSON, vec![b' '; 10_001], 413),
        ("/v1/metrics", "text/html", vec![], 415),
    ] {
        let answer = http.post(&url(path), &[("content-type", kind)], sent).await;
        assert_eq!(answer.status, status, "{path} {kind}: {answer:?}");
    }
    let answer = http.post(&url("/v1/logs"), &[("content-type", PROTOBUF), gzip], "no gzip").await;
    assert_eq!(answer.status, 400);
    let answer = h2::post(&server.otlp_grpc, &method("logs.v1.LogsService"), GRPC, framed(&body(1))).await;
    assert_eq!(answer.header("grpc-status"), "3", "{answer:?}");
    assert_eq!(http.metric(&server.ui, "hoptrail_other_signals_total", "").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_signals_are_refused_where_the_settings_say_so() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), &["--set", "collector.other_signals=reject"]);
    for (signal, path, _, service) in SIGNALS {
        let url = format!("http://{}{path}", server.otlp_http);
        let answer = Http::new().post(&url, &[("content-type", JSON)], "{}").await;
        assert_eq!(answer.status, 404, "{signal}");
        assert!(answer.text().contains(&format!("{signal} are not taken")), "{answer:?}");
        let answer = h2::post(&server.otlp_grpc, &method(service), GRPC, framed(&[])).await;
        assert_eq!(answer.header("grpc-status"), "12", "{signal}: {answer:?}");
    }
}

/// Everything that an instrumented program sends with the defaults of its SDK: traces, metrics, logs.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_sends_all_signals_logs_no_error() {
    let Some(python) = installed("python") else { return };
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    for (protocol, address) in [("grpc", &server.otlp_grpc), ("http/protobuf", &server.otlp_http)] {
        let exporter = Exporter { protocol, compression: "gzip", address, service: "all-signals" };
        let mut command = clients::python(&python, &sources().join("python/signals.py"), &exporter);
        command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_LOGS_EXPORTER", "otlp");
        let told = clients::run(command).await;
        assert_eq!(told["errors"], serde_json::json!([]), "{protocol}");
        let trace = told["trace"].as_str().expect("a trace id").to_owned();
        assert_eq!(Http::new().trace(&server, &trace).await.len(), 1, "{protocol}");
    }
    for signal in ["metrics", "logs"] {
        let label = format!("signal=\"{signal}\"");
        let dropped = Http::new().metric(&server.ui, "hoptrail_other_signals_total", &label).await;
        assert!(dropped >= Some(2.0), "{signal}: {dropped:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_too_many_lead_to_the_right_place() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    for (trace, path) in (1..).zip(["/v1/traces/", "//v1/traces", "/v1//traces", "//v1//traces//", "/v1/traces/?a=b"]) {
        let url = format!("http://{}{path}", server.otlp_http);
        let answer = Http::new().post(&url, &[("content-type", PROTOBUF)], body(trace)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(is_kept(&server, trace).await, "{path}");
        let answer = h2::post(&server.otlp_grpc, &format!("/{EXPORT}/"), GRPC, framed(&body(trace + 10))).await;
        assert_eq!(answer.header("grpc-status"), "0", "{answer:?}");
        assert!(is_kept(&server, trace + 10).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_clients_are_told_the_right_port_in_their_own_protocol() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let port = |address: &str| format!("port {}", address.rsplit(':').next().expect("a port"));
    let (grpc, otlp) = (port(&server.otlp_grpc), port(&server.otlp_http));
    let streaming = "/tempopb.StreamingQuerier/Search";
    for (address, path) in [
        (&server.otlp_http, EXPORT),
        (&server.otlp_http, streaming),
        (&server.tempo, EXPORT),
        (&server.ui, EXPORT),
        (&server.ui, streaming),
    ] {
        let answer = h2::post(address, path, GRPC, framed(&body(1))).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (200, "12"), "{address}{path}: {answer:?}");
        let message = answer.header("grpc-message").replace("%20", " ");
        assert!(message.contains(&grpc), "{message}");
    }
    for (address, path) in [
        (&server.otlp_grpc, "/v1/traces"),
        (&server.otlp_grpc, "/"),
        (&server.otlp_grpc, "/v1/logs"),
        (&server.tempo, "/v1/traces"),
        (&server.tempo, "//v1/metrics"),
        (&server.ui, "/v1/traces/"),
    ] {
        let (url, json) = (format!("http://{address}{path}"), [("content-type", JSON)]);
        let answer = Http::new().post(&url, &json, "{}").await;
        assert_eq!((answer.status, answer.json()["code"].as_i64()), (404, Some(12)), "{url}");
        assert!(answer.json()["message"].as_str().expect("text").contains(&otlp), "{url}: {answer:?}");
        let answer = h2::post(address, path, PROTOBUF, body(1)).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, PROTOBUF), "{url}: {answer:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains(&otlp), "{url}: {answer:?}");
    }
    let get = async |address: &str| Http::new().get(&format!("http://{address}/")).await;
    for address in [&server.otlp_grpc, &server.otlp_http] {
        let answer = get(address).await;
        assert!(answer.status == 404 && answer.text().contains(&port(&server.ui)), "{answer:?}");
    }
    let answer =
        Http::new().post(&format!("http://{}{EXPORT}", server.otlp_grpc), &[("content-type", GRPC)], body(1)).await;
    assert!(answer.status == 404 && answer.text().contains("needs HTTP/2"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_with_what_is() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    for path in [
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/opencensus.proto.agent.trace.v1.TraceService/Export",
        "/jaeger.api_v2.CollectorService/PostSpans",
        "/",
    ] {
        let answer = h2::post(&server.otlp_grpc, path, GRPC, framed(&[])).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (200, "12"), "{path}");
        let message = answer.header("grpc-message");
        assert!(message.contains(path) && message.contains(EXPORT), "{message}");
    }
    for path in ["/v1/traces/v1/traces", "/", "/api/v2/spans"] {
        let url = format!("http://{}{path}", server.otlp_http);
        let answer = Http::new().post(&url, &[("content-type", JSON)], "{}").await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("traces go to /v1/traces"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_sending_half_gets_its_answer() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    for trace in 1..=20 {
        let sent = body(trace);
        let mut stream = TcpStream::connect(&server.otlp_http).await.expect("the server listens");
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
            sent.len()
        );
        stream.write_all(&[head.as_bytes(), &sent].concat()).await.expect("the server reads");
        stream.shutdown().await.expect("open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(is_kept(&server, trace).await);

        for (address, path, kind, sent) in [
            (&server.otlp_http, "/v1/traces", PROTOBUF, body(trace + 100)),
            (&server.otlp_grpc, EXPORT, GRPC, framed(&body(trace + 200))),
        ] {
            let mut raw = h2::Raw::connect(address).await;
            raw.send(&h2::request(1, &h2::field(":authority", "x"), path, kind, &sent)).await;
            raw.close_sending_half().await;
            let answer = raw.answer(1).await.expect("an answer before the end");
            assert!(answer.iter().all(|(frame, ..)| *frame != 3), "{answer:?}");
        }
        assert!(is_kept(&server, trace + 100).await && is_kept(&server, trace + 200).await);
    }
}

/// Also when the request is so large that it is checked apart.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_arrived_whole_is_kept_for_a_client_that_leaves() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    for (trace, length) in (1..).zip([10, 3 << 20].repeat(5)) {
        let sent = request("shop", vec![span(trace, 1, &"x".repeat(length))]).encode_to_vec();
        let mut stream = TcpStream::connect(&server.otlp_http).await.expect("the server listens");
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
            sent.len()
        );
        stream.write_all(&[head.as_bytes(), &sent].concat()).await.expect("the server reads");
        drop(stream);
        let server = &server;
        eventually("the span", move || async move { is_kept(server, trace).await.then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_no_host_is_taken_on_every_port() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let mut trace = 0;
    for authority in ["outbound|4317||otel.svc", "", "extension/namespace/auth", "unix:/run/otel.sock"] {
        let plain = h2::field(":authority", authority);
        let indexed = [&[0x41, authority.len() as u8], authority.as_bytes()].concat();
        for (address, path, kind) in [
            (&server.otlp_http, "/v1/traces", PROTOBUF),
            (&server.otlp_grpc, EXPORT, GRPC),
            (&server.tempo, "/api/echo", PROTOBUF),
            (&server.tempo, "/tempopb.StreamingQuerier/SearchTags", GRPC),
            (&server.ui, "/health", PROTOBUF),
        ] {
            let is_export = address == &server.otlp_http || address == &server.otlp_grpc;
            let mut raw = h2::Raw::connect(address).await;
            // The third refers to what the second has put into the table.
            for (stream, field) in [(1, plain.as_slice()), (3, &indexed), (5, &[0x80 | 62])] {
                trace += 1;
                let sent = if kind == GRPC { framed(&body(trace)) } else { body(trace) };
                raw.send(&h2::request(stream, field, path, kind, &sent)).await;
                let answer = raw.answer(stream).await.expect("an answer");
                assert_eq!(answer[0].0, 1, "{authority:?} at {address} on {stream}: {answer:?}");
                assert!(!is_export || is_kept(&server, trace).await, "{authority:?} at {address} on {stream}");
            }
        }
    }
    let mut stream = TcpStream::connect(&server.otlp_http).await.expect("the server listens");
    let head =
        format!("POST /v1/traces HTTP/1.1\r\nhost: outbound|4318||x\r\ncontent-type: {JSON}\r\nconnection: close\r\n");
    stream.write_all(format!("{head}content-length: 2\r\n\r\n{{}}").as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_who_was_refused_what_with_counts_and_few_lines() {
    let logged = Logged::start(&["--set", "collector.max_request_size=100000B", "--set", "collector.max_in_flight=0"]);
    let (server, http) = (&logged.server, Http::new());
    let url = format!("http://{}/v1/traces", server.otlp_http);
    let headers = [("content-type", PROTOBUF), ("user-agent", "lib")];
    let bad = || request("checkout", vec![span(1, 0, "bad"), span(1, 1, "good"), span(1, 0, "bad")]).encode_to_vec();
    for _ in 0..5 {
        assert_eq!(http.post(&url, &headers, bad()).await.status, 200);
        assert_eq!(http.post(&url, &headers, vec![0; 100_001]).await.status, 413);
        assert_eq!(http.post(&url, &headers, "<html>").await.status, 400);
        assert_eq!(http.send(Method::GET, &url, &headers, "").await.expect("an answer").status, 405);
    }
    let mut grpc = Grpc::to(server).await;
    grpc.export(request("cart", vec![span(2, 0, "bad")])).await.expect("partial success");
    // All room is taken by two who do not send what they announce.
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&server.otlp_http).await.expect("the server listens");
        let head =
            format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 95000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("the server reads");
        slow.push(stream);
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut busy = 0;
    while busy < 3 && Instant::now() < deadline {
        busy += usize::from(http.post(&url, &headers, vec![0; 50_000]).await.status == 429);
    }
    assert_eq!(busy, 3, "the room is taken");
    drop(slow);
    let told = logged.end("refused what a client sent");
    let of = |parts: &[&str]| told.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    let from = "user_agent=\"lib\"";
    let spans = [from, "service=\"checkout\"", "address=\"127.0.0.1\"", "reason=\"invalid_span_id\""];
    assert_eq!(of(&[&spans[..], &["requests=1", "spans=2", "span id of only zeros"]].concat()), 1, "{told:#?}");
    assert_eq!(of(&[&spans[..], &["requests=4", "spans=8"]].concat()), 1, "{told:#?}");
    assert_eq!(of(&["service=\"cart\"", "reason=\"invalid_span_id\""]), 1, "{told:#?}");
    for reason in ["too_large", "invalid\"", "wrong_method", "overloaded"] {
        assert_eq!(of(&[from, reason]), 2, "{reason}: {told:#?}");
    }
}

/// Clients choose what they are called: what they send may fill neither the log nor memory, nor break a line.
#[tokio::test(flavor = "multi_thread")]
async fn many_senders_fill_neither_the_log_nor_memory() {
    let logged = Logged::start(&[]);
    let (server, http) = (&logged.server, Http::new());
    let url = format!("http://{}/v1/traces", server.otlp_http);
    let before = http.metric(&server.ui, "process_resident_memory_bytes", "").await.expect("measured");
    let long = "x".repeat(4000);
    let send = async |from: u32| {
        for number in from..from + 12_500 {
            let agent = format!("{number} {long}");
            let bad = request(&format!("{number}\nERROR forged"), vec![span(1, 0, "bad")]).encode_to_vec();
            let answer = http.post(&url, &[("content-type", PROTOBUF), ("user-agent", &agent)], bad).await;
            assert_eq!(answer.status, 200);
        }
    };
    tokio::join!(send(0), send(12_500), send(25_000), send(37_500));
    let after = http.metric(&server.ui, "process_resident_memory_bytes", "").await.expect("measured");
    assert!(after - before < 64e6, "{before} to {after} bytes");
    let forged = lines(&logged.folder.path().join("log"), "").iter().filter(|line| line.starts_with("ERROR")).count();
    let told = logged.end("refused what a client sent");
    assert!(forged == 0 && (101..=400).contains(&told.len()), "{forged} forged lines of {}", told.len());
    assert!(told.iter().any(|line| line.contains("(other senders)")), "{told:#?}");
}
