//! What the shop promises: believable traces, and the same ones for the same seed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use hoptrail_proto::model::{AnyValue, SpanId, SpanKind, StatusCode, TraceId, TraceSpan};

use super::Shop;
use super::dice::SECOND;

const START: u64 = 1_790_000_000 * SECOND;

/// One hour at 50 spans per second, made once for all tests.
fn hour() -> &'static [Vec<TraceSpan>] {
    static TRACES: LazyLock<Vec<Vec<TraceSpan>>> = LazyLock::new(|| traces(3_600, 50.0));
    &TRACES
}

/// The traces of `seconds` at `rate` spans per second.
fn traces(seconds: u64, rate: f64) -> Vec<Vec<TraceSpan>> {
    let mut shop = Shop::new(11, START, rate);
    let mut traces = Vec::new();
    while shop.next_start() < START + seconds * SECOND {
        traces.push(shop.next_trace());
    }
    traces
}

fn services(spans: &[TraceSpan]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.resource.service_name()).collect()
}

fn text<'a>(span: &'a TraceSpan, key: &str) -> Option<&'a str> {
    span.span.attribute(key).and_then(AnyValue::as_str)
}

#[test]
fn the_same_seed_makes_the_same_traces() {
    assert_eq!(first_traces(3), first_traces(3));
    assert_ne!(first_traces(3), first_traces(4));
}

fn first_traces(seed: u64) -> Vec<Vec<TraceSpan>> {
    let mut shop = Shop::new(seed, START, 50.0);
    (0..50).map(|_| shop.next_trace()).collect()
}

#[test]
fn the_rate_comes_out_right() {
    let spans: usize = hour().iter().map(Vec::len).sum();
    let rate = spans as f64 / 3_600.0;
    assert!((40.0..65.0).contains(&rate), "{rate}");
}

#[test]
fn traces_differ_in_shape_and_size() {
    let traces = hour();
    let mut sizes: Vec<usize> = traces.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert!(sizes[sizes.len() / 20] <= 6, "few small ones: {}", sizes[sizes.len() / 20]);
    assert!((90..=220).contains(&sizes[sizes.len() - 1]), "largest: {}", sizes[sizes.len() - 1]);
    let shapes: HashSet<String> = traces.iter().map(|spans| shape(spans)).collect();
    assert!(shapes.len() > 500, "{} shapes in {} traces", shapes.len(), traces.len());
}

fn shape(spans: &[TraceSpan]) -> String {
    spans.iter().map(|span| format!("{}/{};", span.resource.service_name(), span.span.name)).collect()
}

#[test]
fn many_services_report_and_the_legacy_ones_never_do() {
    let traces = hour();
    let seen: BTreeSet<&str> = traces.iter().flat_map(|spans| services(spans)).collect();
    assert!(seen.len() >= 18, "{seen:?}");
    for silent in ["erp", "postgresql", "acquirer", "ldap"] {
        assert!(!seen.iter().any(|service| service.contains(silent)), "{silent} reports spans");
    }
    let calls = |host: &str| traces.iter().flatten().filter(|span| text(span, "server.address") == Some(host)).count();
    for host in ["erp.corp.example", "ldap.corp.example", "api.acquirer.example", "pg-core.db.svc"] {
        assert!(calls(host) > 0, "nobody calls {host}");
    }
}

#[test]
fn parents_are_there_except_for_the_few_that_were_lost() {
    let traces = hour();
    let (mut children, mut orphans) = (0, 0);
    for spans in traces {
        let ids: HashSet<SpanId> = spans.iter().map(|span| span.span.span_id).collect();
        assert_eq!(ids.len(), spans.len(), "span ids repeat");
        assert_eq!(spans.iter().map(|span| span.span.trace_id).collect::<HashSet<_>>().len(), 1);
        let parents = spans.iter().filter_map(|span| span.span.parent_span_id);
        let (known, unknown): (Vec<_>, Vec<_>) = parents.partition(|parent| ids.contains(parent));
        children += known.len();
        orphans += unknown.len();
    }
    assert!(orphans > 0 && orphans * 500 < children, "{orphans} orphans, {children} children");
}

#[test]
fn spans_lie_inside_their_parents_on_the_same_clock() {
    for spans in hour() {
        let by_id: HashMap<SpanId, &TraceSpan> = spans.iter().map(|span| (span.span.span_id, span)).collect();
        for span in spans {
            assert!(span.span.start_unix_nano <= span.span.end_unix_nano, "{}", span.span.name);
            let Some(parent) = span.span.parent_span_id.and_then(|id| by_id.get(&id)) else { continue };
            if std::sync::Arc::ptr_eq(&span.resource, &parent.resource) && span.span.kind != SpanKind::Consumer {
                assert!(parent.span.start_unix_nano <= span.span.start_unix_nano, "{}", span.span.name);
                assert!(span.span.end_unix_nano <= parent.span.end_unix_nano, "{}", span.span.name);
            }
        }
    }
}

