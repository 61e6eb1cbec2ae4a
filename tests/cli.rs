//! The command line: what it prints, what it refuses, how it ends.

mod ask;
mod fake;
mod install;
mod tempo;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Server, get, hoptrail, run, serve};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_unknown_key_is_refused_with_its_name_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    std::fs::write(&file, "data: ./x\n\nquery:\n  timeout_second: 5\n").unwrap();
    let output = run(&["serve", "--config", file.to_str().unwrap()]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("bad.yaml:4: "), "{stderr}");
    assert!(stderr.contains("timeout_second"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn origins_that_no_browser_sends_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("origins.yaml");
    for (origin, advice) in [
        ("https://shop.example/", "write \"https://shop.example\""),
        ("https://Shop.example", "write \"https://shop.example\""),
        ("https://shop.example:443", "write \"https://shop.example\""),
        ("https://*.shop.example", "name every origin"),
    ] {
        let text = format!("collector:\n  cors_origins:\n    - https://a.example\n    - {origin}\n");
        std::fs::write(&file, text).unwrap();
        let output = run(&["serve", "--config", file.to_str().unwrap()]);
        let stderr = self::text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("origins.yaml:") && stderr.contains(advice), "{stderr}");
    }
}

#[test]
fn mistakes_on_the_command_line_exit_2_and_name_the_flag() {
    let cases: [(&[&str], &str); 9] = [
        (&["serve", "--ui", "nowhere"], "--ui"),
        (&["serve", "--set", "query.nothing=1"], "query.nothing"),
        (&["serve", "--set", "query"], "KEY=VALUE"),
        (&["serve", "--config", "/no/such/file.yaml"], "/no/such/file.yaml"),
        (&["serve", "--set", "collector.cors_origins=https://x/"], "\"https://x\""),
        (&["serve", "--set", "collector.cors_origins=https://a.example,x"], "\"https://x\" or \"http://x\""),
        (&["serve", "--set", "collector.other_signals=drop"], "`accept_and_drop` or `reject`"),
        (&["demo", "--endpoint", "https://example.invalid"], "TLS"),
        (&["serve", "--log-level", "a=b=c"], "log.level"),
    ];
    for (arguments, named) in cases {
        let output = run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(named), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_printed_configuration_can_be_used_as_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hoptrail.yaml");
    let first = run(&["config", "--data", "/srv/a b", "--tempo", ":1", "--set", "query.waiting=7"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    std::fs::write(&file, &first.stdout).unwrap();
    let second = run(&["config", "--config", file.to_str().unwrap()]);
    assert_eq!(text(&second.stdout), text(&first.stdout));
    assert!(text(&second.stdout).contains("waiting: 7"));
}

#[test]
fn the_environment_sets_what_flags_leave_open() {
    let mut command = hoptrail();
    command.env("HOPTRAIL_LISTEN_UI", "127.0.0.1:1").env("HOPTRAIL_LISTEN_TEMPO", "127.0.0.1:2");
    let output = command.args(["config", "--ui", "127.0.0.1:3"]).output().unwrap();
    let printed = text(&output.stdout);
    assert!(printed.contains("ui: 127.0.0.1:3\n") && printed.contains("tempo: 127.0.0.1:2\n"), "{printed}");
}

#[test]
fn a_taken_port_is_a_failure_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = hoptrail();
    command.arg("serve").arg("--data").arg(&data).args(["--otlp-http", &address]);
    for flag in ["--otlp-grpc", "--tempo", "--ui"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    let output = command.output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("--otlp-http HOST:PORT"), "{stderr}");
    assert!(!data.exists(), "a failed start must leave nothing behind");
}

#[test]
fn a_second_process_on_the_data_folder_says_so_and_exits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let output = serve(folder.path(), &[]).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("in use by another process") && output.stdout.is_empty(), "{stderr}");
    assert_eq!(get(&server.ui, "/ready").0, 200, "the first one goes on");
    server.stop();
    Server::start(folder.path()).stop();
}

