//! Catalog entries and log records of any bytes.

use hoptrail_proto::model::TenantId;
use xxhash_rust::xxh3::xxh3_64;

use crate::TimeRange;
use crate::catalog::SegmentEntry;
use crate::codec::{Damaged, len_u32};
use crate::log::{Record, each_request};

/// A catalog entry is refused, or is the same after it was written and read again.
pub fn catalog(entry: &[u8]) {
    let Ok(entry) = SegmentEntry::decode(7, entry) else { return };
    let _ = entry.spans();
    for group in &entry.groups {
        let _ = group.overlaps(Some(TimeRange { start: group.starts.1, end: group.starts.0 }));
    }
    let written = entry.encode();
    assert_eq!(SegmentEntry::decode(7, &written), Ok(entry));
}

/// A log record is refused, or its requests are the same after they were written and read again. The bytes are tried in three ways: as they
/// are, with a correct checksum, and as the compressed contents of a record.
pub fn log_record(bytes: &[u8]) {
    requests(bytes);
    if let Some(([version, _, _, _, _, _, _, _, _, raw_len @ ..], rest)) = bytes.split_first_chunk::<13>() {
        requests(&framed(*version, raw_len, rest));
    }
    if let Ok(packed) = zstd::bulk::compress(bytes, 1) {
        requests(&framed(1, &len_u32(bytes.len()).to_le_bytes(), &packed));
    }
}

/// A record with a checksum that fits.
fn framed(version: u8, raw_len: &[u8], packed: &[u8]) -> Vec<u8> {
    [&[version], &xxh3_64(packed).to_le_bytes()[..], raw_len, packed].concat()
}

fn requests(record: &[u8]) {
    let Ok(found) = read(record) else { return };
    let mut again = Record::default();
    found.iter().for_each(|(received, tenant, body)| again.push(*received, tenant, body));
    let again = again.encode().expect("memory is there");
    assert_eq!(read(again), Ok(found));
}

/// The requests of a record: arrival, tenant and body of each.
fn read(record: &[u8]) -> Result<Vec<(u64, TenantId, Vec<u8>)>, Damaged> {
    let mut found = Vec::new();
    each_request(record, |received, tenant, body| found.push((received, tenant, body.to_vec())))?;
    Ok(found)
}
