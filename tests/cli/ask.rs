//! `hoptrail query` and `hoptrail trace` against hoptrail itself.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use hoptrail_query::is_invisible;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;

use super::text;
use crate::e2e::export::{now, request, span};
use crate::harness::{Server, hoptrail, run};

/// Sends spans; they are visible when this returns.
fn deliver(server: &Server, request: &ExportTraceServiceRequest) {
    use std::io::{Read, Write};
    let body = request.encode_to_vec();
    let mut stream = std::net::TcpStream::connect(&server.otlp_http).expect("it works");
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-protobuf";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n", body.len()).expect("it works");
    stream.write_all(&body).expect("it works");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it works");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn child(trace: u128, id: u64, parent: u64, name: &str) -> Span {
    Span { parent_span_id: parent.to_be_bytes().to_vec(), ..span(trace, id, name) }
}

/// A server with the traces of the shop of some seconds.
fn shop(folder: &std::path::Path) -> Server {
    let server = Server::start(folder);
    let endpoint = format!("http://{}", server.otlp_grpc);
    let output = run(&["demo", "--endpoint", &endpoint, "--backfill", "30s", "--duration", "0s", "--seed", "1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    server
}

fn ask(server: &Server, arguments: &[&str]) -> Output {
    let address = format!("http://{}", server.tempo);
    hoptrail().args(arguments).args(["--address", &address]).env("TZ", "UTC").output().expect("it works")
}

/// What is printed by a command that must succeed.
fn printed(server: &Server, arguments: &[&str]) -> String {
    let output = ask(server, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn traces_of_the_shop_are_found_in_every_form() {
    let folder = tempfile::tempdir().expect("it works");
    let server = shop(folder.path());
    let table = printed(&server, &["query", "{ }"]);
    assert_eq!(table.lines().count(), 21, "{table}");
    assert!(!table.contains('\u{1b}'), "no colours in a pipe");
    let ids: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
    assert!(ids.iter().all(|id| id.len() == 32), "{table}");

    let narrow = printed(&server, &["query", "{ }", "--width", "80"]);
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    assert!(ids.iter().all(|id| narrow.contains(id)), "{narrow}");
    assert!(printed(&server, &["query", "{ }", "--color", "always"]).contains("\u{1b}[36m"));

    let ndjson = printed(&server, &["query", "{ }", "--format", "ndjson", "--limit", "5"]);
    let lines: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).expect("it works")).collect();
    let sent: Vec<&str> = lines.iter().map(|line| line["traceID"].as_str().expect("it works")).collect();
    // The server leaves leading zeros out.
    assert_eq!(sent, ids.iter().take(5).map(|id| id.trim_start_matches('0')).collect::<Vec<_>>());
    let json: Value = serde_json::from_str(&printed(&server, &["query", "{ }", "--json"])).expect("it works");
    assert_eq!(json["traces"].as_array().expect("it works").len(), 20);
    let csv = printed(&server, &["query", "{ }", "--format", "csv", "--since", "1h"]);
    assert!(csv.starts_with("trace_id,start,duration_ms,root_service,root_name,spans,errors\r\n"), "{csv}");
    assert!(csv.lines().skip(1).zip(&ids).all(|(line, id)| line.starts_with(id)), "{csv}");
    let md = printed(&server, &["query", "{ }", "--format", "md"]);
    assert_eq!(md.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |")).count(), 22, "{md}");

    assert_eq!(ask(&server, &["query", "{ name = \"nowhere\" }", "--exit-code"]).status.code(), Some(1));
    let nobody = ask(&server, &["query", "{ }", "--start", "2000-01-01", "--end", "2000-01-02"]);
    assert_eq!((nobody.status.code(), text(&nobody.stderr)), (Some(0), "nothing matches\n".into()));
    let refused = ask(&server, &["query", "{ name = }"]);
    let stderr = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("{ name = }\n") && stderr.contains('^'), "{stderr}");
    server.stop();
}

#[test]
fn a_trace_of_the_shop_is_drawn_in_every_form() {
    let folder = tempfile::tempdir().expect("it works");
    let server = shop(folder.path());
    let found = printed(&server, &["query", "{ status = error }", "--limit", "1", "--format", "ndjson"]);
    let id = serde_json::from_str::<Value>(&found).expect("it works")["traceID"].as_str().expect("it works").to_owned();
    let drawn = printed(&server, &["trace", &id]);
    assert!(drawn.starts_with(&format!("trace {id}\n")) && drawn.contains("└─ ") && drawn.contains('█'), "{drawn}");
    assert!(drawn.contains('✗'), "{drawn}");
    assert_eq!(printed(&server, &["trace", &id.to_uppercase()]), drawn);
    let narrow = printed(&server, &["trace", &id, "--width", "60"]);
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");

    let ndjson = printed(&server, &["trace", &id, "--format", "ndjson"]);
    let csv = printed(&server, &["trace", &id, "--format", "csv"]);
    let md = printed(&server, &["trace", &id, "--format", "md"]);
    let spans = ndjson.lines().count();
    assert!(drawn.contains(&format!("  {spans} spans  ")), "{drawn}");
    assert_eq!((csv.lines().count(), md.lines().count()), (spans + 1, spans + 2));
    assert!(
        ndjson.lines().all(|line| serde_json::from_str::<Value>(line).expect("it works")["trace_id"] == id.as_str())
    );
    let json: Value = serde_json::from_str(&printed(&server, &["trace", &id, "--json"])).expect("it works");
    assert!(!json["trace"]["resourceSpans"].as_array().expect("it works").is_empty());

    for form in ["table", "json"] {
        let unknown = ask(&server, &["trace", "1", "--format", form]);
        assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(1), 0), "{}", text(&unknown.stderr));
    }
    let pages = run(&["query", "{ }", "--address", &format!("http://{}", server.ui)]);
    assert_eq!(pages.status.code(), Some(2));
    assert!(text(&pages.stderr).contains("the port of hoptrail's API is 3200"), "{}", text(&pages.stderr));
    server.stop();
}

