//! What the store promises when something goes wrong: sudden ends, damaged bytes, full queues, old spans.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hoptrail_proto::model::{Attribute, InstrumentationScope, Resource, Span, SpanId, TenantId, TraceId, TraceSpan};
use prometheus_client::registry::Registry;

use super::*;
use crate::backend::{LogHalf, LogPosition, StoredSegment};
use crate::catalog::StoreEntry;
use crate::conformance::{wait, write};
use crate::log::Record;
use crate::rows::Rows;
use crate::segment::tail;
use crate::test_spans::encode;
use crate::{AttributeScope, CompareOp, FakeClock, Field, Filter, QueryContext, SearchRequest, TraceReader, Value};

pub(super) const NOW: u64 = 1_700_000_000_000_000_000;

pub(super) fn tenant() -> TenantId {
    TenantId::single()
}

/// A span that is alone in its trace.
pub(super) fn span(trace: u8, id: u8, text: &str) -> TraceSpan {
    let attributes = vec![Attribute::new("text", text)];
    let span = Span {
        trace_id: TraceId([trace; 16]),
        span_id: SpanId([id; 8]),
        name: "work".to_owned(),
        start_unix_nano: NOW + u64::from(id),
        end_unix_nano: NOW + 1000,
        attributes,
        ..Span::default()
    };
    let resource = Resource { attributes: vec![Attribute::new("service.name", "shop")], ..Resource::default() };
    TraceSpan { span, resource: Arc::new(resource), scope: Arc::new(InstrumentationScope::default()) }
}

/// Text that does not compress.
pub(super) fn noise(bytes: usize, seed: u64) -> String {
    let mut state = seed | 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[(state >> 58) as usize])
    };
    (0..bytes).map(letter).collect()
}

/// A store whose segments have several groups, and whose queries run in parallel.
pub(super) fn open_with(folder: &Path, config: &Config, clock: &Arc<FakeClock>) -> Arc<Store> {
    let backend = backend::open(folder, config.cache_size).expect("opens");
    let setup = Setup { tuning: Tuning::small(), ..Setup::new(config, clock.clone()) };
    Store::over(backend, &setup, &mut Registry::default()).expect("opens")
}

pub(super) fn small() -> Config {
    Config { cache_size: 8 << 20, ..Config::default() }
}

pub(super) fn open(folder: &Path) -> Arc<Store> {
    open_with(folder, &small(), &Arc::new(FakeClock::at(NOW)))
}

pub(super) fn spans_of(store: &Store, trace: u8) -> usize {
    let found = store.trace(&tenant(), TraceId([trace; 16]), &QueryContext::unbounded()).expect("an answer");
    found.map_or(0, |trace| trace.spans.len())
}

/// The folder as the end of the process leaves it at this moment.
pub(super) fn crashed(folder: &Path) -> tempfile::TempDir {
    // RocksDB deletes files in the background. A copy that lacks a file was the folder at no moment.
    let copies = (0..100).map(|_| {
        let copy = tempfile::tempdir().expect("a folder");
        try_copy_folder(folder, copy.path()).map(|()| copy)
    });
    copies.flatten().next().expect("a copy while nothing is deleted")
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    try_copy_folder(from, to).expect("copied");
}

fn try_copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            try_copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// The segments that are on the disk, whether the catalog names them or not.
pub(super) fn segments_with_pages(store: &Store) -> Vec<u64> {
    let stored = store.readers.backend.list().expect("listed");
    let rollups = store.readers.read_state().rollups.clone();
    stored.iter().map(|stored| stored.segment).filter(|id| !rollups.contains_key(id)).collect()
}