#[test]
fn a_step_to_be_killed_at_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let output = serve(folder.path(), &[]).env("HOPTRAIL_KILL_AT", "seal.nothing").output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("HOPTRAIL_KILL_AT") && stderr.contains("seal.ingested"), "{stderr}");
}

#[test]
fn the_version_names_the_commit_and_the_day_it_was_built() {
    let printed = text(&run(&["--version"]).stdout);
    let start = format!("hoptrail {} (", env!("CARGO_PKG_VERSION"));
    let built = printed.strip_prefix(&start).and_then(|rest| rest.strip_suffix(")\n"));
    let (commit, date) = built.and_then(|built| built.split_once(", built ")).expect(&printed);
    let in_a_checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists();
    match commit.strip_prefix("commit ") {
        Some(commit) => assert!(commit.len() == 12 && is_commit(commit), "{commit}"),
        None => assert!(commit == "unknown commit" && !in_a_checkout, "{commit}"),
    }
    assert!(date.parse::<jiff::civil::Date>().is_ok_and(|date| date.year() >= 2026), "{date}");
    assert_eq!(text(&run(&["serve", "-V"]).stdout), printed.replacen("hoptrail ", "hoptrail-serve ", 1));
}

fn is_commit(name: &str) -> bool {
    let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR"), "cat-file", "-t", name]).output();
    output.is_ok_and(|output| output.stdout == b"commit\n")
}

#[test]
fn operators_get_their_answers_on_both_http_listeners() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for address in [&server.tempo, &server.ui] {
        assert_eq!(get(address, "/ready").0, 200);
        assert_eq!(get(address, "/health").0, 200);
        let (status, head, body) = get(address, "/metrics");
        assert_eq!(status, 200);
        assert!(head.contains("application/openmetrics-text"), "{head}");
        assert!(body.contains("process_resident_memory_bytes ") && body.contains("# EOF"), "{body}");
    }
    server.stop();
}

#[test]
fn signals_end_it_well_even_with_an_idle_connection_open() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(folder.path());
        let _idle = std::net::TcpStream::connect(&server.ui).unwrap();
        server.signal(signal);
        let (code, rest) = server.wait();
        assert_eq!((code, rest.as_str()), (Some(0), ""), "{signal}");
    }
}

#[test]
fn a_request_that_never_ends_is_cut_off_after_the_grace_period() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(folder.path(), &["--set", "shutdown_grace=1s"]);
    let mut stuck = std::net::TcpStream::connect(&server.otlp_http).unwrap();
    write!(
        stuck,
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9\r\n\r\n"
    )
    .unwrap();
    // Once another request was answered, the stuck one has been read as well.
    assert_eq!(get(&server.ui, "/ready").0, 200);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_shop_is_sent_over_grpc_and_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for endpoint in [format!("http://{}", server.otlp_grpc), format!("http://{}/v1/traces", server.otlp_http)] {
        let arguments = ["demo", "--endpoint", &endpoint, "--backfill", "20s", "--duration", "0s", "--seed", "1"];
        let output = run(&arguments);
        let stdout = text(&output.stdout);
        assert!(output.status.success(), "{stdout}{}", text(&output.stderr));
        let done = stdout.lines().last().unwrap();
        let spans: u64 = done.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap();
        assert!(done.starts_with("done: ") && spans > 1_000 && !done.contains("lost"), "{stdout}");
    }
    server.stop();
}

#[test]
fn the_demo_stops_at_once_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let endpoint = format!("http://{}", server.otlp_grpc);
    let mut demo = hoptrail();
    let mut demo = demo.args(["demo", "--endpoint", &endpoint]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    std::io::Read::read_exact(demo.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert!(Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap().success());
    assert_eq!(demo.wait_with_output().unwrap().status.code(), Some(0));
    server.stop();
}

#[test]
fn a_demo_without_a_server_still_ends_when_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{free}");
    let mut demo = hoptrail();
    demo.args(["demo", "--endpoint", &endpoint, "--rate", "5000"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = demo.spawn().unwrap();
    let mut first = [0];
    std::io::Read::read_exact(demo.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert!(Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap().success());
    let output = demo.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains("done: 0 spans"), "{}", text(&output.stdout));
}