/// What a terminal would obey, a reader would not see, or a page of Markdown would load.
const HOSTILE: &str = "a\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}b\u{200b}|![x](http://e)\r\n\u{e0041}=";

#[test]
fn hostile_names_reach_no_terminal() {
    let folder = tempfile::tempdir().expect("it works");
    let server = Server::start(folder.path());
    let mut root = span(0xabc, 1, HOSTILE);
    root.status = Some(opentelemetry_proto::tonic::trace::v1::Status { message: HOSTILE.into(), code: 2 });
    deliver(&server, &request(HOSTILE, vec![root, child(0xabc, 2, 1, HOSTILE), child(0xabc, 3, 9, "orphan")]));
    for format in ["table", "json", "ndjson", "csv", "md"] {
        for arguments in [["query", "{ }", "--format", format], ["trace", "abc", "--format", format]] {
            let stdout = printed(&server, &arguments);
            let seen = stdout.replace("\r\n", "\n");
            assert!(!seen.contains(|c| is_invisible(c) && c != '\n'), "{arguments:?}: {stdout:?}");
            if matches!(format, "json" | "ndjson") {
                let values = serde_json::Deserializer::from_str(&stdout).into_iter::<Value>();
                let all: Vec<String> = values.map(|value| value.expect("it works").to_string()).collect();
                assert!(all.join("").contains("\u{202e}b"), "the meaning is kept: {stdout}");
            } else {
                // Markdown has a backslash before each bracket.
                let shown = stdout.replace('\\', "");
                assert!(shown.contains("[U+001B]") && shown.contains("[U+202E]b"), "{arguments:?}: {stdout}");
            }
        }
    }
    let drawn = printed(&server, &["trace", "abc"]);
    assert!(drawn.contains("? span 0000000000000009 was not received") && drawn.contains("\nwarnings\n"), "{drawn}");
    assert!(drawn.contains("\nerrors\n"), "{drawn}");
    server.stop();
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = tempfile::tempdir().expect("it works");
    let server = Server::start(folder.path());
    let spans: Vec<Span> = (2..=20_000).map(|id| child(0xabc, id, 1, "a name that fills the pipe")).collect();
    deliver(&server, &request("shop", [vec![span(0xabc, 1, "root")], spans].concat()));
    let drawn = printed(&server, &["trace", "abc"]);
    assert!(drawn.contains("\n… 19000 more lines: --all shows them\n"), "{} bytes", drawn.len());
    let address = format!("http://{}", server.tempo);
    let mut command = hoptrail();
    command.args(["trace", "abc", "--all", "--address", &address]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reading = command.spawn().expect("it works");
    let mut first = String::new();
    BufReader::new(reading.stdout.take().expect("it works")).read_line(&mut first).expect("it works");
    let output = reading.wait_with_output().expect("it works");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    server.stop();
}

#[test]
fn a_new_trace_is_printed_while_it_follows() {
    let folder = tempfile::tempdir().expect("it works");
    let server = Server::start(folder.path());
    deliver(&server, &request("shop", vec![span(1, 1, "before")]));
    let mut command = hoptrail();
    command.args(["query", "{ }", "--follow", "--every", "50ms", "--format", "csv"]);
    command.args(["--address", &format!("http://{}", server.tempo)]).stdout(Stdio::piped());
    let mut following = command.spawn().expect("it works");
    let mut lines = BufReader::new(following.stdout.take().expect("it works")).lines().map(Result::unwrap);
    assert!(lines.next().expect("it works").starts_with("trace_id,"));
    assert!(lines.next().expect("it works").contains(",before,"));
    for number in 2..5_u128 {
        deliver(&server, &request("shop", vec![span(number, 1, &format!("after{number}"))]));
        assert!(lines.next().expect("it works").contains(&format!(",after{number},")));
    }
    assert!(
        now() > 0
            && Command::new("kill").args(["-TERM", &following.id().to_string()]).status().expect("it works").success()
    );
    assert_eq!(following.wait().expect("it works").code(), Some(0));
    assert_eq!(lines.count(), 0, "each trace once");
    server.stop();
}

#[test]
fn pages_spans_and_metrics_are_those_of_the_server() {
    let folder = tempfile::tempdir().expect("it works");
    let server = Server::start(folder.path());
    // A minute ago: metrics leave out the interval that has not ended yet.
    let past = |span: Span| Span {
        start_time_unix_nano: span.start_time_unix_nano - 60_000_000_000,
        end_time_unix_nano: span.end_time_unix_nano - 60_000_000_000,
        ..span
    };
    deliver(&server, &request("shop", (1..=1_100).map(|number| past(span(number, 1, "one"))).collect()));
    let ndjson = printed(&server, &["query", "{ }", "--all", "--format", "ndjson"]);
    let ids: std::collections::HashSet<&str> = ndjson.lines().collect();
    assert_eq!((ndjson.lines().count(), ids.len()), (1_100, 1_100));
    let spans = printed(&server, &["query", "{ } | spans", "--limit", "3"]);
    assert!(spans.lines().next().is_some_and(|line| line.contains("SPAN ID")), "{spans}");
    assert_eq!(spans.matches(" 0000000000000001  ").count(), 3, "{spans}");
    let csv = printed(&server, &["query", "{ } | count_over_time()", "--since", "10m", "--format", "csv"]);
    let numbers = csv.lines().skip(1).filter_map(|line| line.rsplit(',').next()?.parse::<f64>().ok());
    assert_eq!(numbers.sum::<f64>(), 1_100.0, "{csv}");
    server.stop();
}

#[test]
fn tenants_are_named_by_a_flag() {
    let folder = tempfile::tempdir().expect("it works");
    let server = Server::start_with(folder.path(), &["--set", "tenancy.mode=multi"]);
    let refused = ask(&server, &["query", "{ }"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--tenant"), "{}", text(&refused.stderr));
    assert_eq!(ask(&server, &["query", "{ }", "--tenant", "a"]).status.code(), Some(0));
    server.stop();
}