#[test]
fn errors_are_rare_and_carry_exceptions() {
    let traces = traces(6 * 3_600, 15.0);
    let failed = |spans: &&Vec<TraceSpan>| spans.iter().any(|span| span.span.status.code == StatusCode::Error);
    let share = traces.iter().filter(failed).count() as f64 / traces.len() as f64;
    assert!((0.02..0.15).contains(&share), "{share}");
    let exceptions: BTreeSet<&str> = traces
        .iter()
        .flatten()
        .flat_map(|span| &span.span.events)
        .filter(|event| event.name == "exception")
        .filter_map(|event| event.attributes.iter().find(|attribute| attribute.key == "exception.type")?.value.as_str())
        .collect();
    assert!(exceptions.len() >= 5, "{exceptions:?}");
}

#[test]
fn batches_link_to_the_traces_they_count() {
    let traces = hour();
    let ids: HashSet<TraceId> = traces.iter().filter_map(|spans| Some(spans.first()?.span.trace_id)).collect();
    let linked: Vec<TraceId> =
        traces.iter().flatten().flat_map(|span| &span.span.links).map(|link| link.trace_id).collect();
    assert!(linked.len() >= 40, "{}", linked.len());
    assert!(linked.iter().all(|id| ids.contains(id)), "a link leads nowhere");
}

#[test]
fn values_are_as_many_as_in_real_life() {
    let traces = hour();
    let mut values: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
    for span in traces.iter().flatten() {
        for attribute in &span.span.attributes {
            values.entry(&attribute.key).or_default().insert(format!("{:?}", attribute.value));
        }
    }
    let count = |key: &str| values.get(key).map_or(0, HashSet::len);
    let many = [("user.id", 300), ("url.path", 500), ("db.query.text", 500), ("app.product.id", 500)];
    for (key, least) in many.into_iter().chain([("user_agent.original", 300), ("session.id", 1_000)]) {
        assert!(count(key) >= least, "{key} has {} values", count(key));
    }
    for (key, most) in [("http.request.method", 5), ("http.route", 40), ("db.system.name", 4)] {
        assert!((1..=most).contains(&count(key)), "{key} has {} values", count(key));
    }
    let names: HashSet<&str> = traces.iter().flatten().map(|span| span.span.name.as_str()).collect();
    assert!((40..200).contains(&names.len()), "{} span names", names.len());
}

#[test]
fn queues_retries_and_slow_tails_occur() {
    let traces = hour();
    let spans = || traces.iter().flatten();
    assert!(spans().any(|span| span.span.kind == SpanKind::Producer));
    assert!(spans().any(|span| span.span.kind == SpanKind::Consumer && span.span.parent_span_id.is_some()));
    assert!(spans().any(|span| span.span.events.iter().any(|event| event.name == "retry.scheduled")));
    let mut durations: Vec<u64> =
        spans().filter(|span| span.span.name.ends_with("GetProduct")).map(|span| span.span.duration_nanos()).collect();
    durations.sort_unstable();
    let (median, p99) = (durations[durations.len() / 2], durations[durations.len() * 99 / 100]);
    assert!(p99 > 4 * median, "{median} {p99}");
}

/// Prints some traces for people: `cargo test --workspace sketches -- --ignored --nocapture`.
#[test]
#[ignore = "for people who change the shop"]
fn sketches_of_traces() {
    for spans in traces(60, 50.0) {
        eprintln!("\n{} spans", spans.len());
        sketch(&spans, None, 0);
    }
}

fn sketch(spans: &[TraceSpan], parent: Option<SpanId>, depth: usize) {
    let start = spans.iter().map(|span| span.span.start_unix_nano).min().unwrap_or_default();
    for span in spans.iter().filter(|span| span.span.parent_span_id == parent) {
        let at = (span.span.start_unix_nano - start) as f64 / 1e6;
        let took = span.span.duration_nanos() as f64 / 1e6;
        let mark = if span.span.status.code == StatusCode::Error { " ERROR" } else { "" };
        let service = span.resource.service_name();
        eprintln!("{:9.2} {:9.2} {}{service}: {}{mark}", at, took, "  ".repeat(depth), span.span.name);
        sketch(spans, Some(span.span.span_id), depth + 1);
    }
}
