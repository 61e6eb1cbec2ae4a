//! The cost of damage: flipped bits anywhere in the folder, truncated files, missing files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hoptrail_proto::model::{Attribute, InstrumentationScope, Resource, Span, SpanId, TenantId, TraceId, TraceSpan};
use prometheus_client::registry::Registry;

use super::{Checked, Repaired, repair, verify};
use crate::conformance::write;
use crate::store::tests::copy_folder;
use crate::store::{Config, Integrity, OpenError, Store};
use crate::{FakeClock, QueryContext, RollupRequest, RollupSteps, RollupTable, TimeRange, TraceReader};

const NOW: u64 = 1_700_000_000_000_000_000;
/// Spans of each trace.
const SPANS: u64 = 40;
/// Traces in segments: two in each.
const SEALED: u64 = 6;
/// Traces that only the log has, each in a record of its own.
const LOGGED: u64 = 6;

fn open(folder: &Path) -> Result<Arc<Store>, OpenError> {
    let config = Config { cache_size: 8 << 20, retention: Duration::ZERO, ..Config::default() };
    Store::open(folder, &config, Arc::new(FakeClock::at(NOW)), &mut Registry::default())
}

fn trace(number: u64) -> Vec<TraceSpan> {
    let resource = Resource { attributes: vec![Attribute::new("service.name", "shop")], ..Resource::default() };
    let resource = Arc::new(resource);
    let span = |id: u64| {
        let mixed = (number * SPANS + id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let attributes = vec![Attribute::new("text", format!("{mixed:x}z{:x}", mixed.rotate_left(17)).repeat(2))];
        let span = Span {
            trace_id: TraceId([number as u8 + 1; 16]),
            span_id: SpanId((id + 1).to_be_bytes()),
            parent_span_id: (id > 0).then(|| SpanId(id.to_be_bytes())),
            name: format!("work {}", id % 3),
            start_unix_nano: NOW + number * 1000 + id,
            end_unix_nano: NOW + number * 1000 + 500,
            attributes,
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::clone(&resource), scope: Arc::new(InstrumentationScope::default()) }
    };
    (0..SPANS).map(span).collect()
}

/// A folder with three segments and a log, as a crash leaves it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).expect("opens");
    for number in 0..SEALED + LOGGED {
        write(&*store, &TenantId::single(), &trace(number));
        if number < SEALED && number % 2 == 1 {
            store.settle().expect("settled");
        }
    }
    copy_of(folder.path())
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(folder, copy.path());
    copy
}

/// How many spans of each trace there are, and how many of them are as they were written.
fn spans(store: &Store) -> Vec<(usize, usize)> {
    let of_trace = |number: u64| {
        let id = TraceId([number as u8 + 1; 16]);
        let found = store.trace(&TenantId::single(), id, &QueryContext::unbounded()).expect("an answer");
        let (found, expected) = (found.map(|trace| trace.spans).unwrap_or_default(), trace(number));
        (found.len(), found.iter().filter(|span| expected.contains(span)).count())
    };
    (0..SEALED + LOGGED).map(of_trace).collect()
}

const WHOLE: (usize, usize) = (SPANS as usize, SPANS as usize);

fn findings(folder: &Path) -> (Vec<String>, Option<Checked>) {
    let mut found = Vec::new();
    let checked = verify(folder, &mut |event| {
        if let Integrity::Found { location, reason } = event {
            found.push(format!("{location}: {reason}"));
        }
    });
    (found, checked.expect("verified"))
}

fn repaired(folder: &Path) -> Repaired {
    repair(folder, &mut |_| ()).expect("repaired")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    files
}

/// Files with pages, recognised by the contents of their metadata.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| fs::read(path).expect("read").windows(12).any(|window| window == b"service.name");
    files(folder, ".sst").into_iter().filter(holds).collect()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("read");
    bytes[at] ^= 1 << (at % 8);
    fs::write(file, bytes).expect("written");
}

/// Offsets spread over a file, including its first and last byte.
fn places(file: &Path, count: usize) -> Vec<usize> {
    let len = fs::metadata(file).expect("there").len() as usize;
    (0..count).map(|n| n * (len - 1) / (count - 1)).collect()
}

#[test]
fn a_sound_folder_has_no_findings_and_needs_no_repair() {
    let folder = folder();
    let before = listing(folder.path());
    let (found, checked) = findings(folder.path());
    assert_eq!(found, [] as [String; 0]);
    let sealed = SEALED * SPANS;
    let expected = Checked { segments: 3, segment_spans: sealed, log_records: LOGGED, log_spans: LOGGED * SPANS };
    assert_eq!(checked, Some(expected));
    assert_eq!(listing(folder.path()), before, "verifying changes nothing");
    assert_eq!(repaired(folder.path()), Repaired::default());
    assert_eq!(spans(&open(folder.path()).expect("opens")), [WHOLE; (SEALED + LOGGED) as usize]);
}

fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(folder, "")
        .into_iter()
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).expect("read")))
        .collect()
}

