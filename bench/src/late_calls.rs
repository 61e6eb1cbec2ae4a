//! How many calls rollups miss when the spans of a trace arrive over an hour, and are sealed in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hoptrail_proto::model::TenantId;
use hoptrail_storage::{
    Config, FakeClock, QueryContext, RollupKey, RollupRequest, RollupSteps, RollupTable, SpanBatch, SpanWriter, Store,
    TimeRange, TraceReader,
};
use prometheus_client::registry::Registry;

use crate::{Kind, requests};

const SPANS: u64 = 40_000;
/// How often the head is sealed meanwhile.
const SEALS: usize = 40;

/// The calls of each edge, once all requests are written.
fn calls(requests: &[Vec<u8>], seals: usize) -> BTreeMap<RollupKey, i64> {
    let config = Config { seal_after: Duration::from_secs(1 << 20), ..Config::default() };
    let clock = Arc::new(FakeClock::at(1_800_000_000_000_000_000));
    let store = Store::in_memory(&config, clock, &mut Registry::default()).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for part in requests.chunks(requests.len().div_ceil(seals.max(1))) {
        for body in part {
            let batch = SpanBatch { tenant: TenantId::single(), body: body.clone().into(), spans: 1 };
            runtime.block_on(store.write(batch)).expect("written");
        }
        if seals > 0 {
            store.settle().expect("settled");
        }
    }
    let steps = RollupSteps::whole(TimeRange { start: 0, end: u64::MAX });
    let request = RollupRequest { table: RollupTable::Edges, steps, service: None };
    let answer = store.rollups(&TenantId::single(), &request, &QueryContext::unbounded()).expect("answered");
    answer.series.into_iter().map(|series| (series.key.clone(), series.total().count)).collect()
}

#[test]
fn late_spans_hide_less_than_a_thousandth_of_the_calls() {
    let requests = requests(Kind::Late, SPANS);
    let (at_once, late) = (calls(&requests, 0), calls(&requests, SEALS));
    let all: i64 = at_once.values().sum();
    let missed: i64 = at_once.iter().map(|(key, count)| (count - late.get(key).unwrap_or(&0)).max(0)).sum();
    let wrong: i64 = late.iter().map(|(key, count)| (count - at_once.get(key).unwrap_or(&0)).max(0)).sum();
    println!("{missed} of {all} calls are missed, {wrong} are counted otherwise");
    assert!(all > 30_000 && (missed + wrong) * 1000 < all, "{missed} of {all} calls are missed, {wrong} wrong");
}
