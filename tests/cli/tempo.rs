//! `hoptrail query` and `hoptrail trace` against a server that answers as Grafana Tempo 3.0.3 does, and against what is none.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::fake::{Fake, Sent};
use super::text;
use crate::harness::{hoptrail, run};

/// Runs `hoptrail query` on the server.
fn query(fake: &Fake, q: &str, more: &[&str]) -> Output {
    hoptrail().args(["query", q, "--address", &fake.address]).args(more).env("TZ", "UTC").output().expect("it answers")
}

/// What Tempo says of a trace: ids without leading zeros, 64-bit numbers as texts, zeros and empty texts left out.
fn found(id: &str, second: u64) -> Value {
    json!({
        "traceID": id, "rootServiceName": "shop", "rootTraceName": "GET /cart", "durationMs": 183,
        "startTimeUnixNano": (1_760_000_000 + second).to_string() + "000000000",
        "spanSet": {"spans": [{"spanID": "00f067aa0ba902b7", "startTimeUnixNano": "1760000000000000000"}], "matched": 1},
        "spanSets": [{"spans": [{"spanID": "00f067aa0ba902b7", "startTimeUnixNano": "1760000000000000000"}], "matched": 1}],
        "serviceStats": {"shop": {"spanCount": 3}, "cart": {"spanCount": 2, "errorCount": 1}},
    })
}

fn answer(traces: &[Value]) -> Sent {
    Sent::json(&json!({"traces": traces, "metrics": {"completedJobs": 1, "totalJobs": 1}}))
}

#[test]
fn an_answer_of_tempo_becomes_a_table() {
    let bare = json!({"traceID": "1", "rootServiceName": "<root span not yet received>"});
    let fake = Fake::always(answer(&[found("2f3cfd2e8ed12c7b3a1b5bd6ef6f1a8", 1), bare]));
    let output = query(&fake, "{ }", &[]);
    let stdout = text(&output.stdout);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(lines.len(), 3, "{stdout}");
    assert!(lines[0].starts_with("TIME (UTC)") && lines[0].ends_with("TRACE ID"), "{stdout}");
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    let id = "02f3cfd2e8ed12c7b3a1b5bd6ef6f1a8";
    assert_eq!(words, ["2025-10-09", "08:53:21.000", "183", "ms", "shop", "GET", "/cart", "5", "1", id]);
    assert!(lines[2].contains("<1 ms  <root span not yet received>"), "{stdout}");
    assert!(lines[2].ends_with("00000000000000000000000000000001"), "{stdout}");
    assert_eq!(lines[0].find("TRACE ID"), lines[1].find(id), "{stdout}");
}