#[test]
fn acknowledged_spans_survive_a_crash_wherever_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    let in_the_log = crashed(folder.path());
    store.settle().expect("settled");
    let in_a_segment = crashed(folder.path());
    write(&*store, &tenant(), &[span(1, 2, "b")]);
    let in_both = crashed(folder.path());
    for (folder, spans, head) in [(in_the_log, 1, 1), (in_a_segment, 1, 0), (in_both, 2, 1)] {
        let store = open(folder.path());
        assert_eq!(store.environment.metrics.head_spans.get(), head as i64, "told before anybody can ask");
        assert_eq!((spans_of(&store, 1), store.sizes().head_spans), (spans, head));
        store.settle().expect("settled");
        assert_eq!((spans_of(&store, 1), store.sizes().head_spans), (spans, 0));
    }
}

#[test]
fn a_record_that_two_generations_share_stays_in_the_log_until_both_are_sealed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let bodies = [1, 2].map(|trace| encode(&[span(trace, 1, "a")]));
    let mut record = Record::default();
    bodies.iter().for_each(|body| record.push(NOW, &tenant(), body));
    let Readers { state, backend, .. } = &store.readers;
    let first = LogPosition { half: LogHalf::Even, sequence: 0 };
    backend.append(first, record.encode().expect("encoded")).expect("logged");
    state.append(NOW, &tenant(), &bodies[0]).expect("appended");
    state.rotate();
    store.maintenance.run_round().expect("sealed");
    assert_eq!(store.sizes().segments, 1, "the first half is sealed");
    state.append(NOW, &tenant(), &bodies[1]).expect("appended");
    state.write().next_sequence = 1;
    let reopened = open(crashed(folder.path()).path());
    assert_eq!((spans_of(&reopened, 1), spans_of(&reopened, 2)), (1, 1));
    store.settle().expect("settled");
    let reopened = open(crashed(folder.path()).path());
    assert_eq!((spans_of(&reopened, 1), spans_of(&reopened, 2), reopened.sizes().head_spans), (1, 1, 0));
}

#[test]
fn pages_that_the_catalog_does_not_name_are_removed_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    store.settle().expect("settled");
    let mut rows = Rows::default();
    rows.append_request(&encode(&[span(2, 1, "b")])).expect("appended");
    let orphan = store.maintenance.write_rows(&tenant(), (NOW, NOW), &[&rows]).expect("ingested").id;
    let pages = segments_with_pages;
    assert!(pages(&store).contains(&orphan));
    let crashed = crashed(folder.path());
    let store = open(crashed.path());
    assert_eq!((pages(&store), spans_of(&store, 1), spans_of(&store, 2)), (vec![1], 1, 0));
    write(&*store, &tenant(), &[span(3, 1, "c")]);
    store.settle().expect("settled");
    assert!(pages(&store).contains(&(orphan + 1)), "its number is not used again: {:?}", pages(&store));
}

#[test]
fn a_damaged_log_record_costs_its_own_spans_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    (1..=3).for_each(|trace| write(&*store, &tenant(), &[span(trace, 1, "a")]));
    let mut damaged = Vec::new();
    store
        .readers
        .backend
        .replay(&mut |sequence, record| damaged.extend((sequence == 1).then(|| record.to_vec())))
        .expect("read");
    damaged[0][15] ^= 1;
    let second = LogPosition { half: LogHalf::Even, sequence: 1 };
    store.readers.backend.append(second, &damaged[0]).expect("written");
    drop(store);
    let store = open(folder.path());
    assert_eq!([1, 2, 3].map(|trace| spans_of(&store, trace)), [1, 0, 1]);
    assert_eq!(store.environment.metrics.damaged.get(), 1);
    write(&*store, &tenant(), &[span(4, 1, "a")]);
    drop(store);
    assert_eq!(spans_of(&open(folder.path()), 4), 1, "later records are not written over");
}

