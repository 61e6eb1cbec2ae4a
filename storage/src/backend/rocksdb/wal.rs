//! RocksDB's write-ahead log as bytes. RocksDB gives up at a damaged record, or skips all records of its 32 KiB. This reader loses only the
//! damaged record itself.
//!
//! The file is blocks of 32 KiB. A block holds fragments: CRC-32C of type and payload, masked (u32), length (u16), type (u8), payload. A
//! record is one fragment of type 1, or one each of types 2 (first), 3 (middle, any number) and 4 (last). A rest of a block that is too
//! short for a header is zero. Reserved bytes that are not yet written are zero, too.

use std::ops::Range;

use crc::{CRC_32_ISCSI, Crc};

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The payload ranges of the fragments of each whole record.
    pub(crate) records: Vec<Vec<Range<usize>>>,
    /// Ranges in which something was written that is no whole record.
    pub(crate) damage: Vec<Range<usize>>,
    /// Whether the file ends inside of a record, as an unfinished write leaves it.
    pub(crate) torn: bool,
}

/// Finds the records of a file; `None` when it has a form that this hoptrail never writes.
pub(crate) fn scan(file: &[u8]) -> Option<Scan> {
    let mut scan = Scan::default();
    let mut record: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let block_end = (at / BLOCK + 1) * BLOCK;
        let rest = file.get(at..block_end.min(file.len())).unwrap_or_default();
        if rest.len() < HEADER && at + rest.len() == block_end {
            // The rest of the block is too short for a fragment.
            at = block_end;
            continue;
        }
        match read(rest) {
            Read::Empty => at = block_end,
            Read::Unknown => return None,
            Read::Fragment(kind, len) => {
                let payload = at + HEADER..at + HEADER + len;
                at = payload.end;
                scan.add(&mut record, kind, payload);
            }
            found @ (Read::CutOff | Read::Damaged) => {
                let next = resume(rest).map(|skip| at + skip);
                if matches!(found, Read::CutOff) && next.is_none() && block_end >= file.len() {
                    scan.torn = true;
                    record.clear();
                    break;
                }
                scan.give_up(&mut record);
                let next = next.unwrap_or(at + rest.len());
                scan.damage.push(at..next);
                at = next;
            }
        }
    }
    scan.torn |= !record.is_empty();
    Some(scan)
}

/// Whether the last block of a file has a record that seems to go on behind the end of the file, and other records after it. RocksDB takes
/// the first one for an unfinished write, and does not see the others.
pub(crate) fn hides_records(mut block: &[u8]) -> bool {
    loop {
        match read(block) {
            Read::Fragment(_, len) => block = block.get(HEADER + len..).unwrap_or_default(),
            Read::CutOff => return resume(block).is_some(),
            _ => return false,
        }
    }
}

/// The last block of a file of this length.
pub(crate) fn last_block(len: u64) -> u64 {
    len.saturating_sub(1) / BLOCK as u64 * BLOCK as u64
}

/// Where the next sound fragment is in the rest of a block. The rest begins with damage.
fn resume(rest: &[u8]) -> Option<usize> {
    (1..rest.len()).find(|skip| rest.get(*skip..).is_some_and(|rest| matches!(read(rest), Read::Fragment(..))))
}

impl Scan {
    fn add(&mut self, record: &mut Vec<Range<usize>>, kind: u8, payload: Range<usize>) {
        let begins = kind == FULL || kind == FIRST;
        if begins {
            self.give_up(record);
        }
        if begins || !record.is_empty() {
            record.push(payload);
            if kind == FULL || kind == LAST {
                self.records.push(std::mem::take(record));
            }
        } else {
            self.damage.push(payload);
        }
    }

    /// The record that has begun is damaged: its end is missing.
    fn give_up(&mut self, record: &mut Vec<Range<usize>>) {
        self.damage.append(record);
    }
}

enum Read {
    /// Nothing was written up to the end of the block.
    Empty,
    /// The bytes end before the fragment does.
    CutOff,
    Damaged,
    /// Sound, but of a type that is not known here.
    Unknown,
    Fragment(u8, usize),
}

/// What stands at the beginning of `bytes`, the rest of a block.
fn read(bytes: &[u8]) -> Read {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return if bytes.iter().all(|byte| *byte == 0) { Read::Empty } else { Read::CutOff };
    };
    let [a, b, c, d, low, high, kind] = *header;
    let (checksum, len) = (u32::from_le_bytes([a, b, c, d]), usize::from(u16::from_le_bytes([low, high])));
    if checksum == 0 && len == 0 && kind == 0 {
        return if rest.iter().all(|byte| *byte == 0) { Read::Empty } else { Read::Damaged };
    }
    let Some(payload) = rest.get(..len) else {
        return if (FULL..=LAST).contains(&kind) { Read::CutOff } else { Read::Damaged };
    };
    if masked(crc32c(&[kind], payload)) != checksum {
        return Read::Damaged;
    }
    if (FULL..=LAST).contains(&kind) { Read::Fragment(kind, len) } else { Read::Unknown }
}