#[test]
fn what_is_asked_is_sent() {
    let fake = Fake::always(answer(&[]));
    let address = fake.address.replace("http://", "http://jane:p%40ss@") + "/prefix/";
    let more = ["--address", &address, "--tenant", "team-a", "--header", "X-Extra=1", "--limit", "7"];
    let range = ["--start", "2025-10-09T08:53:20Z", "--end", "1760000060"];
    let q = "{ name = \"a&b +\u{e9}\" }";
    let output = run(&[["query", q].as_slice(), &more, &range].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let asked = fake.asked().remove(0);
    let escaped = "%7B%20name%20%3D%20%22a%26b%20%2B%C3%A9%22%20%7D";
    assert_eq!(asked.target, format!("/prefix/api/search?q={escaped}&limit=7&start=1760000000&end=1760000060"));
    assert_eq!(asked.header("x-scope-orgid"), "team-a");
    assert_eq!(asked.header("authorization"), "Basic amFuZTpwQHNz");
    assert_eq!(asked.header("x-extra"), "1");
    assert_eq!(text(&output.stderr), "nothing matches\n");
}

#[test]
fn the_environment_names_the_server_and_the_help_keeps_its_password() {
    let fake = Fake::always(answer(&[]));
    let mut command = hoptrail();
    command.env("HOPTRAIL_ADDRESS", fake.address.replace("http://", "http://a:secret@")).env("HOPTRAIL_TENANT", "b");
    assert!(command.args(["query", "{ }"]).output().unwrap().status.success());
    assert_eq!(fake.asked()[0].header("x-scope-orgid"), "b");
    let mut command = hoptrail();
    command.env("HOPTRAIL_ADDRESS", "http://a:secret@h").args(["query", "--help"]);
    assert!(!text(&command.output().unwrap().stdout).contains("secret"));
}

#[test]
fn nothing_found_is_an_exit_code_when_asked_for() {
    let nothing = Fake::always(answer(&[]));
    assert_eq!(query(&nothing, "{ }", &[]).status.code(), Some(0));
    assert_eq!(query(&nothing, "{ }", &["--exit-code"]).status.code(), Some(1));
    let some = Fake::always(answer(&[found("1", 1)]));
    assert_eq!(query(&some, "{ }", &["--exit-code"]).status.code(), Some(0));
}

#[test]
fn each_failure_is_one_clear_line_and_exit_code_2() {
    let html = "<!DOCTYPE html><html></html>";
    for (sent, said) in [
        (Sent::of(401, "text/plain", "no org id\n"), "wants to know who asks (no org id): give --tenant"),
        (Sent::of(404, "text/html", html), "does not answer as Tempo does: /api/search is not there (404)"),
        (Sent::of(200, "text/html", html), "does not answer as Tempo does: it answered text/html, not JSON"),
        (Sent::of(200, "application/json", "[]"), "does not answer as Tempo does"),
        (
            Sent::of(302, "text/html", "").with("location", "https://grafana/login"),
            "sends askers on to https://grafana/login",
        ),
        (Sent::of(429, "text/plain", "queue full").with("retry-after", "7"), "(queue full); ask again in 7 s"),
        (Sent::of(500, "text/plain", "oh\u{1b}[31m"), "failed with 500 Internal Server Error: oh[U+001B][31m"),
        (Sent::of(422, "text/plain", "too much memory"), "hoptrail: too much memory"),
    ] {
        let fake = Fake::always(sent);
        let output = query(&fake, "{ }", &["--exit-code"]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with("hoptrail: ") && stderr.contains(said), "{said}: {stderr}");
        assert_eq!((stderr.lines().count(), output.stdout.len()), (1, 0), "{stderr}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run(&["query", "{ }", "--address", &format!("http://a:secret@{free}")]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(&format!("cannot reach http://{free}: ")) && !stderr.contains("secret"), "{stderr}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let output = run(&["query", "{ }", "--address", &address, "--timeout", "300ms"]);
    assert!(text(&output.stderr).contains("did not answer within 0.3 s"), "{}", text(&output.stderr));
    for address in ["https://h", "http://", "h?x"] {
        assert_eq!(run(&["query", "{ }", "--address", address]).status.code(), Some(2), "{address}");
    }
}

#[test]
fn carets_of_a_refusal_come_as_they_are() {
    let refusal = "invalid TraceQL query\n{ name = }\n         ^ expected a value";
    let output = query(&Fake::always(Sent::of(400, "text/plain", refusal)), "{ name = }", &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), format!("hoptrail: {refusal}\n")));
}

#[test]
fn pages_are_followed_to_the_last() {
    let fake = Fake::start(|asked, before| match before {
        0 => answer(&[found("1", 9)]).with("x-hoptrail-next", "place/2"),
        1 if asked.target.ends_with("&after=place%2F2") => answer(&[found("2", 8)]).with("x-hoptrail-next", "3"),
        _ => answer(&[found("3", 7)]),
    });
    let output = query(&fake, "{ }", &["--all", "--format", "csv"]);
    let stdout = text(&output.stdout);
    let ids: Vec<&str> = stdout.lines().map(|line| line.split(',').next().unwrap().trim_start_matches('0')).collect();
    assert_eq!((ids, fake.asked().len()), (vec!["trace_id", "1", "2", "3"], 3));
    let endless = Fake::always(answer(&[found("1", 9)]).with("x-hoptrail-next", "same"));
    assert_eq!(query(&endless, "{ }", &["--all"]).status.code(), Some(2));
}

#[test]
fn spans_are_rows_where_the_query_says_so() {
    let fake = Fake::always(answer(&[found("1", 1), found("1", 1)]));
    let output = query(&fake, "{ } | spans", &[]);
    let stdout = text(&output.stdout);
    assert!(stdout.lines().next().unwrap().contains("SPAN ID"), "{stdout}");
    assert_eq!(stdout.matches("00f067aa0ba902b7").count(), 2, "{stdout}");
}

/// Two series; a zero has no value.
fn series() -> Sent {
    let labels = |name: &str| json!([{"key": "service", "value": {"stringValue": name}}]);
    let at = |second: u64| (1_760_000_000_000 + second * 1_000).to_string();
    Sent::json(&json!({"series": [
        {"labels": labels("shop"), "samples": [{"timestampMs": at(0), "value": 0.5}, {"timestampMs": at(30)}, {"timestampMs": at(60), "value": 2}]},
        {"labels": labels("b,\"x\"\u{1b}"), "samples": [{"timestampMs": at(30), "value": 1}]},
    ], "metrics": {}}))
}

#[test]
fn metrics_are_series_with_a_trend() {
    let fake = Fake::always(series());
    let output =
        query(&fake, "{ } | rate() by (resource.service.name)", &["--step", "30s", "--limit", "9", "--since", "1m"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<Vec<&str>> = stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["service", "TREND", "LAST", "MIN", "MAX"], "{stdout}{stderr}");
    assert_eq!(lines[1], ["shop", "▃▁█", "2", "0", "2"]);
    assert_eq!(lines[2], ["b,\"x\"[U+001B]", "▁", "1", "1", "1"]);
    assert_eq!(stderr, "2 series, 08:53:20 to 08:54:20 (UTC), step 30s\n");
    let target = fake.asked().remove(0).target;
    assert!(target.starts_with("/api/metrics/query_range?q=") && target.ends_with("&step=30s&maxSeries=9"), "{target}");
}

#[test]
fn metrics_have_other_forms() {
    let fake = Fake::always(series());
    let of = |format: &str| text(&query(&fake, "{ } | rate()", &["--format", format]).stdout);
    let csv = of("csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("time,service,value", 5));
    assert_eq!(lines[1], "2025-10-09T08:53:20.000000000Z,shop,0.5");
    assert_eq!(lines[4], "2025-10-09T08:53:50.000000000Z,\"b,\"\"x\"\"[U+001B]\",1");
    assert!(of("md").starts_with("| service | TREND | LAST | MIN | MAX |\n| --- |"), "{}", of("md"));
    assert_eq!(of("ndjson").lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 2);
    let json: Value = serde_json::from_str(&of("json")).unwrap();
    assert_eq!(json["series"].as_array().unwrap().len(), 2);
    for refused in [["--follow"], ["--all"]] {
        assert_eq!(query(&fake, "{ } | rate()", &refused).status.code(), Some(2));
    }
    let nothing = Fake::always(Sent::json(&json!({"series": [], "metrics": {}})));
    assert_eq!(query(&nothing, "{ } | rate()", &["--exit-code"]).status.code(), Some(1));
}

#[test]
fn an_explanation_is_shown_as_it_comes() {
    let fake = Fake::always(Sent::of(200, "text/plain", "plan\n  scan\u{1b}[2J\n"));
    let output = query(&fake, "{ }", &["--explain", "--limit", "3"]);
    assert_eq!(text(&output.stdout), "plan\n  scan[U+001B][2J\n", "{}", text(&output.stderr));
    assert!(
        query(&fake, "{ } | rate()", &["--explain", "--step", "1m", "--start", "100", "--end", "200"]).status.success()
    );
    let targets: Vec<String> = fake.asked().into_iter().map(|asked| asked.target).collect();
    assert!(targets[0].starts_with("/api/hoptrail/explain?q=") && targets[0].ends_with("&limit=3"), "{targets:?}");
    assert!(targets[1].ends_with("&start=100&end=200&step=1m0s"), "{targets:?}");
    let tempo = Fake::always(Sent::of(404, "text/plain", "404 page not found"));
    assert_eq!(query(&tempo, "{ }", &["--explain"]).status.code(), Some(2));
}

#[test]
fn what_is_missing_is_told_beside_the_answer() {
    let partial = json!({"series": [], "status": "PARTIAL", "message": "more than 9 series"});
    let output = query(&Fake::always(Sent::json(&partial)), "{ } | rate()", &[]);
    assert!(text(&output.stderr).contains("more than 9 series"), "{}", text(&output.stderr));
    let warned = answer(&[found("1", 1)]).with("warning", "199 hoptrail \"damaged\"");
    assert_eq!(text(&query(&Fake::always(warned), "{ }", &[]).stderr), "damaged\n");
}

#[test]
fn following_waits_when_told_and_prints_each_trace_once_oldest_first() {
    let fake = Fake::start(|asked, before| match before {
        0 => Sent::of(429, "text/plain", "queue full").with("retry-after", "0"),
        1 => answer(&[found("2", 2), found("1", 1)]),
        2 => Sent::of(503, "text/plain", "").with("retry-after", "0"),
        // As many new ones as were asked for: there may be more.
        3 => answer(&[found("6", 6), found("5", 5)]),
        4 => {
            assert!(asked.target.contains("&limit=16"), "{}", asked.target);
            answer(&[found("6", 6), found("5", 5), found("4", 4), found("3", 3), found("2", 2)])
        }
        _ => answer(&[found("7", 7), found("6", 6)]),
    });
    let mut command = hoptrail();
    command.args(["query", "{ }", "--follow", "--every", "20ms", "--limit", "2", "--format", "ndjson"]);
    let mut child =
        command.args(["--address", &fake.address]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ids: Vec<String> = lines
        .take(7)
        .map(|line| serde_json::from_str::<Value>(&line).unwrap()["traceID"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "6", "7"]);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("queue full") && stderr.contains("failed with 503"), "{stderr}");
    let refused = Fake::always(Sent::of(500, "text/plain", ""));
    assert_eq!(query(&refused, "{ }", &["--follow"]).status.code(), Some(2), "the first answer must be good");
    assert_eq!(query(&refused, "{ }", &["--follow", "--format", "json"]).status.code(), Some(2));
}

#[test]
fn a_trace_of_an_old_server_is_asked_for_in_the_old_way() {
    use prost::Message;
    let span = crate::e2e::export::span(0xabc, 1, "GET /");
    let body = crate::e2e::export::request("shop", vec![span]).encode_to_vec();
    let fake = Fake::start(move |asked, _| {
        if asked.target == "/api/traces/00000000000000000000000000000abc" {
            assert_eq!(asked.header("accept"), "application/protobuf");
            Sent::of(200, "application/protobuf", body.clone())
        } else if asked.target.starts_with("/api/traces/") {
            Sent { status: 404, ..Sent::default() }
        } else {
            Sent::of(404, "text/plain", "404 page not found\n")
        }
    });
    let trace = |id: &str| run(&["trace", id, "--address", &fake.address]);
    let output = trace("ABC");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\nshop GET / "), "{}", text(&output.stdout));
    let output = trace("abd");
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
    assert!(stderr.contains("knows no span of trace 00000000000000000000000000000abd"), "{stderr}");
}

#[test]
fn a_trace_that_is_cut_says_so_and_what_is_no_trace_too() {
    use hoptrail_proto::tempo::{PartialStatus, Trace, TraceByIdResponse};
    use prost::Message;
    let span = hoptrail_proto::model::Span { name: "x".into(), ..Default::default() };
    let spans = [hoptrail_proto::model::TraceSpan { span, resource: Default::default(), scope: Default::default() }];
    let answer = TraceByIdResponse {
        trace: Some(Trace::new(&spans)),
        status: PartialStatus::Partial.into(),
        message: "too large".into(),
        ..TraceByIdResponse::default()
    };
    for (sent, code, said) in [
        (Sent::of(200, "application/protobuf", answer.encode_to_vec()), 0, "this trace is not whole: too large"),
        (Sent::of(200, "application/protobuf", vec![0x0a, 0]), 1, "knows no span of trace"),
        (Sent::of(200, "text/html", "<html></html>"), 2, "what it sent is no trace"),
        (Sent::of(404, "text/html", "<html></html>"), 2, "does not answer as Tempo does"),
        (Sent::of(422, "text/plain", "trace too large"), 2, "trace too large"),
    ] {
        let output = run(&["trace", "1", "--address", &Fake::always(sent).address]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
    for id in ["", "xyz", "0", "123456789012345678901234567890123"] {
        let output = run(&["trace", id]);
        assert_eq!(output.status.code(), Some(2), "{id}");
        assert!(text(&output.stderr).contains("is no trace id: "), "{id}: {}", text(&output.stderr));
    }
}