#[test]
fn a_damaged_catalog_entry_is_made_again_from_the_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for trace in 1..=2 {
        write(&*store, &tenant(), &[span(trace, 1, "a")]);
        store.settle().expect("settled");
    }
    let entries = |store: &Store| {
        let mut entries = Vec::new();
        let mut take = |segment, bytes: &[u8]| {
            if segment != StoreEntry::ID {
                entries.push(bytes.to_vec());
            }
        };
        store.readers.backend.each(&mut take).expect("read");
        entries
    };
    let whole = entries(&store);
    let half = whole[1][..whole[1].len() / 2].to_vec();
    store.readers.backend.commit(&[(2, half.clone())], &[], None).expect("written");
    drop(store);
    let store = open(folder.path());
    assert_eq!([1, 2].map(|trace| spans_of(&store, trace)), [1, 1]);
    assert_eq!(store.environment.metrics.damaged.get(), 1);
    assert_eq!(entries(&store)[1], half, "it may be of a later hoptrail");
    drop(store);
    let done = crate::repair(folder.path(), &mut |_| ()).expect("repaired");
    assert_eq!((done.entries, done.spans_lost), (1, 0));
    let store = open(folder.path());
    assert_eq!(entries(&store), whole, "nothing is lost");
    assert_eq!(store.environment.metrics.damaged.get(), 0);
}

#[test]
fn small_segments_merge_without_losing_a_span_or_keeping_one_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for round in 0..4 {
        let spans: Vec<_> = (1..=5).map(|trace| span(trace, round + 1, &format!("item {round}"))).collect();
        write(&*store, &tenant(), &spans);
        // A client that got no answer sends its first request again, much later.
        write(&*store, &tenant(), &(1..=5).map(|trace| span(trace, 1, "item 0")).collect::<Vec<_>>());
        store.settle().expect("settled");
    }
    let sizes = store.sizes();
    assert_eq!((sizes.segments, sizes.segment_spans, sizes.head_spans), (1, 20, 0));
    let pages = || segments_with_pages(&store).len();
    assert_eq!(pages(), 1, "the merged segments are gone from the disk");
    assert!((1..=5).all(|trace| spans_of(&store, trace) == 4));
    drop(store);
    let store = open(folder.path());
    assert!((1..=5).all(|trace| spans_of(&store, trace) == 4));
}

#[test]
fn a_query_that_reads_the_head_for_long_does_not_stop_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    let (chunks, _) = store.readers.read_state().snapshot(&tenant());
    let reading = chunks[0].read();
    write(&*store, &tenant(), &[span(1, 2, "a")]);
    assert_eq!((reading.len(), spans_of(&store, 1)), (1, 2));
    drop(reading);
    store.settle().expect("settled");
    assert_eq!((store.sizes().segments, spans_of(&store, 1)), (1, 2));
}

#[test]
fn a_query_keeps_the_segments_it_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    store.settle().expect("settled");
    let (_, reading) = store.readers.read_state().snapshot(&tenant());
    for id in 2..=4 {
        write(&*store, &tenant(), &[span(1, id, "a")]);
        store.settle().expect("settled");
    }
    assert_eq!(store.sizes().segments, 1, "merged");
    assert!(store.readers.backend.page(reading[0].id, tail::METADATA).is_ok());
    let id = reading[0].id;
    drop(reading);
    store.settle().expect("settled");
    assert!(store.readers.backend.page(id, tail::METADATA).is_err());
}

/// Lets time pass in steps, with maintenance in between: one large jump of the clock would not be believed.
pub(super) fn pass(store: &Store, clock: &FakeClock, seconds: u64) {
    for _ in 0..10 {
        clock.advance(Duration::from_secs(seconds) / 10);
        store.settle().expect("settled");
    }
}

#[test]
fn old_spans_are_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FakeClock::at(NOW));
    let store = open_with(folder.path(), &Config { retention: Duration::from_secs(3600), ..small() }, &clock);
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    store.settle().expect("settled");
    pass(&store, &clock, 3000);
    write(&*store, &tenant(), &[span(2, 1, "a")]);
    store.settle().expect("settled");
    assert_eq!([1, 2].map(|trace| spans_of(&store, trace)), [1, 1]);
    pass(&store, &clock, 601);
    assert_eq!([1, 2].map(|trace| spans_of(&store, trace)), [0, 1]);
    assert_eq!(store.environment.metrics.dropped_segments.get(), 1);
    assert_eq!(segments_with_pages(&store).len(), 1);
}

