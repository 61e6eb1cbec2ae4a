//! Rollups of a store that lives: spans that come late, merges, ages, damage.

use std::sync::Arc;
use std::time::Duration;

use hoptrail_proto::model::{
    Attribute, Resource, Span, SpanId, SpanKind, Status, StatusCode, TenantId, TraceId, TraceSpan,
};
use prometheus_client::registry::Registry;

use crate::conformance::write;
use crate::rollup::{DAY, HOUR, MINUTE};
use crate::store::tests::small;
use crate::{
    Config, Connection, FakeClock, Node, NodeKind, QueryContext, RollupKey, RollupRequest, RollupSteps, RollupTable,
    Rollups, Store, TimeRange, TraceReader,
};

const NOW: u64 = 1_767_225_600_000_000_000 / (64 * DAY) * (64 * DAY) + 10 * DAY;

fn tenant() -> TenantId {
    TenantId::single()
}

fn open(folder: &std::path::Path, config: &Config, clock: &Arc<FakeClock>) -> Arc<Store> {
    Store::open(folder, config, clock.clone(), &mut Registry::default()).expect("opens")
}

/// A span of a service: its trace, its id, and its parent's id or 0.
fn span(service: &str, kind: SpanKind, (trace, id, parent): (u64, u8, u8), start: u64) -> TraceSpan {
    let mut trace_id = [7; 16];
    trace_id[..8].copy_from_slice(&trace.to_be_bytes());
    let span = Span {
        trace_id: TraceId(trace_id),
        span_id: SpanId([id; 8]),
        parent_span_id: (parent > 0).then_some(SpanId([parent; 8])),
        name: format!("{service} works"),
        kind,
        start_unix_nano: start,
        end_unix_nano: start + 1_000_000 * u64::from(id),
        status: Status { code: if id == 9 { StatusCode::Error } else { StatusCode::Unset }, message: String::new() },
        attributes: vec![Attribute::new("peer.service", "erp")],
        ..Span::default()
    };
    let resource = Resource { attributes: vec![Attribute::new("service.name", service)], ..Resource::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
}

fn client(trace: u64, start: u64) -> TraceSpan {
    span("shop", SpanKind::Client, (trace, 1, 0), start)
}

fn server(trace: u64, start: u64) -> TraceSpan {
    span("cart", SpanKind::Server, (trace, 2, 1), start)
}

fn ask(store: &Store, table: RollupTable, steps: RollupSteps) -> Rollups {
    let request = RollupRequest { table, steps, service: None };
    store.rollups(&tenant(), &request, &QueryContext::unbounded()).expect("answered")
}

fn ever() -> RollupSteps {
    RollupSteps::whole(TimeRange { start: 0, end: u64::MAX })
}

/// The edges over all times, as `caller > callee: count`.
fn edges(store: &Store) -> Vec<String> {
    let series = ask(store, RollupTable::Edges, ever()).series;
    let line = |series: &crate::RollupSeries| {
        let RollupKey::Edge { caller, callee, .. } = &series.key else { panic!("no edge") };
        format!("{} > {}: {}", caller.name, callee.name, series.total().count)
    };
    series.iter().map(line).collect()
}

#[test]
fn a_call_is_counted_once_wherever_its_two_spans_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &small(), &Arc::new(FakeClock::at(NOW)));
    write(&*store, &tenant(), &[client(1, NOW), client(2, NOW)]);
    assert_eq!(edges(&store), ["shop > erp: 2"], "nobody has answered yet");
    write(&*store, &tenant(), &[server(1, NOW)]);
    assert_eq!(edges(&store), ["shop > cart: 1", "shop > erp: 1"]);
    store.settle().expect("settled");
    assert_eq!(edges(&store), ["shop > cart: 1", "shop > erp: 1"]);
    // The rest comes late, the first part is sealed, and a client sends everything again.
    write(&*store, &tenant(), &[server(2, NOW + MINUTE), client(1, NOW), client(2, NOW), server(1, NOW)]);
    assert_eq!(edges(&store), ["shop > cart: 2"]);
    store.settle().expect("settled");
    write(&*store, &tenant(), &[server(2, NOW + MINUTE)]);
    assert_eq!(edges(&store), ["shop > cart: 2"]);
    // A server whose caller comes later was called by a user until then.
    write(&*store, &tenant(), &[server(3, NOW)]);
    assert_eq!(edges(&store), ["shop > cart: 2", "user > cart: 1"]);
    store.settle().expect("settled");
    write(&*store, &tenant(), &[client(3, NOW)]);
    assert_eq!(edges(&store), ["shop > cart: 3"]);
    let spans = ask(&store, RollupTable::Spans, ever()).series;
    assert_eq!(spans.iter().map(|series| series.total().count).collect::<Vec<_>>(), [3, 3]);
}

/// The counts of all spans in each step.
fn counts(store: &Store, steps: RollupSteps) -> Vec<(usize, i64)> {
    let mut counts = std::collections::BTreeMap::new();
    for series in ask(store, RollupTable::Services, steps).series {
        series.cells.iter().for_each(|(step, cell)| *counts.entry(*step).or_default() += cell.count);
    }
    counts.into_iter().collect()
}

