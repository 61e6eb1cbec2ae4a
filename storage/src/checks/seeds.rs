//! Makes the first inputs of the fuzzer from the requests in `tests/fixtures/capture`. A property test runs the same checks with any spans.

use std::path::{Path, PathBuf};

use hoptrail_proto::model::TenantId;
use proptest::prelude::*;

use super::group;
use crate::catalog::SegmentEntry;
use crate::codec::strings::{self, Content};
use crate::codec::{blocks, fuse, ints};
use crate::log::Record;
use crate::rows::Rows;
use crate::segment::{encode, pages, tail};
use crate::test_spans::{any_batch, encode as request};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn write(target: &str, name: &str, seed: &[u8]) {
    let folder = project().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), seed).expect("written");
}

/// Protobuf requests of real SDKs.
fn requests() -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(project().join("tests/fixtures/capture")).expect("the capture");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pb"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a request")).collect()
}

#[test]
#[ignore = "writes the seeds again, after a change of the format"]
fn write_the_seeds() {
    write_pages();
    write_values();
    let (mut rows, mut record) = (Rows::default(), Record::default());
    for (number, body) in requests().iter().enumerate() {
        rows.append_request(body).expect("valid");
        record.push(1_700_000_000_000_000_000 + number as u64, &TenantId::single(), body);
        write("group", &format!("intact-{number}"), &[&[0], body.as_slice()].concat());
        let damages = [[2, 0, 1, 5, 0, 9], [5, 0, 2, 40, 0, 3], [0, 0, 3, 60, 0, 0]].concat();
        write("group", &format!("damaged-{number}"), &[&[3], damages.as_slice(), body].concat());
    }
    let record = record.encode().expect("memory").to_vec();
    write("log_record", "requests", &record);
    write("log_record", "no-requests", Record::default().encode().expect("memory"));
    let raw = zstd::bulk::decompress(&record[13..], 1 << 20).expect("zstd");
    write("log_record", "what-is-compressed", &raw);
    let (_, written) = encode(&[&rows]).expect("fits");
    let tenant = TenantId::single();
    let mut entry = SegmentEntry { id: 7, tenant, bytes: 1 << 16, received: (1, 2), groups: written.groups };
    write("catalog", "one-group", &entry.encode());
    entry.groups = [entry.groups.clone(), entry.groups.clone(), entry.groups].concat();
    write("catalog", "three-groups", &entry.encode());
    entry.groups.clear();
    write("catalog", "no-groups", &entry.encode());
}

fn put(kind: u8, name: &str, page: &[u8]) {
    write("pages", name, &[&[kind], page].concat());
}

fn write_pages() {
    let counted: Vec<u64> = (0..600).map(|row| 1_000_000 + row * row).collect();
    put(b'I', "integers-blocks", &ints::encode(&counted));
    put(b'I', "integers-dictionary", &ints::encode(&[7, 1000, 7, 7, 1 << 40].repeat(40)));
    put(b'I', "integers-constant", &ints::encode(&[5; 300]));
    put(b'I', "integers-none", &ints::encode(&[]));
    let texts = |text: fn(u32) -> String| (0..300).map(text).collect::<Vec<String>>();
    let few = texts(|row| format!("method-{}", row % 5));
    let templates = texts(|row| format!("GET /users/{}/orders/{:04}", row * 7919 % 100_003, row % 13));
    let odd = texts(|row| format!("{:x}z{:x}", row.wrapping_mul(0x9e37_79b9), row.wrapping_mul(77)));
    for (name, texts) in [("coded", &few), ("templates", &templates), ("plain", &odd)] {
        let values: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        put(b'S', &format!("strings-{name}"), &strings::encode(&values, Content::Text));
        put(b't', &format!("texts-{name}"), &values.join(&b'\n'));
    }
    put(b'L', "list", &blocks::encode(odd.iter().map(String::as_bytes)));
    put(b'L', "list-of-three", &blocks::encode([b"GET".as_slice(), b"", b"PUT"].into_iter()));
    put(b'F', "filter", &fuse::encode(odd.iter().map(|text| fuse::hash(text.as_bytes())).collect()));
    put(b'B', "bits", &[&[9, 0, 33], &[0x5a; 24][..]].concat());
    let mut rows = Rows::default();
    requests().iter().for_each(|body| rows.append_request(body).expect("valid"));
    let (mut segment, _) = encode(&[&rows]).expect("fits");
    put(b'D', "description", &segment.remove(&tail::METADATA).expect("metadata"));
    put(b'T', "trace-filters", &segment.remove(&tail::GROUP_TRACE_FILTERS).expect("filters"));
    put(b'N', "names", &segment.remove(&tail::NAMES).expect("names"));
    put(b'A', "about", &segment.remove(&tail::ABOUT).expect("whose it is"));
    for (id, page) in segment.into_iter().filter(|(id, _)| matches!(id.page, pages::STARTS | pages::SPAN_SHAPES)) {
        put(b'I', &format!("captured-page-{}", id.page), &page);
    }
}

fn write_values() {
    put(b'i', "values-wide", &[&[7], &[0x81; 64][..], &[0; 64]].concat());
    put(b'i', "values-narrow", &[&[0], b"some text as numbers, some text as numbers".as_slice()].concat());
    put(b'b', "bytes", b"\xff\x00\n\xff\n\n\xfe\xff");
    put(b'l', "values-of-a-list", b"one\ntwo\n\nthree");
    put(b'f', "members", b"one\ntwo\nthree\none");
    put(b'w', "values-of-bits", &[5, 31, 0, 0, 0, 0, 0, 0, 0, 64, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
}

proptest! {
    #[test]
    fn any_spans_come_back_and_any_damage_is_read_without_panic(
        batch in any_batch(),
        damages in prop::collection::vec(any::<[u8; 6]>(), 0..4),
    ) {
        group(&[&[damages.len() as u8], damages.concat().as_slice(), &request(&batch)].concat());
    }
}