#[test]
fn what_is_too_much_is_dropped_oldest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FakeClock::at(NOW));
    let store =
        open_with(folder.path(), &Config { retention_size: 1 << 20, retention: Duration::ZERO, ..small() }, &clock);
    for trace in 1..=3 {
        write(&*store, &tenant(), &[span(trace, 1, &noise(700_000, u64::from(trace)))]);
        store.settle().expect("settled");
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!([1, 2, 3].map(|trace| spans_of(&store, trace)), [0, 0, 1]);
    assert!(store.sizes().segment_bytes <= 1 << 20);
}

#[test]
fn few_spans_are_sealed_when_their_time_has_come() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FakeClock::at(NOW));
    let store = open_with(folder.path(), &Config { seal_after: Duration::from_secs(60), ..small() }, &clock);
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    clock.advance(Duration::from_secs(59));
    store.maintenance.run_round().expect("kept");
    assert_eq!(store.sizes().segments, 0);
    clock.advance(Duration::from_secs(1));
    store.maintenance.run_round().expect("kept");
    assert_eq!((store.sizes().segments, store.sizes().head_spans), (1, 0));
}

#[test]
fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let second = Store::open(folder.path(), &small(), Arc::new(FakeClock::at(NOW)), &mut Registry::default());
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    drop(store);
    open(folder.path());
}

#[test]
fn a_folder_that_is_damaged_is_not_called_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    std::fs::write(folder.path().join("CURRENT"), "MANIFEST-LOCK\n").expect("written");
    let refused = Store::open(folder.path(), &small(), Arc::new(FakeClock::at(NOW)), &mut Registry::default());
    assert!(matches!(refused, Err(OpenError::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_full_queue_asks_to_retry() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open_with(folder.path(), &Config { queue_size: 0, ..small() }, &Arc::new(FakeClock::at(NOW)));
    let batch = |trace| SpanBatch { tenant: tenant(), body: encode(&[span(trace, 1, "a")]).into(), spans: 1 };
    // Nothing becomes visible while somebody reads the state, so the first request stays unanswered.
    let reading = store.readers.read_state();
    let first = store.write(batch(1));
    let second = wait(store.write(batch(2)));
    assert!(matches!(second, Err(WriteError::Overloaded { .. })), "{second:?}");
    drop(reading);
    wait(first).expect("written");
    wait_until(|| store.ingest.is_idle());
    wait(store.write(batch(2))).expect("written");
}

#[test]
fn a_log_that_overfills_the_head_after_a_crash_is_sealed_and_spans_are_taken_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &(1..50).map(|id| span(1, id, "before")).collect::<Vec<_>>());
    drop(store);
    let config = Config { head_spans: 10, ..small() };
    let store = open_with(folder.path(), &config, &Arc::new(FakeClock::at(NOW)));
    wait_until(|| store.sizes().head_spans == 0);
    write(&*store, &tenant(), &[span(2, 1, "after")]);
}

fn wait_until(holds: impl Fn() -> bool) {
    let started = crate::clock::instant();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "still not so after 30 seconds");
        std::thread::yield_now();
    }
}

#[test]
fn big_spans_are_sealed_by_their_memory_and_refused_when_sealing_is_late() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open_with(folder.path(), &Config { head_size: 1 << 20, ..small() }, &Arc::new(FakeClock::at(NOW)));
    let batch = |trace| {
        let body = encode(&[span(trace, 1, &noise(900_000, u64::from(trace)))]).into();
        SpanBatch { tenant: tenant(), body, spans: 1 }
    };
    let sealing_is_late = store.maintenance.pause();
    for trace in 1..=3 {
        wait(store.write(batch(trace))).expect("written");
    }
    assert_eq!(store.sizes().head_spans, 3);
    assert!(store.sizes().head_bytes > 3 << 20, "{:?}", store.sizes());
    let refused = wait(store.write(batch(4)));
    assert!(matches!(refused, Err(WriteError::Overloaded { .. })), "{refused:?}");
    drop(sealing_is_late);
    wait_until(|| store.sizes().head_spans == 0);
    wait(store.write(batch(4))).expect("written");
    assert!((1..=4).all(|trace| spans_of(&store, trace) == 1));
}