#[test]
fn a_flip_in_a_segment_is_found_costs_its_segment_at_most_and_is_repaired() {
    let whole = folder();
    let file = segments(whole.path()).remove(1);
    let name = file.file_name().expect("a name").to_owned();
    for at in places(&file, 60) {
        let damaged = copy_of(whole.path());
        flip(&damaged.path().join(&name), at);
        let (found, _) = findings(damaged.path());
        let store = open(damaged.path()).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        let served = spans(&store);
        // RocksDB's files have bytes that nothing needs or checks.
        assert!(!found.is_empty() || served.iter().all(|spans| *spans == WHOLE), "byte {at} of {name:?} is not found");
        for (number, served) in served.iter().enumerate() {
            assert!(*served == WHOLE || [2, 3].contains(&number), "byte {at} costs trace {number}: {served:?}");
        }
        write(&*store, &TenantId::single(), &trace(SEALED + LOGGED));
        drop(store);
        let done = repaired(damaged.path());
        assert_eq!(findings(damaged.path()).0, [] as [String; 0], "byte {at}: {done:?}");
        let store = open(damaged.path()).expect("opens");
        for (served, kept) in served.iter().zip(spans(&store)) {
            assert!(kept >= *served, "byte {at}: repairing lost something: {served:?} {kept:?}");
        }
        let kept: u64 = spans(&store).iter().map(|(spans, _)| *spans as u64).sum();
        assert_eq!(kept + done.spans_lost, (SEALED + LOGGED) * SPANS, "byte {at}: {done:?}");
        assert!(done.originals.iter().all(|folder| folder.exists()));
    }
}

#[test]
fn a_flip_in_the_log_costs_one_record_and_the_file_is_kept() {
    let whole = folder();
    let file = files(whole.path(), ".log").pop().expect("a log");
    let name = file.file_name().expect("a name").to_owned();
    for at in places(&file, 80) {
        let damaged = copy_of(whole.path());
        flip(&damaged.path().join(&name), at);
        let (found, _) = findings(damaged.path());
        let store = open(damaged.path()).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        let served = spans(&store);
        let lost = served.iter().filter(|spans| **spans != WHOLE).count();
        assert!(lost <= 1, "byte {at}: {served:?}");
        if lost == 1 && served.last() == Some(&WHOLE) {
            assert!(!found.is_empty(), "byte {at} is not found");
            let kept = fs::read_dir(damaged.path().join("damaged")).expect("kept").count();
            assert_eq!(kept, 1, "the damaged log, and no mark any more");
        }
        drop(store);
        assert_eq!(repaired(damaged.path()).spans_lost, 0);
        assert_eq!(findings(damaged.path()).0, [] as [String; 0], "byte {at}");
        assert_eq!(spans(&open(damaged.path()).expect("opens")), served);
    }
}

#[test]
fn a_last_write_that_was_cut_off_costs_nothing_that_was_acknowledged() {
    let whole = folder();
    let file = files(whole.path(), ".log").pop().expect("a log");
    let name = file.file_name().expect("a name").to_owned();
    let before = fs::read(&file).expect("read").len();
    let longer = copy_of(whole.path());
    {
        // One more record, in place of the one that was being written.
        let store = open(longer.path()).expect("opens");
        write(&*store, &TenantId::single(), &trace(SEALED + LOGGED));
    }
    let file = files(longer.path(), ".log").pop().expect("a log");
    let bytes = fs::read(&file).expect("read");
    let last = file.file_name().expect("a name").to_owned();
    assert!(before > 0 && name != last, "a start begins a new log");
    for (garbage, step) in [(&b""[..], 61), (&[0x5a; 300][..], 67), (&[0; 5000][..], 71)] {
        for cut in (0..bytes.len()).step_by(step) {
            let torn = copy_of(longer.path());
            fs::write(torn.path().join(&last), [&bytes[..cut], garbage].concat()).expect("written");
            let store = open(torn.path()).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(spans(&store), [WHOLE; (SEALED + LOGGED) as usize], "cut at {cut}");
            write(&*store, &TenantId::single(), &trace(SEALED + LOGGED));
        }
    }
}

type Damage<'d> = Box<dyn Fn(&Path) + 'd>;

