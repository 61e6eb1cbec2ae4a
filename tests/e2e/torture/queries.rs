//! Slow and hostile queries while spans come in: ingest goes on, and each query ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::load::{Writer, write_all};
use super::log;
use crate::e2e::api::{Http, escape, eventually};
use crate::e2e::export::{Grpc, request, span};
use crate::e2e::spans::text_pair;
use crate::harness::Server;

/// Slow for every engine: many states, nothing to skip by.
pub(in crate::e2e) const SLOW: &str = r#"{ span.text =~ ".*(a.{0,40}b|c.{0,40}d).{0,60}(e|f).{0,40}#.*" }"#;
const EVERYTHING: &str = "{ }";
/// Spans with long texts that differ, and bytes of each.
const LONG: u64 = 4_000;
const BYTES: usize = 2_000;

/// A server with something to look through.
pub(in crate::e2e) async fn filled(arguments: &[&str]) -> (tempfile::TempDir, Server) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), arguments);
    let mut grpc = Grpc::to(&server).await;
    for first in (0..LONG).step_by(500) {
        let spans = (first..first + 500).map(|number| {
            let mut span = span(u128::from(number) + 1, number + 1, "long");
            span.attributes.push(text_pair("text", &text(number)));
            span
        });
        grpc.deliver(request("hostile", spans.collect())).await;
    }
    (data, server)
}

/// Letters without an end of the slow pattern.
fn text(seed: u64) -> String {
    let mut state = seed | 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 59) as u8 % 26)
    };
    (0..BYTES).map(letter).collect()
}

fn search(server: &Server, query: &str, limit: usize) -> String {
    format!("http://{}/api/search?limit={limit}&spss=100&q={}", server.tempo, escape(query))
}

/// Lets writers write while `ask` runs: batches acknowledged meanwhile.
async fn while_writing(server: &Server, ask: impl Future<Output = ()>) -> u64 {
    let (writers, total) = Writer::many(2);
    let address = server.otlp_grpc.clone();
    let writing = tokio::spawn(async move { write_all(writers, &address, u64::MAX).await });
    eventually("some load", async || (total.load(Ordering::Relaxed) > 20).then_some(())).await;
    let steady = tokio::spawn(never_stops(Arc::clone(&total)));
    let before = total.load(Ordering::Relaxed);
    ask.await;
    let written = total.load(Ordering::Relaxed) - before;
    assert!(!steady.is_finished(), "{:?}", steady.await);
    steady.abort();
    writing.abort();
    written
}

/// Panics when nothing is acknowledged for a while.
async fn never_stops(total: Arc<AtomicU64>) {
    loop {
        let before = total.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(total.load(Ordering::Relaxed) > before, "nothing was acknowledged for 5 seconds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_queries_at_once_do_not_stop_ingest() {
    // On a slow machine under this load a query takes seconds; some must be answered.
    let (_data, server) = filled(&["--set=query.timeout=12s", "--log-level=error"]).await;
    let http = Http::new();
    let started = Instant::now();
    let written = while_writing(&server, async {
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..1_000 {
            let (query, limit) = if number % 2 == 0 { (SLOW, 20) } else { (EVERYTHING, 100_000) };
            let (http, url) = (http.clone(), search(&server, query, limit));
            asked.spawn(async move { http.get(&url).await.status });
        }
        let statuses = asked.join_all().await;
        let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
        let (good, busy, late) = (count(200), count(429), count(504));
        log(&format!("1,000 queries: {good} answered, {busy} told to come back, {late} too late"));
        assert_eq!(good + busy + late, statuses.len(), "{statuses:?}");
        assert!(good > 0 && busy > 0, "{statuses:?}");
    })
    .await;
    log(&format!("{written} batches acknowledged meanwhile, in {:?}", started.elapsed()));
    assert_eq!(http.get(&search(&server, r#"{ name = "long" }"#, 5)).await.status, 200, "all is well afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_at_its_deadline_and_at_its_memory_budget() {
    let (_data, server) = filled(&["--set=query.timeout=0"]).await;
    let late = Http::new().get(&search(&server, SLOW, 20)).await;
    assert_eq!(late.status, 504, "{:?}", late.body);
    let (_data, server) = filled(&["--set=query.memory=1MiB"]).await;
    let large = Http::new().get(&search(&server, "{ } | select(span.text)", 10_000)).await;
    assert_eq!(large.status, 422, "{:?}", large.body);
    assert!(large.text().contains("memory"), "{:?}", large.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_client_has_gone_makes_room_for_the_next_one() {
    let (_data, server) = filled(&["--set=query.concurrency=1", "--set=query.timeout=600s"]).await;
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let (http, url) = (Http::new(), search(&server, SLOW, 20));
            tokio::spawn(async move { http.get(&url).await.status })
        })
        .collect();
    let http = Http::new();
    eventually("a running query", async || {
        http.metric(&server.ui, "hoptrail_queries_running", "").await.filter(|running| *running == 1.0)
    })
    .await;
    asked.iter().for_each(tokio::task::JoinHandle::abort);
    let started = Instant::now();
    assert_eq!(http.get(&search(&server, r#"{ name = "long" }"#, 5)).await.status, 200);
    log(&format!("20 slow queries left by their clients made room within {:?}", started.elapsed()));
    assert!(started.elapsed() < Duration::from_secs(10), "abandoned queries went on for {:?}", started.elapsed());
}