#[test]
fn a_closed_store_answers_queries_and_refuses_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    store.close();
    assert_eq!(spans_of(&store, 1), 1);
    let batch = SpanBatch { tenant: tenant(), body: encode(&[span(2, 1, "a")]).into(), spans: 1 };
    assert!(matches!(wait(store.write(batch)), Err(WriteError::Closed)));
}

#[test]
fn a_damaged_page_is_left_out_of_answers_which_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    store.settle().expect("settled");
    write(&*store, &tenant(), &[span(2, 1, "a")]);
    drop(store);
    damage_page(folder.path());
    let store = open(folder.path());
    let found = || {
        let context = QueryContext::unbounded();
        let all = SearchRequest { limit: 9, spans_per_set: 9, ..SearchRequest::default() };
        let found = store.search(&tenant(), &all, &context).expect("an answer").hits;
        assert!(context.left_out().iter().any(|place| place.contains("segment 1")), "{:?}", context.left_out());
        found.iter().map(|hit| hit.matched()).sum::<u64>()
    };
    assert_eq!(found(), 1);
    write(&*store, &tenant(), &[span(1, 2, "a")]);
    assert_eq!(found(), 2);
    let context = QueryContext::unbounded();
    let trace = store.trace(&tenant(), TraceId([1; 16]), &context).expect("an answer").expect("the half of it");
    assert_eq!((trace.spans.len(), context.left_out().len()), (1, 1));
    let damaged = store.environment.metrics.damaged.get();
    assert_eq!(spans_of(&store, 1), 1);
    assert_eq!(store.environment.metrics.damaged.get(), damaged, "counted once");
}

#[test]
fn the_start_of_a_trace_is_found_in_whatever_segment_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let at = |trace: u8, id: u64, start: u64, text: &str| {
        let mut found = span(trace, 0, text);
        (found.span.span_id, found.span.start_unix_nano) = (SpanId((id + 1).to_be_bytes()), NOW + start);
        found
    };
    // Trace 1 lies in the first segment, in the second group of the second one, and begins in the third one, which begins later than
    // the second one does.
    let mut two_groups: Vec<TraceSpan> = (0..8_200).map(|id| at(4, id, 10, "other")).collect();
    two_groups.push(at(1, 2, 150, "wanted"));
    let third = vec![at(5, 1, 20, "other"), at(1, 3, 35, "wanted"), at(2, 1, 60, "wanted")];
    for spans in [vec![at(3, 1, 0, "other"), at(1, 1, 100, "wanted")], two_groups, third] {
        write(&*store, &tenant(), &spans);
        store.settle().expect("settled");
    }
    let field = Field::attribute(AttributeScope::Span, "text");
    let filter = Filter::Compare { field, op: CompareOp::Eq, value: Value::string("wanted") };
    let request = SearchRequest { spans: filter.into(), limit: 1, spans_per_set: 9, ..SearchRequest::default() };
    let hits = store.search(&tenant(), &request, &QueryContext::unbounded()).expect("an answer").hits;
    assert_eq!(hits.iter().map(|hit| hit.trace_id).collect::<Vec<_>>(), [TraceId([2; 16])]);
}

#[test]
fn damaged_segments_neither_stop_merging_nor_retention() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FakeClock::at(NOW));
    let config = Config { retention: Duration::from_secs(3600), ..small() };
    let store = open_with(folder.path(), &config, &clock);
    write(&*store, &tenant(), &[span(1, 1, "a")]);
    store.settle().expect("settled");
    drop(store);
    damage_page(folder.path());
    let store = open_with(folder.path(), &config, &clock);
    for trace in 2..=5 {
        write(&*store, &tenant(), &[span(trace, 1, "a")]);
        store.settle().expect("settled");
    }
    assert_eq!(store.sizes().segments, 2, "the damaged one, and the merged others");
    assert!((2..=5).all(|trace| spans_of(&store, trace) == 1));
    pass(&store, &clock, 3601);
    assert_eq!(store.sizes().segments, 0);
}

