//! Writes columns of strings and bytes.

use std::cell::RefCell;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::{BLOCK, CODED, PLAIN, Slot, TEMPLATES};
use crate::codec::bits::{BitWriter, width_byte, width_of};
use crate::codec::bytes::{put_bytes, put_varint};
use crate::codec::{blocks, len_u32, template};

/// Most distinct whole values of a dictionary.
const DICTIONARY: usize = 4096;

/// What the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// UTF-8; templates may be used.
    Text,
    /// Anything.
    Bytes,
}

/// Writes a page.
pub(crate) fn encode(values: &[&[u8]], content: Content) -> Vec<u8> {
    let most = DICTIONARY.min(values.len() / 4 + 16);
    if let Some((codes, dictionary)) = number_off(values.iter().copied(), most) {
        return encode_coded(CODED, &codes, &dictionary, &[]);
    }
    let templates = if content == Content::Text { encode_templates(values) } else { None };
    templates.unwrap_or_else(|| {
        let mut out = vec![PLAIN];
        put_varint(&mut out, values.len() as u64);
        out.extend_from_slice(&blocks::encode(values.iter().copied()));
        out
    })
}

/// Whether the page holds enough distinct values for a filter to pay.
pub(crate) fn wants_filter(page: &[u8]) -> bool {
    page.first() != Some(&CODED)
}

/// Gives each distinct value a code in order of appearance; `None` when there are more than `most`.
fn number_off<'a>(values: impl Iterator<Item = &'a [u8]>, most: usize) -> Option<(Vec<u32>, Vec<&'a [u8]>)> {
    let mut table: HashTable<u32> = HashTable::new();
    let mut known: Vec<&[u8]> = Vec::new();
    let mut codes = Vec::with_capacity(values.size_hint().0);
    for value in values {
        let hash = xxh3_64(value);
        let code = match table.find(hash, |code| known.get(*code as usize) == Some(&value)) {
            Some(code) => *code,
            None => {
                if known.len() == most {
                    return None;
                }
                let code = len_u32(known.len());
                table.insert_unique(hash, code, |code| known.get(*code as usize).map_or(0, |known| xxh3_64(known)));
                known.push(value);
                code
            }
        };
        codes.push(code);
    }
    Some((codes, known))
}

fn encode_coded(form: u8, codes: &[u32], dictionary: &[&[u8]], rest: &[u8]) -> Vec<u8> {
    let mut out = vec![form];
    put_varint(&mut out, codes.len() as u64);
    put_bytes(&mut out, &blocks::encode(dictionary.iter().copied()));
    let width = width_of(dictionary.len().saturating_sub(1) as u64);
    let mut packed = BitWriter::default();
    codes.iter().for_each(|code| packed.put(u64::from(*code), width));
    put_bytes(&mut out, &packed.finish());
    out.extend_from_slice(rest);
    out
}

/// Bytes of text that are kept for the next page.
const MOST_KEPT: usize = 8 << 20;

/// Buffers of [`encode_templates`], used again for the next page.
#[derive(Default)]
struct Scratch {
    texts: Vec<u8>,
    ends: Vec<usize>,
    numbers: Vec<u64>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn encode_templates(values: &[&[u8]]) -> Option<Vec<u8>> {
    SCRATCH.with_borrow_mut(|scratch| encode_templates_in(values, scratch))
}

fn encode_templates_in(values: &[&[u8]], Scratch { texts, ends, numbers }: &mut Scratch) -> Option<Vec<u8>> {
    texts.clear();
    texts.shrink_to(MOST_KEPT);
    ends.clear();
    numbers.clear();
    let (mut template, mut found) = (Vec::new(), Vec::new());
    for value in values {
        template::split(value, &mut template, &mut found);
        texts.extend_from_slice(&template);
        ends.push(texts.len());
        numbers.extend_from_slice(&found);
    }
    let mut start = 0;
    let split = ends.iter().map(|end| texts.get(std::mem::replace(&mut start, *end)..*end).unwrap_or_default());
    let (codes, dictionary) = number_off(split, values.len() / 8 + 16)?;
    let slots = slots(&codes, &dictionary, numbers);
    Some(encode_coded(TEMPLATES, &codes, &dictionary, &encode_numbers(&codes, &slots, numbers)))
}

/// The range of each number of each template.
fn slots(codes: &[u32], dictionary: &[&[u8]], numbers: &[u64]) -> Vec<Vec<Slot>> {
    let mut ranges: Vec<Vec<(u64, u64)>> =
        dictionary.iter().map(|template| vec![(u64::MAX, 0); template::variables(template)]).collect();
    let mut numbers = numbers.iter();
    for code in codes {
        let Some(ranges) = ranges.get_mut(*code as usize) else { continue };
        for (range, number) in ranges.iter_mut().zip(&mut numbers) {
            *range = (range.0.min(*number), range.1.max(*number));
        }
    }
    ranges.into_iter().map(|ranges| ranges.into_iter().map(slot_of).collect()).collect()
}

/// The slot for numbers from `least` to `most`; `least` is greater when there are none.
fn slot_of((least, most): (u64, u64)) -> Slot {
    Slot { base: least.min(most), width: width_of(most.saturating_sub(least)) }
}

fn encode_numbers(codes: &[u32], slots: &[Vec<Slot>], numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    for slots in slots {
        put_varint(&mut out, slots.len() as u64);
        for slot in slots {
            put_varint(&mut out, slot.base);
            out.push(width_byte(slot.width));
        }
    }
    let mut offsets = Vec::new();
    let mut packed = BitWriter::default();
    let mut numbers = numbers.iter();
    for (row, code) in codes.iter().enumerate() {
        if row.is_multiple_of(BLOCK) {
            offsets.extend_from_slice(&len_u32(packed.len()).to_le_bytes());
        }
        let Some(slots) = slots.get(*code as usize) else { continue };
        for (slot, number) in slots.iter().zip(&mut numbers) {
            packed.put(number - slot.base, slot.width);
        }
    }
    out.extend_from_slice(&offsets);
    out.extend_from_slice(&packed.finish());
    out
}
