//! What was acknowledged stays, once, whatever ends the process.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::api::{Http, eventually};
use super::load::{Writer, write_all};
use crate::harness::{Server, hoptrail};

const WRITERS: u64 = 6;
const ROUNDS: usize = 24;
/// Most batches of all writers in one round: bounds the data when the machine is fast.
const BATCHES: u64 = 400;
/// The longest that a round writes: bounds the time when the machine is slow.
const WRITING: Duration = Duration::from_secs(1);

/// Settings of every start: a head so small that kills also hit sealing and merging.
const SETTINGS: &[&str] = &["--set", "storage.head_spans=1500", "--set", "storage.merge_spans=40000"];

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_moment_loses_no_acknowledged_span_and_doubles_none() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let http = Http::new();
    let (mut writers, total) = Writer::many(WRITERS);
    let mut interrupted = 0;
    let started = Instant::now();
    for round in 0..ROUNDS {
        if round % 4 == 3 {
            kill_while_starting(data.path());
        }
        let mut server = Server::start_with(data.path(), SETTINGS);
        for writer in &writers {
            writer.check_newest(&http, &server, 2).await;
        }
        let writing = tokio::spawn({
            let address = server.otlp_grpc.clone();
            async move { write_all(writers, &address, u64::MAX).await }
        });
        some_moment(&total).await;
        server.signal("KILL");
        server.wait();
        writers = writing.await.expect("the writers do not fail");
        interrupted += writers.iter().filter(|writer| writer.is_waiting()).count();
    }
    eprintln!("{ROUNDS} rounds in {:?}, {interrupted} batches in flight at a kill", started.elapsed());
    let acknowledged = total.load(Ordering::Relaxed);
    assert!(interrupted >= ROUNDS / 2, "the kills came when nobody wrote: {interrupted} batches in flight");
    assert!(acknowledged >= ROUNDS as u64 * WRITERS, "too little was written: {acknowledged} batches");

    let server = Server::start_with(data.path(), SETTINGS);
    let deadline = Instant::now() + Duration::from_secs(30);
    // The small head may be full at first: the store says so, and the writers try again.
    while writers.iter().any(Writer::is_waiting) {
        assert!(Instant::now() < deadline, "the store does not take spans again");
        writers = write_all(writers, &server.otlp_grpc, 1).await;
    }
    for writer in &writers {
        writer.check_all(&http, &server).await;
    }
    server.stop();
    let server = Server::start_with(data.path(), SETTINGS);
    for writer in &writers {
        writer.check_all(&http, &server).await;
    }
    let spans: usize = writers.iter().map(Writer::spans).sum();
    eprintln!("{spans} spans acknowledged, all there once, after {:?}", started.elapsed());
    server.stop();
}

/// Waits until some number of batches more is acknowledged.
async fn some_moment(total: &AtomicU64) {
    let (deadline, target) = (Instant::now() + WRITING, total.load(Ordering::Relaxed) + rand::random_range(1..BATCHES));
    while total.load(Ordering::Relaxed) < target && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

/// Kills a process that is still opening the store.
fn kill_while_starting(data: &Path) {
    let mut command = hoptrail();
    command.args(["serve", "--data"]).arg(data).args(SETTINGS);
    for port in ["--otlp-grpc", "--otlp-http", "--tempo", "--ui"] {
        command.args([port, "127.0.0.1:0"]);
    }
    let mut starting = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    std::thread::sleep(Duration::from_millis(rand::random_range(1..60)));
    starting.kill().expect("the process can be killed");
    starting.wait().expect("the process ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_well_and_loses_nothing_acknowledged() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let http = Http::new();
    let mut server = Server::start(data.path());
    let (writers, total) = Writer::many(WRITERS);
    let writing = tokio::spawn({
        let address = server.otlp_grpc.clone();
        async move { write_all(writers, &address, u64::MAX).await }
    });
    eventually("some load", || async { (total.load(Ordering::Relaxed) > 200).then_some(()) }).await;
    let asked = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(11), "{:?} is longer than the grace period", asked.elapsed());
    let writers = writing.await.expect("the writers do not fail");

    let server = Server::start(data.path());
    let writers = write_all(writers, &server.otlp_grpc, 1).await;
    for writer in &writers {
        writer.check_all(&http, &server).await;
    }
}