#[test]
fn dropping_reads_and_writes_no_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(FakeClock::at(NOW));
    let store = open_with(folder.path(), &Config { retention: Duration::from_secs(3600), ..small() }, &clock);
    for trace in 1..=3 {
        write(&*store, &tenant(), &[span(trace, 1, &noise(300_000, u64::from(trace)))]);
        store.settle().expect("settled");
    }
    let (mut files, segments) = (store.readers.backend.list().expect("listed"), segments_with_pages(&store));
    files.retain(|file| segments.contains(&file.segment));
    let path = |stored: &StoredSegment| stored.file.clone().expect("a file");
    // From now on every page reads as zeros.
    for file in &files {
        std::fs::write(path(file), vec![0; file.bytes as usize]).expect("written");
    }
    let written = || -> u64 {
        let entries = std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry"));
        entries.filter_map(|entry| entry.metadata().ok()).filter(|data| data.is_file()).map(|data| data.len()).sum()
    };
    let before = written();
    pass(&store, &clock, 3601);
    assert_eq!((store.sizes().segments, store.environment.metrics.damaged.get()), (0, 0));
    assert!(files.iter().all(|file| !path(file).exists()));
    let freed: u64 = files.iter().map(|file| file.bytes).sum();
    assert!(written() + freed < before + 10_000, "{} bytes are written to free {freed}", written() + freed - before);
}

#[test]
fn a_checkpoint_while_writing_holds_all_that_was_acknowledged_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let acknowledged = AtomicU64::new(0);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for trace in 1..=200 {
                write(&*store, &tenant(), &[span(trace, 1, "a")]);
                acknowledged.store(u64::from(trace), Ordering::SeqCst);
                if trace % 25 == 0 {
                    store.settle().expect("settled");
                }
            }
            ended.store(true, Ordering::SeqCst);
        });
        let mut round = 0;
        while !ended.load(Ordering::SeqCst) || round == 0 {
            let before = acknowledged.load(Ordering::SeqCst) as u8;
            let checkpoint = store.checkpoint().expect("made");
            let copy = crashed(checkpoint.path());
            let mut found = Vec::new();
            crate::verify(copy.path(), &mut |event| found.push(format!("{event:?}"))).expect("verified");
            found.retain(|event| event.contains("Found"));
            assert_eq!(found, [] as [String; 0]);
            let restored = open(copy.path());
            assert!((1..=before).all(|trace| spans_of(&restored, trace) == 1), "of {before}");
            round += 1;
        }
    });
    let left = std::fs::read_dir(folder.path().join("checkpoints")).expect("a folder").count();
    assert_eq!(left, 0, "checkpoints go when they are let go");
}

/// Damages the first page of the only segment. Its file is recognised by the contents of its metadata.
fn damage_page(folder: &Path) {
    let is_segment = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        path.extension().is_some_and(|ending| ending == "sst")
            && bytes.windows(12).any(|window| window == b"service.name")
    };
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let file = entries.into_iter().find(is_segment).expect("the segment's file");
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[20..60].iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(&file, bytes).expect("written");
}

/// Bytes that a folder takes on its disk.
fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    });
    bytes.sum()
}

#[test]
fn a_nearly_empty_store_is_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let mut most = disk_bytes(folder.path());
    for number in 1..20 {
        write(&*store, &tenant(), &[span(number, 1, "a")]);
        most = most.max(disk_bytes(folder.path()));
        if number % 5 == 0 {
            store.settle().expect("settled");
            most = most.max(disk_bytes(folder.path()));
        }
    }
    assert!(most < 16 << 20, "{most} bytes");
}
