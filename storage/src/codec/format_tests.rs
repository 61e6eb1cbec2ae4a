//! Tests that `FORMAT.md` and the code agree: the code writes its examples, and a reader written from its text alone reads a page.

use super::strings::{Content, encode};
use super::{blocks, bytes, fuse, ints};

const FORMAT: &str = include_str!("../../FORMAT.md");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_examples_are_what_is_written() {
    let mut varint = Vec::new();
    bytes::put_varint(&mut varint, 300);
    let texts = |texts: &[&'static str]| texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>();
    let users: Vec<String> = (100..131).map(|number| format!("user-{number}/cart")).collect();
    let mut users: Vec<&[u8]> = users.iter().map(String::as_bytes).collect();
    users.push(b"user-007/cart");
    let examples = [
        ("varint 300", varint),
        ("integers 1, 2, 3", ints::encode(&[1, 2, 3])),
        ("integers 7, 1000, 7 and 1000 again, 16 in all", ints::encode(&[7, 1000].repeat(8))),
        ("int -1 as integer", ints::encode(&[ints::ordered(-1)])),
        ("string list `GET`, the empty string, `PUT`", blocks::encode(texts(&["GET", "", "PUT"]).into_iter())),
        ("string page `GET`, `PUT`, `GET`", encode(&texts(&["GET", "PUT", "GET"]), Content::Text)),
        ("string page `user-100/cart` to `user-130/cart`, then `user-007/cart`", encode(&users, Content::Text)),
        ("filter with the one member `a`", fuse::encode(vec![fuse::hash(b"a")])),
    ];
    let missing: Vec<String> = examples
        .iter()
        .map(|(what, bytes)| format!("| {what} | `{}` |", hex(bytes)))
        .filter(|line| !FORMAT.contains(line.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in FORMAT.md:\n{}", missing.join("\n"));
}

/// Reads a string page by §5 of `FORMAT.md`, sharing nothing with the code it checks.
mod by_the_document {
    pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

    impl<'a> Bytes<'a> {
        fn take(&mut self, count: usize) -> &'a [u8] {
            let (taken, rest) = self.0.split_at(count);
            self.0 = rest;
            taken
        }

        fn fixed(&mut self, count: usize) -> usize {
            self.take(count).iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
        }

        fn varint(&mut self) -> usize {
            let byte = self.fixed(1);
            if byte < 128 { byte } else { byte - 128 + (self.varint() << 7) }
        }

        fn sized(&mut self) -> Self {
            let length = self.varint();
            Bytes(self.take(length))
        }
    }

    fn bits(stream: &[u8], from: usize, width: usize) -> u64 {
        (0..width)
            .map(|bit| from + bit)
            .enumerate()
            .fold(0, |value, (bit, at)| value | u64::from(stream[at / 8] >> (at % 8) & 1) << bit)
    }

    fn width(largest: usize) -> usize {
        (usize::BITS - largest.leading_zeros()) as usize
    }

    fn list(mut input: Bytes<'_>) -> Vec<Vec<u8>> {
        let (count, blocks) = (input.varint(), input.varint());
        let table: Vec<[usize; 3]> = (0..blocks).map(|_| [(); 3].map(|()| input.fixed(4))).collect();
        let mut strings = Vec::new();
        for (block, [first, at, raw]) in table.iter().enumerate() {
            let (next, end) = table.get(block + 1).map_or((count, input.0.len()), |next| (next[0], next[1]));
            let stored = &input.0[*at..end];
            let raw = if *raw == 0 { stored.to_vec() } else { zstd::bulk::decompress(stored, *raw).expect("zstd") };
            let mut inside = Bytes(&raw);
            let lengths: Vec<usize> = (*first..next).map(|_| inside.varint()).collect();
            strings.extend(lengths.into_iter().map(|length| inside.take(length).to_vec()));
        }
        strings
    }

    fn fill(template: &[u8], mut number: impl FnMut() -> u64) -> String {
        let mut text = Vec::new();
        let mut at = 0;
        while at < template.len() {
            if template[at] != 0xff {
                text.push(template[at]);
                at += 1;
                continue;
            }
            let written = match template[at + 1] {
                b'#' => number().to_string(),
                class @ 0x42..=0x51 => format!("{:0width$x}", number(), width = usize::from(class - 0x41)),
                class => format!("{:0width$}", number(), width = usize::from(class - 0x61)),
            };
            text.extend(written.bytes());
            at += 2;
        }
        String::from_utf8(text).expect("text")
    }

    pub(super) fn string_page(page: &[u8]) -> Vec<String> {
        let mut input = Bytes(page);
        let (form, count) = (input.fixed(1), input.varint());
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).expect("text");
        if form == 0 {
            return list(input).iter().map(text).collect();
        }
        let dictionary = list(input.sized());
        let codes = input.sized().0;
        let code_width = width(dictionary.len() - 1);
        let code = |row: usize| bits(codes, row * code_width, code_width) as usize;
        if form == 1 {
            return (0..count).map(|row| text(&dictionary[code(row)])).collect();
        }
        let mut slots: Vec<Vec<_>> = Vec::new();
        for _ in &dictionary {
            let numbers = input.varint();
            slots.push((0..numbers).map(|_| (input.varint() as u64, input.fixed(1))).collect());
        }
        let starts: Vec<usize> = (0..count.div_ceil(128)).map(|_| input.fixed(4)).collect();
        let mut at = 0;
        let value = |row: usize| {
            let mut slots = slots[code(row)].iter();
            assert!(!row.is_multiple_of(128) || starts[row / 128] == at, "the position of row {row}");
            fill(&dictionary[code(row)], || {
                let (base, width) = slots.next().expect("a slot");
                at += width;
                base.wrapping_add(bits(input.0, at - width, *width))
            })
        };
        (0..count).map(value).collect()
    }
}

#[test]
fn pages_are_read_by_the_document() {
    let mixed = |row: u64| match row % 5 {
        0 => format!("GET /users/{}/orders/{:06}", row * 7919 % 500_000, row),
        1 => format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", row * 77_777_777 % (1 << 32), row, row, row, row << 20),
        2 => format!("10.{}.{}.7 took {row}ms", row % 256, row / 256),
        3 => format!("{:x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        _ => format!("x{}y é ünd {}", row % 50, u64::MAX - row),
    };
    let few = |row: u64| format!("method {}", row % 7);
    let odd = |row: u64| format!("q{}r{}s", row * 31, row * 17);
    for (form, make) in [(1, few as fn(u64) -> String), (0, odd), (2, |row| format!("item {row}")), (2, mixed)] {
        let values: Vec<String> = (0..5000).map(make).collect();
        let slices: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
        let page = encode(&slices, Content::Text);
        assert_eq!(by_the_document::string_page(&page), values);
        assert_eq!(page.first(), Some(&form), "{}", values[1]);
    }
}