#[test]
fn many_rollups_become_few_and_count_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FakeClock::at(NOW));
    let store = open(folder.path(), &small(), &clock);
    for number in 0..40 {
        write(&*store, &tenant(), &[client(number, NOW + number * 10 * MINUTE)]);
        store.settle().expect("settled");
    }
    let rollups = store.readers.read_state().rollups.len();
    assert!(rollups < 16, "{rollups} rollups");
    let hourly = RollupSteps { start: NOW, step: HOUR, count: 9 };
    let expected: Vec<_> = (0..7).map(|hour| (hour, if hour < 6 { 6 } else { 4 })).collect();
    assert_eq!(counts(&store, hourly), expected);
    assert_eq!(
        counts(&store, RollupSteps { start: NOW + MINUTE, step: 10 * MINUTE, count: 4 }),
        [0, 1, 2, 3].map(|step| (step, 1))
    );
    assert_eq!(counts(&store, RollupSteps::whole(TimeRange { start: NOW + MINUTE, end: NOW + 4 * HOUR })), [(0, 23)]);
    drop(store);
    let store = open(folder.path(), &small(), &clock);
    assert_eq!(counts(&store, hourly), expected);
    assert_eq!(counts(&store, ever()), [(0, 40)]);
}

#[test]
fn counts_outlive_their_spans_and_become_coarser() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FakeClock::at(NOW));
    let config = Config {
        retention: Duration::from_secs(2 * 86_400),
        rollup_retention: Duration::from_secs(200 * 86_400),
        ..small()
    };
    let store = open(folder.path(), &config, &clock);
    let at = NOW + 90 * MINUTE;
    write(&*store, &tenant(), &[client(1, at), client(2, at + MINUTE)]);
    store.settle().expect("settled");
    let minutes = RollupSteps { start: at, step: MINUTE, count: 2 };
    let hours = RollupSteps { start: NOW, step: HOUR, count: 2 };
    let days = RollupSteps { start: NOW, step: DAY, count: 1 };
    let all = |store: &Store| [minutes, hours, days, ever()].map(|steps| counts(store, steps));
    assert_eq!(all(&store), [vec![(0, 1), (1, 1)], vec![(1, 2)], vec![(0, 2)], vec![(0, 2)]]);
    let later = |days: u64| {
        for _ in 0..days {
            clock.advance(Duration::from_secs(86_400));
            store.settle().expect("settled");
        }
        all(&store)
    };
    assert_eq!(later(5), [vec![(0, 1), (1, 1)], vec![(1, 2)], vec![(0, 2)], vec![(0, 2)]]);
    assert_eq!(store.sizes().segments, 0, "the spans are gone");
    assert_eq!(later(20), [vec![], vec![(1, 2)], vec![(0, 2)], vec![(0, 2)]]);
    let coarse = ask(&store, RollupTable::Services, RollupSteps { start: NOW + HOUR, step: 15 * MINUTE, count: 4 });
    assert_eq!((coarse.resolution, coarse.series[0].total().count), (HOUR, 2));
    // A row of a day is in the step that has its start.
    assert_eq!(later(100), [vec![], vec![(0, 2)], vec![(0, 2)], vec![(0, 2)]]);
    assert_eq!(later(200), [vec![], vec![], vec![], vec![(0, 2)]], "a counter never falls");
}

#[test]
fn edges_tell_how_they_are_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &small(), &Arc::new(FakeClock::at(NOW)));
    let failed = span("cart", SpanKind::Consumer, (5, 9, 1), NOW + 3);
    let producer = span("shop", SpanKind::Producer, (5, 1, 0), NOW);
    write(&*store, &tenant(), &[producer, failed]);
    let series = ask(&store, RollupTable::Edges, ever()).series;
    let node = |name: &str| Node { kind: NodeKind::Service, name: name.to_owned() };
    let key = RollupKey::Edge { caller: node("shop"), callee: node("cart"), connection: Connection::Message };
    assert_eq!(series.len(), 1);
    let total = series[0].total();
    assert_eq!((&series[0].key, total.count, total.errors), (&key, 1, 1));
    assert_eq!((total.durations.sum_nanos, total.caller.sum_nanos), (9_000_000, 1_000_000));
}

#[test]
fn a_question_that_ends_early_counts_nothing_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &small(), &Arc::new(FakeClock::at(NOW)));
    let plain = (0..50).map(|trace| client(trace, NOW));
    // Spans of one start and id have to be compared, and that asks whether there is time left.
    let alike = (0..5).map(|trace| span("cart", SpanKind::Client, (trace, 1, 0), NOW));
    write(&*store, &tenant(), &plain.chain(alike).collect::<Vec<_>>());
    let request = RollupRequest { table: RollupTable::Services, steps: ever(), service: None };
    for _ in 0..3 {
        let late = QueryContext::new(Duration::ZERO, usize::MAX, Arc::default());
        assert!(store.rollups(&tenant(), &request, &late).is_err());
    }
    assert_eq!(counts(&store, ever()), [(0, 55)]);
    assert_eq!(edges(&store), ["cart > erp: 5", "shop > erp: 50"]);
}
