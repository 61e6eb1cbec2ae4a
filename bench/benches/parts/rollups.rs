//! Rollups: what it costs to count spans, and to answer from the counts of a month.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use hoptrail_bench::{Kind, requests};
use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, SpanKind, TenantId, TraceId, TraceSpan};
use hoptrail_proto::otlp;
use hoptrail_storage::{
    Config, DAY, FakeClock, HOUR, MINUTE, QueryContext, RollupRequest, RollupSteps, RollupTable, SpanBatch, SpanWriter,
    Store, TimeRange, TraceReader,
};
use prometheus_client::registry::Registry;

/// Spans that are counted; fewer than the head seals.
const COUNTED: u64 = 60_000;
/// Services, the names of each, and the days of the store with old counts.
const SERVICES: u64 = 50;
const NAMES: u64 = 8;
const DAYS: u64 = 30;
const NOW: u64 = 1_767_225_600_000_000_000;

fn store() -> Arc<Store> {
    let config = Config { seal_after: Duration::from_secs(1 << 20), ..Config::default() };
    Store::in_memory(&config, Arc::new(FakeClock::at(NOW)), &mut Registry::default()).expect("opens")
}

fn write(store: &Store, body: Vec<u8>) {
    let batch = SpanBatch { tenant: TenantId::single(), body: body.into(), spans: 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.write(batch)).expect("written");
}

fn ask(store: &Store, table: RollupTable, steps: RollupSteps) -> usize {
    let request = RollupRequest { table, steps, service: None };
    let answer = store.rollups(&TenantId::single(), &request, &QueryContext::unbounded()).expect("answered");
    answer.series.iter().map(|series| series.cells.len()).sum()
}

/// Spans of the head that nobody has counted yet.
pub(crate) fn count(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rollups");
    let requests = requests(Kind::Shop, COUNTED);
    let whole = RollupSteps::whole(TimeRange { start: 0, end: u64::MAX });
    let filled = || {
        let store = store();
        requests.iter().for_each(|request| write(&store, request.clone()));
        store
    };
    group.throughput(Throughput::Elements(filled().sizes().head_spans as u64));
    group.bench_function("count the spans of the head", |bench| {
        let ask = |store: Arc<Store>| {
            assert!(ask(&store, RollupTable::Services, whole) > 0);
            store
        };
        bench.iter_batched(filled, ask, BatchSize::PerIteration);
    });
    group.finish();
}

/// Questions over a day and a month.
pub(crate) fn month(criterion: &mut Criterion) {
    // Built only when a question is asked.
    let store = LazyCell::new(month_store);
    let mut group = criterion.benchmark_group("rollups");
    let until = NOW + 17 * MINUTE;
    for (name, length, most) in [("a day", DAY, 48), ("30 days", DAYS * DAY, 60)] {
        let steps = RollupSteps::over(TimeRange { start: until - length, end: until }, most);
        let whole = RollupSteps::whole(TimeRange { start: until - length, end: until });
        for (what, table) in [("services", RollupTable::Services), ("edges", RollupTable::Edges)] {
            group.bench_function(format!("{SERVICES} services, {name}: {what} by step"), |bench| {
                let cells = ask(&store, table, steps);
                assert!(cells > 100, "{cells} cells");
                bench.iter(|| ask(&store, table, steps));
            });
            group.bench_function(format!("{SERVICES} services, {name}: {what} as a whole"), |bench| {
                bench.iter(|| ask(&store, table, whole));
            });
        }
    }
    group.finish();
}

/// A store with the spans of a month.
fn month_store() -> Arc<Store> {
    let store = store();
    for hour in 0..DAYS * 24 {
        let spans: Vec<TraceSpan> = (0..SERVICES * NAMES * 4).map(|number| span(hour, number)).collect();
        write(&store, otlp::encode(&spans));
        if hour % 6 == 5 {
            store.settle().expect("settled");
        }
    }
    store
}

/// A server span, or a client span of a call to a database.
fn span(hour: u64, number: u64) -> TraceSpan {
    let start = NOW - DAYS * DAY + hour * HOUR + number * 7919 % 3600 * 1_000_000_000;
    let id = hour << 32 | number;
    let mut trace = [9; 16];
    trace[8..].copy_from_slice(&id.to_be_bytes());
    let span = Span {
        trace_id: TraceId(trace),
        span_id: SpanId((id + 1).to_be_bytes()),
        name: format!("work {}", number / SERVICES % NAMES),
        kind: if number.is_multiple_of(3) { SpanKind::Client } else { SpanKind::Server },
        start_unix_nano: start,
        end_unix_nano: start + (number * 104_729 % 1_000 + 1) * 300_000,
        attributes: vec![Attribute::new("peer.service", format!("db-{}", number % 5))],
        ..Span::default()
    };
    let service = Attribute::new("service.name", format!("service-{}", number % SERVICES));
    TraceSpan {
        span,
        resource: Arc::new(Resource { attributes: vec![service], ..Resource::default() }),
        scope: Arc::default(),
    }
}