#[test]
fn what_says_how_files_belong_together_can_be_lost_and_made_again() {
    let whole = folder();
    let manifest = files(whole.path(), "").into_iter().find(|path| path.to_string_lossy().contains("MANIFEST-"));
    let manifest = manifest.expect("a manifest").file_name().expect("a name").to_owned();
    let len = fs::metadata(whole.path().join(&manifest)).expect("there").len() as usize;
    let damages: [(&str, Damage<'_>); 6] = [
        ("no CURRENT", Box::new(|folder| fs::remove_file(folder.join("CURRENT")).expect("removed"))),
        (
            "CURRENT names nothing",
            Box::new(|folder| fs::write(folder.join("CURRENT"), "MANIFEST-999999\n").expect("written")),
        ),
        ("CURRENT is empty", Box::new(|folder| fs::write(folder.join("CURRENT"), "").expect("written"))),
        ("no MANIFEST", Box::new(|folder| fs::remove_file(folder.join(&manifest)).expect("removed"))),
        ("a flip in the MANIFEST", Box::new(|folder| flip(&folder.join(&manifest), len / 2))),
        (
            "all but the segments is gone",
            Box::new(|folder| {
                let kept = segments(folder);
                files(folder, "")
                    .iter()
                    .filter(|file| file.is_file() && !kept.contains(file))
                    .for_each(|file| fs::remove_file(file).expect("removed"));
            }),
        ),
    ];
    for (what, damage) in damages {
        let folder = copy_of(whole.path());
        damage(folder.path());
        let refused = open(folder.path()).expect_err(what).to_string();
        assert!(refused.contains("hoptrail repair"), "{what}: {refused}");
        assert_eq!(findings(folder.path()).0.len(), 1, "{what}");
        repaired(folder.path());
        assert_eq!(findings(folder.path()).0, [] as [String; 0], "{what}");
        let served = spans(&open(folder.path()).expect("opens"));
        let expected = if what.starts_with("all but") { SEALED } else { SEALED + LOGGED } as usize;
        assert_eq!(served[..expected], vec![WHOLE; expected], "{what}");
    }
}

#[test]
fn small_tables_can_be_damaged_anywhere() {
    let whole = folder();
    // Closing and opening writes the log into a table of its own.
    drop(open(whole.path()).expect("opens"));
    let segments = segments(whole.path());
    let tables: Vec<_> = files(whole.path(), ".sst").into_iter().filter(|file| !segments.contains(file)).collect();
    assert!(tables.len() >= 3, "of the catalog, the log and the version: {tables:?}");
    for table in tables {
        let name = table.file_name().expect("a name").to_owned();
        for at in places(&table, 12) {
            let damaged = copy_of(whole.path());
            flip(&damaged.path().join(&name), at);
            let found = findings(damaged.path()).0.len();
            if let Ok(store) = open(damaged.path()) {
                let lost = spans(&store).iter().filter(|spans| **spans != WHOLE).count();
                assert!(
                    lost == 0 || found > 0 && lost <= LOGGED as usize,
                    "byte {at} of {name:?}: {lost} lost, {found} found"
                );
                write(&*store, &TenantId::single(), &trace(SEALED + LOGGED));
            }
            repaired(damaged.path());
            assert_eq!(findings(damaged.path()).0, [] as [String; 0], "byte {at} of {name:?}");
            let served = spans(&open(damaged.path()).expect("opens"));
            assert_eq!(served[..SEALED as usize], [WHOLE; SEALED as usize], "byte {at} of {name:?}");
        }
    }
}

#[test]
fn a_segment_whose_file_is_gone_does_not_hide_the_others() {
    let whole = folder();
    fs::remove_file(segments(whole.path()).remove(0)).expect("removed");
    let store = open(whole.path()).expect("opens");
    let context = QueryContext::unbounded();
    assert_eq!(spans(&store)[2..], [WHOLE; (SEALED + LOGGED - 2) as usize]);
    store.trace(&TenantId::single(), TraceId([1; 16]), &context).expect("an answer");
    assert!(context.left_out()[0].contains("segment 1"), "{:?}", context.left_out());
    drop(store);
    assert_eq!(repaired(whole.path()).spans_lost, 2 * SPANS);
    assert_eq!(findings(whole.path()).0, [] as [String; 0]);
}

/// How many spans are counted for ever.
fn counted(store: &Store, context: &QueryContext) -> i64 {
    let steps = RollupSteps::whole(TimeRange { start: 0, end: u64::MAX });
    let request = RollupRequest { table: RollupTable::Services, steps, service: None };
    let rollups = store.rollups(&TenantId::single(), &request, context).expect("answered");
    rollups.series.iter().map(|series| series.total().count).sum()
}

#[test]
fn damage_of_a_rollup_costs_no_span_and_is_repaired() {
    let folder = folder();
    let all = (SPANS * (SEALED + LOGGED)) as i64;
    let (segments, mut damaged) = (segments(folder.path()), 0);
    for file in files(folder.path(), ".sst").iter().filter(|file| !segments.contains(file)) {
        let copy = copy_of(folder.path());
        let file = copy.path().join(file.file_name().expect("a name"));
        // The first block has the pages.
        flip(&file, 40);
        if !findings(copy.path()).0.iter().any(|found| found.contains("group")) {
            continue;
        }
        damaged += 1;
        let (store, context) = (open(copy.path()).expect("opens"), QueryContext::unbounded());
        assert_eq!(spans(&store), vec![WHOLE; (SEALED + LOGGED) as usize]);
        let found = counted(&store, &context);
        assert!(found <= all && (found == all) == context.left_out().is_empty(), "{found} of {all}");
        drop(store);
        repaired(copy.path());
        assert_eq!(findings(copy.path()).0, Vec::<String>::new());
        let store = open(copy.path()).expect("opens");
        assert_eq!(spans(&store), vec![WHOLE; (SEALED + LOGGED) as usize]);
        counted(&store, &QueryContext::unbounded());
    }
    assert!(damaged > 1, "the rollups were damaged");
    assert_eq!(counted(&open(folder.path()).expect("opens"), &QueryContext::unbounded()), all);
}
