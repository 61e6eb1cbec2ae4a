//! The gRPC service that Grafana streams from, asked by Python's gRPC library (`tests/clients/python/streaming.py`).

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::api::{Http, PATIENCE, escape, eventually};
use super::clients::{installed, sources};
use super::export::{Grpc, request, span};
use super::h2::{self, framed};
use super::spans::text_pair;
use super::torture::queries::{SLOW, filled};
use crate::harness::Server;

const GRPC: &str = "application/grpc";

/// Asks one question after another; the answers.
pub(super) async fn ask(python: &Path, address: &str, questions: &[Value]) -> Vec<Value> {
    let mut client = Command::new(python.join("bin/python"))
        .arg(sources().join("python/streaming.py"))
        .arg(address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the client starts");
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let mut stdin = client.stdin.take().expect("stdin is piped");
    stdin.write_all(lines.as_bytes()).await.expect("the client reads");
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, client.wait_with_output()).await.expect("the client ends in time");
    let out = ended.expect("the client ends").stdout;
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&out)))
}

fn question(method: &str, request: &Value) -> Value {
    json!({"method": method, "request": request})
}

/// The lists at `key` of all messages, one after the other.
fn joined(answer: &Value, key: &str) -> Vec<Value> {
    assert_eq!(answer["code"], "OK", "{}: {answer}", answer["details"]);
    let messages = answer["messages"].as_array().expect("messages");
    assert!(!messages.is_empty(), "no message at all");
    messages.iter().filter_map(|message| message[key].as_array()).flatten().cloned().collect()
}

