//! The fuzz targets as property tests: every seed, and seeds changed a little, hold what must hold for any bytes.

use std::path::Path;

use hoptrail_proto::checks::{otlp_json, otlp_walk};
use hoptrail_query::checks::traceql;
use hoptrail_storage::checks::{catalog, group, log_record, pages};
use proptest::prelude::*;
use proptest::sample::Index;

type Check = fn(&[u8]);

/// The targets of `fuzz/fuzz_targets`.
const TARGETS: [(&str, Check); 7] = [
    ("otlp_walk", otlp_walk),
    ("otlp_json", otlp_json),
    ("pages", pages),
    ("catalog", catalog),
    ("log_record", log_record),
    ("group", group),
    ("traceql", |bytes| traceql(&String::from_utf8_lossy(bytes))),
];

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

#[test]
fn every_target_is_here_and_has_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let files = std::fs::read_dir(folder).expect("the targets").map(|file| file.expect("a file").file_name());
    let mut found: Vec<String> = files.map(|name| name.to_string_lossy().replace(".rs", "")).collect();
    let mut known = TARGETS.map(|(target, _)| target);
    found.sort_unstable();
    known.sort_unstable();
    assert_eq!(found, known);
    for (target, check) in TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
        seeds.iter().for_each(|seed| check(seed));
    }
}

/// A change of a seed.
#[derive(Debug, Clone)]
enum Step {
    Set(Index, u8),
    Flip(Index, u32),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    /// What follows comes from another seed.
    Splice(Index, Index),
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<Index>;
    let byte = prop_oneof![any::<u8>(), prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff])];
    prop_oneof![
        4 => (at(), byte).prop_map(|(at, byte)| Step::Set(at, byte)),
        4 => (at(), 0u32..8).prop_map(|(at, bit)| Step::Flip(at, bit)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..5)).prop_map(|(at, bytes)| Step::Insert(at, bytes)),
        1 => (at(), 1usize..40).prop_map(|(at, len)| Step::Remove(at, len)),
        1 => (at(), 1usize..40).prop_map(|(at, len)| Step::Repeat(at, len)),
        1 => (at(), at()).prop_map(|(at, from)| Step::Splice(at, from)),
    ]
}

impl Step {
    fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        let len = bytes.len();
        let place = |at: &Index| at.index(len + 1);
        match self {
            Self::Set(at, new) => bytes.iter_mut().skip(place(at)).take(1).for_each(|byte| *byte = *new),
            Self::Flip(at, bit) => bytes.iter_mut().skip(place(at)).take(1).for_each(|byte| *byte ^= 1 << bit),
            Self::Insert(at, new) => _ = bytes.splice(place(at)..place(at), new.iter().copied()),
            Self::Remove(at, count) => _ = bytes.drain(place(at)..len.min(place(at) + count)),
            Self::Repeat(at, count) => bytes.extend_from_within(place(at)..len.min(place(at) + count)),
            Self::Splice(at, from) => {
                bytes.truncate(place(at));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
        }
    }
}

fn changed_seeds_hold(target: &str) {
    let (_, check) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target");
    let seeds = seeds(target);
    let input = (any::<[Index; 2]>(), prop::collection::vec(step(), 1..6));
    proptest!(ProptestConfig::with_cases(512), |((picks, steps) in input)| {
        let [seed, other] = picks.map(|pick| pick.get(&seeds));
        let mut bytes = seed.clone();
        steps.iter().for_each(|step| step.apply(&mut bytes, other));
        check(&bytes);
    });
}

#[test]
fn changed_requests_hold() {
    changed_seeds_hold("otlp_walk");
    changed_seeds_hold("otlp_json");
}

#[test]
fn changed_pages_and_records_hold() {
    changed_seeds_hold("pages");
    changed_seeds_hold("catalog");
    changed_seeds_hold("log_record");
}

#[test]
fn changed_segments_hold() {
    changed_seeds_hold("group");
}

#[test]
fn changed_queries_hold() {
    changed_seeds_hold("traceql");
}
