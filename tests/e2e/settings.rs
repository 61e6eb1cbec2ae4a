//! Settings that contradict each other or what is stored: what is said of them at the start.

use std::fs::File;
use std::path::Path;

use super::api::{Http, eventually};
use super::export::{Grpc, request, span};
use super::spans::text_pair;
use crate::harness::{Server, run, serve};

/// A server on `data`, and the file with its log.
fn start(data: &Path, arguments: &[&str]) -> (Server, tempfile::NamedTempFile) {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = serve(data, arguments);
    command.stderr(File::create(log.path()).expect("the file can be written"));
    (Server::launch(command).expect("the server gets ready"), log)
}

/// The warnings and errors of a start and a stop.
fn warnings(data: &Path, arguments: &[&str]) -> Vec<String> {
    let (server, log) = start(data, arguments);
    server.stop();
    let log = std::fs::read_to_string(log.path()).expect("the log can be read");
    log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).map(str::to_owned).collect()
}

#[test]
fn settings_that_cannot_work_end_the_start_with_their_names_and_values() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let cases: [(&[&str], &[&str]); 4] = [
        (&["--tempo", "127.0.0.1:4000", "--ui", "localhost:4000"], &["listen.tempo", "listen.ui is localhost:4000"]),
        (&["--set=query.concurrency=0"], &["query.concurrency: is 0"]),
        (
            &["--set=query.timeout_seconds=5"],
            &["--set: unknown setting \"query.timeout_seconds\"", "query.timeout_seconds is now query.timeout"],
        ),
        (&["--set=collector.max_request_size=1GiB"], &["collector.max_request_size", "the most is 268435455B"]),
    ];
    for (arguments, parts) in cases {
        let output = run(&[&["serve", "--data", data.to_str().expect("a name")], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        parts.iter().for_each(|part| assert!(stderr.contains(part), "{part:?} is not in {stderr}"));
    }
    assert!(!data.exists(), "a failed start must leave nothing behind");
}

#[test]
fn questionable_settings_are_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases = [
        ("storage.seal_after=0", "storage.seal_after is 0"),
        ("listen.idle_timeout=7s", "listen.idle_timeout is 7s, less than query.timeout, which is 30s"),
        ("storage.head_size=1000000MiB", "storage.head_size is 1000000MiB and counts four times"),
    ];
    let flags = cases.map(|(setting, _)| format!("--set={setting}"));
    let told = warnings(folder.path(), &flags.each_ref().map(String::as_str));
    for (_, sentence) in cases {
        assert_eq!(told.iter().filter(|line| line.contains(sentence)).count(), 1, "{sentence}: {told:#?}");
    }
    let memory = told.iter().find(|line| line.contains("counts four times")).expect("as before");
    assert!(memory.contains(" MiB of memory and there are "), "{memory}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_spans_that_lowered_bounds_drop_are_counted_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let small = ["--set=storage.head_spans=1", "--set=storage.merge_spans=1"];
    let with = |bound: &'static str| [small[0], small[1], bound];
    let (server, _log) = start(folder.path(), &small);
    let (http, mut grpc) = (Http::new(), Grpc::to(&server).await);
    for trace in 1..=4 {
        let mut large = span(trace, 1, "large");
        let noise: String = (0..900_000).map(|_| char::from(rand::random_range(b'0'..b'0' + 64))).collect();
        large.attributes.push(text_pair("text", &noise));
        // Three may wait to be sealed.
        while grpc.export(request("noise", vec![large.clone()])).await.is_err() {}
    }
    eventually("four segments", async || {
        (http.metric(&server.ui, "hoptrail_store_segments", "").await == Some(4.0)).then_some(())
    })
    .await;
    server.stop();
    let dropped = |told: &[String]| told.iter().filter(|line| line.contains("sealed spans are dropped now")).count();
    let told = warnings(folder.path(), &with("--set=storage.retention_size=100MiB"));
    assert_eq!(dropped(&told), 0, "{told:#?}");
    let told = warnings(folder.path(), &with("--set=storage.retention_size=1MiB"));
    assert_eq!(dropped(&told), 1, "{told:#?}");
    let line = told.iter().find(|line| line.contains("dropped now")).expect("as before");
    assert!(line.contains("3 of 4 sealed spans") && line.contains("storage.retention_size is 1MiB"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_tenants_whom_nobody_can_ask_any_more_are_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tenants = ["--set=tenancy.mode=multi"];
    let (server, _log) = start(folder.path(), &tenants);
    let url = format!("http://{}/v1/traces", server.otlp_http);
    let headers = [("content-type", "application/x-protobuf"), ("x-scope-orgid", "team-a")];
    let body = prost::Message::encode_to_vec(&request("shop", vec![span(9, 9, "secret")]));
    assert_eq!(Http::new().post(&url, &headers, body).await.status, 200);
    server.stop();
    let hidden = |told: &[String], text: &str| told.iter().filter(|line| line.contains(text)).count();
    assert_eq!(hidden(&warnings(folder.path(), &tenants), "spans are stored"), 0);
    let (server, log) = start(folder.path(), &[]);
    Grpc::to(&server).await.deliver(request("shop", vec![span(1, 1, "of nobody"), span(1, 2, "of nobody")])).await;
    server.stop();
    let log = std::fs::read_to_string(log.path()).expect("the log can be read");
    assert!(log.contains("1 spans are stored for the tenants team-a, and no query finds them"), "{log}");
    let told = warnings(folder.path(), &tenants);
    assert_eq!(hidden(&told, "2 spans are stored that came while tenancy.mode was single"), 1, "{told:#?}");
}