/// A file with these records and nothing else.
pub(crate) fn write(file: &[u8], records: &[Vec<Range<usize>>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len());
    for record in records {
        let payload: Vec<u8> = record.iter().filter_map(|range| file.get(range.clone())).flatten().copied().collect();
        append(&mut out, &payload);
    }
    out
}

fn append(out: &mut Vec<u8>, payload: &[u8]) {
    let mut rest = payload;
    let mut first = true;
    loop {
        let room = BLOCK - out.len() % BLOCK;
        if room < HEADER {
            out.resize(out.len() + room, 0);
            continue;
        }
        let (part, left) = rest.split_at(rest.len().min(room - HEADER));
        let kind = match (first, left.is_empty()) {
            (true, true) => FULL,
            (true, false) => FIRST,
            (false, false) => MIDDLE,
            (false, true) => LAST,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a part is shorter than a block, which has 32 KiB")]
        let len = part.len() as u16;
        out.extend_from_slice(&masked(crc32c(&[kind], part)).to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.push(kind);
        out.extend_from_slice(part);
        if left.is_empty() {
            return;
        }
        (rest, first) = (left, false);
    }
}

/// RocksDB stores checksums so, because a checksum over bytes that hold a checksum is weak.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The polynomial of Castagnoli, which RocksDB uses.
const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

fn crc32c(first: &[u8], rest: &[u8]) -> u32 {
    let mut digest = CASTAGNOLI.digest();
    digest.update(first);
    digest.update(rest);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file_of(records: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        records.iter().for_each(|record| append(&mut out, record));
        out
    }

    fn records_in(file: &[u8]) -> (Vec<Vec<u8>>, usize, bool) {
        let scan = scan(file).unwrap();
        let record =
            |ranges: &Vec<Range<usize>>| ranges.iter().flat_map(|range| file[range.clone()].to_vec()).collect();
        (scan.records.iter().map(record).collect(), scan.damage.len(), scan.torn)
    }

    fn sample() -> Vec<Vec<u8>> {
        [10usize, 40_000, 3, 100_000, 32_768 - 14, 1, 0, 7]
            .map(|len| (0..len).map(|n| (n * 31 + len) as u8).collect())
            .to_vec()
    }

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc32c(b"1234", b"56789"), 0xe306_9283);
    }

    #[test]
    fn records_come_back_also_when_space_was_reserved_after_them() {
        let mut file = file_of(&sample());
        assert_eq!(records_in(&file), (sample(), 0, false));
        file.resize(file.len() + 100_000, 0);
        assert_eq!(records_in(&file), (sample(), 0, false));
    }

    #[test]
    fn a_cut_anywhere_loses_the_last_record_only() {
        let (records, whole) = (sample(), file_of(&sample()));
        let start = file_of(&records[..3]).len();
        let end = file_of(&records[..4]).len();
        for cut in (start + 1..end).step_by(1997).chain([end - 1]) {
            let (found, damage, torn) = records_in(&whole[..cut]);
            assert_eq!((&found[..], damage), (&records[..3], 0), "cut at {cut}");
            // A cut after the zeros that end a block leaves nothing of the record.
            assert!(torn || whole[start..cut].iter().all(|byte| *byte == 0), "cut at {cut}");
        }
    }

    #[test]
    fn a_form_that_is_never_written_is_left_alone() {
        let mut file = file_of(&sample()[..1]);
        file[6] = 9;
        let checksum = masked(crc32c(&[9], &sample()[0]));
        file[..4].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(scan(&file), None);
    }

    #[test]
    fn a_record_that_seems_too_long_is_told_from_one_that_was_cut_off() {
        let mut file = file_of(&sample()[4..]);
        let last = last_block(file.len() as u64) as usize;
        assert!(!hides_records(&file[last..]));
        assert!(!hides_records(&file[last..file.len() - 1]), "the last write was cut off");
        // The length of the record with one byte.
        file[last + 5] ^= 0x40;
        assert!(hides_records(&file[last..]));
        assert_eq!(records_in(&file).0, [&sample()[4..5], &sample()[6..]].concat());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn a_flip_costs_one_record_and_the_rest_can_be_written_again(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let records = sample();
            let mut file = file_of(&records);
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            let scan = scan(&file).unwrap();
            let kept = write(&file, &scan.records);
            let (found, damage, torn) = records_in(&kept);
            prop_assert_eq!((damage, torn), (0, false));
            prop_assert!(found.len() + 1 >= records.len(), "{} of {}", found.len(), records.len());
            let mut left = records.iter();
            prop_assert!(found.iter().all(|record| left.any(|known| known == record)));
            prop_assert!(found.len() == records.len() || !scan.damage.is_empty() || scan.torn);
        }

        #[test]
        fn garbage_at_the_end_is_damage_and_no_record(garbage in prop::collection::vec(1u8..=255, 1..300)) {
            let file = [file_of(&sample()), garbage].concat();
            let (found, _, _) = records_in(&file);
            prop_assert_eq!(found, sample());
        }
    }
}
