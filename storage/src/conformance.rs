//! One suite for every store: whatever is written and asked, the answer equals that of the plain store
//! ([`MemoryStore`](crate::MemoryStore)).

mod answers;
mod laws;
mod questions;
mod traces;

use std::sync::Arc;

use hoptrail_proto::model::{TenantId, TraceSpan};
use proptest::prelude::*;

use answers::{Questions, same_answers};
use traces::dirty_batch;

use crate::backend::{Backend, MemoryBackend};
use crate::store::{Setup, Tuning};
use crate::test_spans::{any_batch, encode};
use crate::*;

/// Runs a future that waits for another thread only.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
}

pub(crate) fn write(writer: &dyn SpanWriter, tenant: &TenantId, spans: &[TraceSpan]) {
    let batch = SpanBatch { tenant: tenant.clone(), body: encode(spans).into(), spans: spans.len() as u32 };
    wait(writer.write(batch)).expect("written");
}

/// A small store over a data folder, whose head is sealed by hand.
pub(crate) fn open(folder: &std::path::Path) -> Arc<Store> {
    over(crate::backend::open(folder, 8 << 20).expect("opens"))
}

/// The same over any back end.
fn over(backend: Arc<dyn Backend>) -> Arc<Store> {
    let config = Config { cache_size: 8 << 20, ..Config::default() };
    let setup = Setup { tuning: Tuning::small(), ..Setup::new(&config, Arc::new(FakeClock::at(1 << 60))) };
    Store::over(backend, &setup, &mut prometheus_client::registry::Registry::default()).expect("opens")
}

/// Writes and asks, and settles and reopens the store in between. The answers equal those of the plain store.
fn check_against_plain(open: &dyn Fn() -> Arc<Store>, steps: &[Step], asked: &Questions) {
    let tenants = [TenantId::single(), TenantId::new("other").expect("tenant")];
    let plain = MemoryStore::default();
    let mut store = open();
    for (number, Step { batch, again, then }) in steps.iter().enumerate() {
        let tenant = &tenants[number % 2];
        for stored in [&*store as &dyn SpanWriter, &plain] {
            write(stored, tenant, batch);
            again.iter().for_each(|again| write(stored, tenant, &again.spans(steps, number)));
        }
        match then {
            Then::Nothing => {}
            Then::Ask => same_answers(&*store, &plain, asked, tenant),
            Then::Settle => store.settle().expect("settled"),
            Then::Reopen => {
                drop(store);
                store = open();
            }
        }
    }
    tenants.iter().for_each(|tenant| same_answers(&*store, &plain, asked, tenant));
    store.settle().expect("settled");
    tenants.iter().for_each(|tenant| same_answers(&*store, &plain, asked, tenant));
    drop(store);
    let store = open();
    tenants.iter().for_each(|tenant| same_answers(&*store, &plain, asked, tenant));
}

/// What is written, and what happens then.
#[derive(Debug)]
struct Step {
    batch: Vec<TraceSpan>,
    again: Vec<Again>,
    then: Then,
}

/// Spans that are sent again, as a client does whose answer got lost. They may be in the head, in a segment, or in several.
#[derive(Debug)]
struct Again {
    step: prop::sample::Index,
    from: prop::sample::Index,
}

#[derive(Debug, Clone)]
enum Then {
    Nothing,
    Ask,
    Settle,
    Reopen,
}

impl Again {
    /// Some of the spans of a step of the same tenant.
    fn spans(&self, steps: &[Step], now: usize) -> Vec<TraceSpan> {
        let step = self.step.index(now / 2 + 1) * 2 + now % 2;
        let batch = &steps[step].batch;
        batch[self.from.index(batch.len())..].to_vec()
    }
}

fn step(batch: impl Strategy<Value = Vec<TraceSpan>>) -> impl Strategy<Value = Step> {
    let again = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let again = prop::collection::vec(again.prop_map(|(step, from)| Again { step, from }), 0..3);
    let then = prop::sample::select(vec![Then::Nothing, Then::Ask, Then::Settle, Then::Settle, Then::Reopen]);
    (batch, again, then).prop_map(|(batch, again, then)| Step { batch, again, then })
}

/// So many questions of each kind.
fn questions(count: usize) -> impl Strategy<Value = Questions> {
    use prop::collection::vec;
    let (searches, values) = (vec(questions::search(), count), vec(questions::values(), count.div_ceil(2)));
    let numbers = (vec(questions::metrics(), count.div_ceil(2)), vec(questions::contrasts(), count.div_ceil(2)));
    (searches, values, numbers).prop_map(|(searches, values, (metrics, contrasts))| Questions {
        searches,
        values,
        metrics,
        contrasts,
    })
}

/// The number of cases that proptest runs by default.
const DEFAULT_CASES: u32 = 256;

/// So many cases, each of which opens stores several times. `PROPTEST_CASES` can ask for more.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() };
    let cases = if config.cases == DEFAULT_CASES { cases } else { config.cases };
    ProptestConfig { cases, ..config }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn a_store_on_disk_answers_like_the_plain_one(
        steps in prop::collection::vec(step(any_batch()), 1..8),
        asked in questions(8),
    ) {
        let folder = tempfile::tempdir().expect("folder");
        check_against_plain(&|| open(folder.path()), &steps, &asked);
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn a_store_in_memory_answers_like_the_plain_one(
        steps in prop::collection::vec(step(any_batch()), 1..8),
        asked in questions(12),
    ) {
        let backend = Arc::<MemoryBackend>::default();
        check_against_plain(&|| over(backend.clone()), &steps, &asked);
    }

    #[test]
    fn dirty_traces_are_answered_as_by_the_plain_store(
        steps in prop::collection::vec(step(dirty_batch()), 1..6),
        asked in questions(60),
    ) {
        let backend = Arc::<MemoryBackend>::default();
        check_against_plain(&|| over(backend.clone()), &steps, &asked);
    }
}
