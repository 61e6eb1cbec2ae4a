//! Pages of any bytes: reading gives an error or an answer, and the same answer in every way of reading.

use xxhash_rust::xxh3::xxh3_64;

use super::written;
use crate::codec::bits::{self, Bitmap};
use crate::codec::blocks::{BlockCursor, Blocks};
use crate::codec::fuse;
use crate::codec::ints::Ints;
use crate::codec::strings::{Content, Pieces, StringCursor, Strings};
use crate::names::Names;
use crate::segment::{About, GroupFilters, Metadata};

/// The first byte says what the others are. A capital letter means a page, which is read: `I`ntegers, `S`trings, string `L`ist, `F`ilter,
/// `B`it stream, meta`D`ata, `T`race filters, `N`ames, `A`bout. A small letter means values, which are written and read again: `i`ntegers,
/// `t`exts, `b`ytes, string `l`ist, members of a `f`ilter, values of a bit `w`riter.
pub fn pages(input: &[u8]) {
    let Some((what, rest)) = input.split_first() else { return };
    match what {
        b'I' => integers(rest),
        b'S' => strings(rest),
        b'L' => list(rest),
        b'F' => filter(rest),
        b'B' => bit_stream(rest),
        b'D' => description(rest),
        b'T' | b'N' | b'A' => tail_page(*what, rest),
        b'i' => written::integers(rest),
        b't' => written::strings(rest, Content::Text),
        b'b' => written::strings(rest, Content::Bytes),
        b'l' => written::list(rest),
        b'f' => written::filter(rest),
        b'w' => written::bit_stream(rest),
        _ => {}
    }
}

/// Rows up to which every one is compared.
const COMPARED: usize = 1 << 12;

/// A page of the tail is refused, or its value is the same after it was written and read again.
fn tail_page(what: u8, page: &[u8]) {
    match what {
        b'T' => _ = GroupFilters::decode(page).map(|filters| filters.may_hold(0, fuse::hash(&[1; 16]))),
        b'N' => {
            if let Ok(names) = Names::decode_list(page) {
                assert_eq!(Names::decode_list(&Names::encode_list(names.as_ref())), Ok(names));
            }
        }
        _ => {
            if let Ok(about) = About::decode(page) {
                assert_eq!(About::decode(&about.encode()), Ok(about));
            }
        }
    }
}

fn integers(page: &[u8]) {
    let Ok(page) = Ints::parse(page) else { return };
    let len = page.len();
    assert!(page.get(len).is_err() && page.each(0, len + 1, |_| ()).is_err());
    let Ok(values) = page.decode() else {
        // The page is damaged somewhere, but single rows may be readable.
        let _ = page.get(0);
        let _ = page.get(len / 2);
        return;
    };
    assert_eq!(values.len(), len);
    for row in (0..len).step_by(len / COMPARED + 1) {
        assert_eq!(page.get(row), Ok(values[row]));
    }
    let (from, to) = (len / 3, len - len / 4);
    let mut some = Vec::new();
    assert_eq!(page.each(from, to, |value| some.push(value)), Ok(()));
    assert_eq!(some, values[from..to]);
}

/// Most bytes of values that are read of a page. More would only take time: a short page can repeat a long value.
const ENOUGH: usize = 1 << 22;

fn strings(page: &[u8]) {
    let Ok(page) = Strings::parse(page) else { return };
    let mut value = Vec::new();
    assert!(StringCursor::new(&page).read(page.len(), &mut value).is_err());
    if page.len() > COMPARED {
        return;
    }
    let mut cursor = StringCursor::new(&page);
    let mut hashes = Vec::new();
    let mut total = 0;
    for row in 0..page.len() {
        value.clear();
        if cursor.read(row, &mut value).is_err() {
            break;
        }
        total += value.len();
        if total > ENOUGH {
            return;
        }
        hashes.push(xxh3_64(&value));
    }
    let mut backwards = StringCursor::new(&page);
    for (row, hash) in hashes.iter().enumerate().rev() {
        value.clear();
        assert_eq!(backwards.read(row, &mut value), Ok(()));
        assert_eq!(xxh3_64(&value), *hash, "row {row}");
    }
    let first = hashes.first().copied().unwrap_or_default();
    if let Ok(rows) = page.select(&Bitmap::all(page.len()), |value| xxh3_64(value) == first)
        && hashes.len() == page.len()
    {
        let expected = (0..hashes.len()).filter(|row| hashes[*row] == first);
        assert!(rows.iter().eq(expected), "selected are not the rows of equal values");
    }
    if let Ok(Some(rows)) = page.select_pieces(&Bitmap::all(page.len()), &mut Odd) {
        let whole = page.select(&Bitmap::all(page.len()), |value| value.iter().fold(0, odd) & 1 == 1);
        assert_eq!(whole, Ok(rows), "selected in pieces are not the rows selected");
    }
    let _ = page.find(&value);
    let _ = page.distinct(&Bitmap::all(page.len()), |_| ());
}

/// A test of texts in pieces: whether the hash of all bytes, in their order, is odd.
struct Odd;

fn odd(number: u32, byte: &u8) -> u32 {
    (number ^ u32::from(*byte)).wrapping_mul(0x9e37_79b1).rotate_right(13)
}

impl Pieces for Odd {
    type State = u32;

    fn start(&mut self) -> Option<u32> {
        Some(0)
    }

    fn take(&mut self, state: u32, piece: &[u8]) -> Option<u32> {
        Some(piece.iter().fold(state, odd))
    }

    fn decided(&self, _: u32) -> Option<bool> {
        None
    }

    fn ends(&mut self, state: u32) -> Option<bool> {
        Some(state & 1 == 1)
    }
}

fn list(bytes: &[u8]) {
    let Ok(list) = Blocks::parse(bytes) else { return };
    let mut found = Vec::new();
    let walked = list.each(|row, string| {
        if found.len() < COMPARED {
            found.push((row, xxh3_64(string)));
        }
    });
    let mut cursor = BlockCursor::new(list);
    assert!(cursor.get(list.len()).is_err());
    if walked.is_ok() && found.len() < COMPARED {
        assert!(found.iter().map(|(row, _)| *row).eq(0..list.len()), "strings are missing or come twice");
        for (row, hash) in found.into_iter().rev() {
            assert_eq!(cursor.get(row).map(xxh3_64), Ok(hash));
        }
    }
}

fn filter(set: &[u8]) {
    for member in [b"".as_slice(), b"a", set] {
        let _ = fuse::may_hold(set, fuse::hash(member));
    }
}

/// `input` is a position (2 bytes), a width (1 byte) and a stream. A value read at once equals the same bits read one by one.
fn bit_stream(input: &[u8]) {
    let [low, high, width, stream @ ..] = input else { return };
    let (at, width) = (usize::from(u16::from_le_bytes([*low, *high])), u32::from(*width) % 65);
    let Ok(value) = bits::read(stream, at, width) else { return };
    let expected = (0..width as usize).fold(0, |sum, bit| sum | bit_at(stream, at + bit) << bit);
    assert_eq!(value, expected);
}

fn bit_at(stream: &[u8], position: usize) -> u64 {
    stream.get(position / 8).map_or(0, |byte| u64::from(byte >> (position % 8) & 1))
}

fn description(page: &[u8]) {
    let Ok(meta) = Metadata::decode(page) else { return };
    let _ = meta.memory();
    let written = meta.encode().expect("what was read fits");
    let again = Metadata::decode(&written).expect("what is written is read");
    assert_eq!(again.encode().expect("the same"), written);
}
