//! Values of any kind are written, and read again.

use std::collections::BTreeSet;

use crate::codec::bits::{self, BitWriter, Bitmap};
use crate::codec::blocks::{self, BlockCursor, Blocks};
use crate::codec::fuse;
use crate::codec::ints::{self, Ints};
use crate::codec::strings::{self, Content, StringCursor, Strings};

/// The first byte gives the width of a value in bytes, less one.
pub(super) fn integers(input: &[u8]) {
    let Some((width, rest)) = input.split_first() else { return };
    let values: Vec<u64> = rest.chunks(usize::from(width % 8) + 1).map(big_endian).collect();
    let written = ints::encode(&values);
    let page = Ints::parse(&written).expect("what is written is read");
    assert_eq!(page.decode().as_ref(), Ok(&values));
    for (row, value) in values.iter().enumerate() {
        assert_eq!(page.get(row), Ok(*value));
    }
    assert!(page.get(values.len()).is_err());
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The values: one a line.
fn lines(input: &[u8]) -> Vec<&[u8]> {
    input.split(|byte| *byte == b'\n').collect()
}

pub(super) fn strings(input: &[u8], content: Content) {
    let text = String::from_utf8_lossy(input);
    let values = lines(if content == Content::Text { text.as_bytes() } else { input });
    let written = strings::encode(&values, content);
    let page = Strings::parse(&written).expect("what is written is read");
    let _ = strings::wants_filter(&written);
    assert_eq!(page.len(), values.len());
    let mut cursor = StringCursor::new(&page);
    for row in (0..values.len()).chain((0..values.len()).rev().step_by(7)) {
        let mut found = Vec::new();
        assert_eq!(cursor.read(row, &mut found), Ok(()));
        assert_eq!(found, values[row]);
    }
    for wanted in values.iter().step_by(values.len() / 8 + 1).copied().chain([b"7".as_slice(), b""]) {
        let expected: Vec<usize> = (0..values.len()).filter(|row| values[*row] == wanted).collect();
        let found = page.find(wanted).expect("what is written is read");
        assert!(found.iter().eq(expected.iter().copied()), "found are not the rows of the value");
        assert_eq!(page.select(&Bitmap::all(page.len()), |value| value == wanted), Ok(found));
    }
    let mut distinct = BTreeSet::new();
    let seen = page.distinct(&Bitmap::all(values.len()), |value| _ = distinct.insert(value.to_vec()));
    assert_eq!(seen, Ok(()));
    assert!(distinct.iter().map(Vec::as_slice).eq(values.iter().copied().collect::<BTreeSet<_>>()));
}

pub(super) fn list(input: &[u8]) {
    let values = lines(input);
    let written = blocks::encode(values.iter().copied());
    let list = Blocks::parse(&written).expect("what is written is read");
    assert_eq!(list.len(), values.len());
    let mut found = Vec::new();
    assert_eq!(list.each(|row, value| found.push((row, value.to_vec()))), Ok(()));
    assert!(found.iter().map(|(row, value)| (*row, value.as_slice())).eq(values.iter().copied().enumerate()));
    let mut cursor = BlockCursor::new(list);
    for (row, value) in values.iter().enumerate().rev() {
        assert_eq!(cursor.get(row), Ok(*value));
    }
}

pub(super) fn filter(input: &[u8]) {
    let members: Vec<u64> = lines(input).into_iter().map(fuse::hash).collect();
    let set = fuse::encode(members.clone());
    assert!(members.iter().all(|member| fuse::may_hold(&set, *member) == Ok(true)), "a member is missing");
}

/// Each value takes nine bytes of `input`: its width (1 byte) and its bits (8).
pub(super) fn bit_stream(input: &[u8]) {
    let mut writer = BitWriter::default();
    let mut expected = Vec::new();
    for [width, value @ ..] in input.as_chunks::<9>().0 {
        let width = u32::from(*width) % 65;
        let value = u64::from_le_bytes(*value) & u64::MAX.checked_shr(64 - width).unwrap_or(0);
        expected.push((writer.len(), width, value));
        writer.put(value, width);
    }
    let stream = writer.finish();
    for (at, width, value) in expected {
        assert_eq!(bits::read(&stream, at, width), Ok(value), "{width} bits at {at}");
    }
}