/// A server with three traces of the service `shop`.
async fn shop(data: &Path, arguments: &[&str]) -> Server {
    let server = Server::start_with(data, arguments);
    let mut grpc = Grpc::to(&server).await;
    let spans = (1..=3u64).map(|number| {
        let mut span = span(number.into(), number, &format!("work {number}"));
        span.attributes.push(text_pair("item", &format!("item-{number}")));
        span
    });
    grpc.deliver(request("shop", spans.collect())).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_and_searches_of_a_real_client_are_those_of_http() {
    let Some(python) = installed("python") else { return };
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = shop(data.path(), &[]).await;
    let q = "{ span.item =~ \"item-[12]\" } | select(status)";
    let answers = ask(
        &python,
        &server.tempo,
        &[
            question("Search", &json!({"Query": q, "Limit": 20, "SpansPerSpanSet": 3})),
            question("Search", &json!({"Tags": {"item": "item-3"}})),
            question("Search", &json!({"Query": "{ span.item = \"none\" }"})),
            question("SearchTags", &json!({"scope": "span"})),
            question("SearchTagsV2", &json!({"scope": "resource"})),
            question("SearchTagValues", &json!({"tagName": "item"})),
            question("SearchTagValuesV2", &json!({"tagName": "span.item", "query": "{ name = \"work 2\" }"})),
            question("Search", &json!({"Query": "{ span.item = }"})),
        ],
    )
    .await;
    let http = Http::new();
    let get = async |path: &str| http.get(&format!("http://{}{path}", server.tempo)).await.json();
    let found = joined(&answers[0], "traces");
    assert_eq!(found.len(), 2);
    assert_eq!(json!(found), get(&format!("/api/search?q={}", escape(q))).await["traces"]);
    assert_eq!(joined(&answers[1], "traces").len(), 1);
    assert_eq!(joined(&answers[2], "traces").len(), 0);
    assert_eq!(joined(&answers[3], "tagNames"), [json!("item")]);
    assert_eq!(joined(&answers[4], "scopes"), [json!({"name": "resource", "tags": ["service.name"]})]);
    assert_eq!(joined(&answers[5], "tagValues"), ["item-1", "item-2", "item-3"].map(|value| json!(value)));
    assert_eq!(joined(&answers[6], "tagValues"), [json!({"type": "string", "value": "item-2"})]);
    let details = answers[7]["details"].as_str().expect("text");
    assert!(answers[7]["code"] == "INVALID_ARGUMENT" && details.contains("invalid TraceQL query\n"), "{details}");
    assert!(details.contains('^'), "the place of the fault is shown: {details}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_named_in_metadata() {
    let Some(python) = installed("python") else { return };
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), &["--set=tenancy.mode=multi"]);
    let sent = request("shop", vec![span(1, 1, "work")]).encode_to_vec();
    let headers = [("content-type", "application/x-protobuf"), ("x-scope-orgid", "team-a")];
    let taken = Http::new().post(&format!("http://{}/v1/traces", server.otlp_http), &headers, sent).await;
    assert_eq!(taken.status, 200);
    let mut questions = Vec::new();
    for tenant in [None, Some("team-a"), Some("team-b"), Some("a/b")] {
        for (method, request) in [
            ("Search", json!({"Query": "{ }"})),
            ("SearchTagsV2", json!({"scope": "resource"})),
            ("SearchTagValues", json!({"tagName": "service.name"})),
        ] {
            let mut question = question(method, &request);
            tenant.into_iter().for_each(|tenant| question["tenant"] = tenant.into());
            questions.push(question);
        }
    }
    let answers = ask(&python, &server.tempo, &questions).await;
    let codes: Vec<&str> = answers.iter().map(|answer| answer["code"].as_str().expect("a code")).collect();
    assert_eq!(codes[..3], ["UNAUTHENTICATED"; 3]);
    assert_eq!(codes[3..9], ["OK"; 6]);
    assert_eq!(codes[9..], ["INVALID_ARGUMENT"; 3]);
    for (answers, count) in [(&answers[3..6], 1), (&answers[6..9], 0)] {
        let lists = answers.iter().zip(["traces", "scopes", "tagValues"]).map(|(answer, key)| joined(answer, key));
        assert!(lists.into_iter().all(|list| list.len() == count), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_come_in_pieces_that_every_client_takes() {
    let Some(python) = installed("python") else { return };
    let (_data, server) = filled(&[]).await;
    let asked = json!({"Query": "{ } | select(span.text)", "Limit": 4000});
    let answer = &ask(&python, &server.tempo, &[question("Search", &asked)]).await[0];
    let traces = joined(answer, "traces");
    let mut ids: Vec<&str> = traces.iter().map(|trace| trace["traceID"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((traces.len(), ids.len()), (4000, 4000), "each once");
    let sizes: Vec<u64> = answer["bytes"].as_array().expect("sizes").iter().filter_map(Value::as_u64).collect();
    assert!(sizes.len() > 8 && sizes.iter().all(|size| *size < 1 << 20), "{sizes:?}");
    let jobs = |message: &Value| (message["metrics"]["completedJobs"].clone(), message["metrics"]["totalJobs"].clone());
    let last = answer["messages"].as_array().and_then(|messages| messages.last()).map(jobs).expect("a message");
    assert!(last.0 == last.1 && last.0.as_u64() > Some(0), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cancels_makes_room_for_the_next_one() {
    let Some(python) = installed("python") else { return };
    let (_data, server) = filled(&["--set=query.concurrency=1", "--set=query.timeout=600s"]).await;
    let mut slow = question("Search", &json!({"Query": SLOW}));
    slow["timeout"] = json!(0.05);
    let started = Instant::now();
    let answers = ask(&python, &server.tempo, &[slow, question("Search", &json!({"Query": "{ }", "Limit": 1}))]).await;
    assert_eq!(answers[0]["code"], "DEADLINE_EXCEEDED", "{answers:?}");
    assert_eq!(joined(&answers[1], "traces").len(), 1);
    assert!(started.elapsed() < Duration::from_secs(20), "the search went on for {:?}", started.elapsed());
    let http = Http::new();
    eventually("the end of all queries", async || {
        http.metric(&server.ui, "hoptrail_queries_running", "").await.filter(|running| *running == 0.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_grpc_share_the_port() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = shop(data.path(), &[]).await;
    let method = "/tempopb.StreamingQuerier/SearchTags";
    let http = Http::new();
    assert_eq!(http.get(&format!("http://{}/api/echo", server.tempo)).await.text(), "echo\n");
    let answer = h2::post(&server.tempo, method, GRPC, framed(&[])).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, "0"), "{answer:?}");
    assert_eq!(answer.header("content-type"), GRPC);
    assert!(answer.body.len() > 5 && answer.body[5..].windows(4).any(|bytes| bytes == b"item"), "{answer:?}");
    let answer = h2::post(&server.tempo, "/api/echo", "text/plain", Vec::new()).await;
    assert_eq!((answer.status, answer.text()), (200, "echo\n"));

    let over_http1 = http.post(&format!("http://{}{method}", server.tempo), &[("content-type", GRPC)], "").await;
    assert!(over_http1.text().contains("gRPC needs HTTP/2"), "{over_http1:?}");
    let unknown = h2::post(&server.tempo, "/tempopb.StreamingQuerier/Find", GRPC, framed(&[])).await;
    assert_eq!((unknown.status, unknown.header("grpc-status")), (200, "12"), "{unknown:?}");
    let export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let spans = framed(&ExportTraceServiceRequest::default().encode_to_vec());
    let wrong = h2::post(&server.tempo, export, GRPC, spans).await;
    let told = wrong.header("grpc-message").replace("%20", " ");
    assert!(told.contains("but tempopb.StreamingQuerier") && told.contains("OTLP over gRPC is on port"), "{wrong:?}");
}
