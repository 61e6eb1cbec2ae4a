//! A failed call of the back end loses nothing that was acknowledged and stores nothing twice. Each call fails once; a crash then makes its
//! change visible, or not.

use std::sync::Arc;

use super::tests::{NOW, small, span, spans_of, tenant};
use super::*;
use crate::backend::{Call, MemoryBackend, Segments};
use crate::conformance::{wait, write};
use crate::test_spans::encode;
use crate::{FakeClock, SpanBatch};

fn open(backend: &Arc<MemoryBackend>) -> Arc<Store> {
    let setup = Setup { tuning: Tuning::small(), ..Setup::new(&small(), Arc::new(FakeClock::at(NOW))) };
    Store::over(backend.clone(), &setup, &mut Registry::default()).expect("opens")
}

fn try_write(store: &Store, trace: u8) -> Result<(), WriteError> {
    wait(store.write(SpanBatch { tenant: tenant(), body: encode(&[span(trace, 1, "a")]).into(), spans: 1 }))
}

#[test]
fn what_was_written_is_there_when_the_store_is_opened_again() {
    let backend = Arc::<MemoryBackend>::default();
    let store = open(&backend);
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    store.settle().expect("settled");
    write(&*store, &tenant(), &[span(2, 1, "a")]);
    drop(store);
    let store = open(&backend);
    assert_eq!((store.sizes().segments, store.sizes().head_spans), (1, 1));
    assert_eq!([1, 2].map(|trace| spans_of(&store, trace)), [1, 1]);
    assert!(store.checkpoint().is_err());
    assert_eq!(store.room(), Room::default());
}

#[test]
fn a_write_that_fails_is_refused_and_the_next_one_takes_its_place() {
    for comes_to_light in [false, true] {
        let backend = Arc::<MemoryBackend>::default();
        let store = open(&backend);
        backend.fail(Call::Append, comes_to_light);
        let refused = try_write(&store, 1);
        assert!(matches!(refused, Err(WriteError::Unavailable { .. })), "{refused:?}");
        assert!(store.room().refused.is_some_and(|reason| reason.contains("Append fails")));
        let after_a_crash = open(&Arc::new(backend.crashed()));
        assert_eq!(spans_of(&after_a_crash, 1), usize::from(comes_to_light));
        try_write(&store, 2).expect("written");
        let after_a_crash = open(&Arc::new(backend.crashed()));
        assert_eq!([1, 2].map(|trace| spans_of(&after_a_crash, trace)), [0, 1]);
    }
}

#[test]
fn a_seal_or_merge_that_fails_is_tried_again() {
    let calls = [Call::Stage, Call::Publish, Call::Commit, Call::End, Call::Delete];
    for (call, comes_to_light) in calls.into_iter().flat_map(|call| [(call, false), (call, true)]) {
        let backend = Arc::<MemoryBackend>::default();
        let store = open(&backend);
        for round in 1..=8 {
            write(&*store, &tenant(), &[span(round, 1, "a"), span(100, round, "a")]);
            backend.fail(call, comes_to_light);
            // A failure now is made good in a later round.
            _ = store.settle();
            for store in [&open(&Arc::new(backend.crashed())), &store] {
                assert!((1..=round).all(|trace| spans_of(store, trace) == 1), "{call:?} {comes_to_light}");
                assert_eq!(spans_of(store, 100), usize::from(round), "{call:?} {comes_to_light}");
            }
        }
        for _ in 0..9 {
            _ = store.settle();
        }
        store.settle().expect("nothing fails any more");
        let pages = backend.list().expect("listed").len();
        let sizes = store.sizes();
        assert_eq!((sizes.head_spans, pages), (0, sizes.segments + sizes.rollups), "{call:?} {comes_to_light}");
    }
}
