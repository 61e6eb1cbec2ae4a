//! Header blocks of HTTP/2 (RFC 7541), as far as the `:authority` in them has to be repaired.
//!
//! Both sides keep a table of headers that later blocks refer to by index. A replaced authority is as long as the old one, so both
//! tables still evict the same entries, and a later reference finds the repaired authority. No table is kept here.

use axum::http::uri::Authority;

/// A longer authority is left alone.
const MOST: usize = 255;

/// `:authority` in the static table.
const AUTHORITY: usize = 1;

/// The header block with a host for each `:authority` that is none. `None` when nothing has to be changed, and for a block that cannot
/// be read: the library will say so.
pub(super) fn repair(block: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut kept = 0;
    let mut rest = block;
    while let [first, ..] = rest {
        let from = block.len() - rest.len();
        let change = match first {
            0x80.. => (integer(&mut rest, 7)? == AUTHORITY).then(Vec::new),
            0x20..0x40 => integer(&mut rest, 5).map(|_| None)?,
            _ => literal(&mut rest, *first)?,
        };
        if let Some(change) = change {
            out.extend_from_slice(block.get(kept..from)?);
            out.extend_from_slice(&change);
            kept = block.len() - rest.len();
        }
    }
    (kept > 0).then(|| [&out, block.get(kept..).unwrap_or_default()].concat())
}

/// Reads past a literal field. Returns its replacement, when it is an authority that is no host.
fn literal(rest: &mut &[u8], first: u8) -> Option<Option<Vec<u8>>> {
    let start = *rest;
    let enters_table = first & 0x40 != 0;
    let is_authority = match integer(rest, if enters_table { 6 } else { 4 })? {
        0 => text(string(rest)?).is_some_and(|name| name == ":authority"),
        name => name == AUTHORITY,
    };
    let head = start.get(..start.len() - rest.len())?;
    let value = string(rest)?;
    let Some(value) = is_authority.then(|| text(value)).flatten() else { return Some(None) };
    if Authority::try_from(value.as_str()).is_ok() {
        return Some(None);
    }
    if value.is_empty() && !enters_table {
        return Some(Some(Vec::new()));
    }
    // An empty authority that enters the table cannot be left out. Its replacement is a byte longer, which matters only once the table
    // is full.
    let host = if value.is_empty() { "-".to_owned() } else { host(&value) };
    Some(Some([head, &[u8::try_from(host.len()).ok().filter(|length| *length < 127)?], host.as_bytes()].concat()))
}

/// A host of the same length: `outbound|4317||otel.svc` becomes `outbound-4317--otel.svc`.
fn host(authority: &str) -> String {
    authority.bytes().map(|byte| if is_plain(byte) { char::from(byte) } else { '-' }).collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.'
}

/// An integer in the lower `bits` of a byte, and in the bytes that follow when it is large.
fn integer(rest: &mut &[u8], bits: u32) -> Option<usize> {
    let most = (1 << bits) - 1;
    let mut value = byte(rest)? & most;
    if value < most {
        return Some(value);
    }
    for shift in [0, 7, 14, 21] {
        let byte = byte(rest)?;
        value += (byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn byte(rest: &mut &[u8]) -> Option<usize> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(usize::from(*first))
}

/// A string as it is sent: whether it is in Huffman's code, and its bytes.
fn string<'a>(rest: &mut &'a [u8]) -> Option<(bool, &'a [u8])> {
    let coded = rest.first()? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (bytes, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some((coded, bytes))
}

/// The text of a string; none when it is long, or other than printable ASCII in Huffman's code.
fn text((coded, bytes): (bool, &[u8])) -> Option<String> {
    if bytes.len() > MOST {
        return None;
    }
    if !coded {
        return Some(bytes.iter().map(|byte| char::from(*byte)).collect());
    }
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1)));
    let mut text = String::new();
    loop {
        match letter(&mut bits) {
            Letter::Known(letter) => text.push(letter),
            Letter::Padding => return Some(text),
            Letter::Other => return None,
        }
    }
}

enum Letter {
    Known(char),
    /// Less than a byte of ones, at the end.
    Padding,
    Other,
}

/// Printable ASCII in the code of RFC 7541, appendix B. A row: how many bits its codes have, the first of them, and the letters of
/// this code and the next ones. `(5, 0x0, "012...")`: five bits 00000 are `0`, 00001 are `1`.
const CODE: [(u32, u32, &str); 11] = [
    (5, 0x0, "012aceiost"),
    (6, 0x14, " %-./3456789=A_bdfghlmnpru"),
    (7, 0x5c, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, 0xf8, "&*,;XZ"),
    (10, 0x3f8, "!\"()?"),
    (11, 0x7fa, "'+|"),
    (12, 0xffa, "#>"),
    (13, 0x1ff9, "$@[]~"),
    (14, 0x3ffc, "^}"),
    (15, 0x7ffc, "<`{"),
    (19, 0x7fff0, "\\"),
];

fn letter(bits: &mut impl Iterator<Item = u32>) -> Letter {
    let (mut code, mut length) = (0, 0);
    for (wanted, first, letters) in CODE {
        while length < wanted {
            let Some(bit) = bits.next() else {
                let ones = (1 << length) - 1;
                return if length < 8 && code == ones { Letter::Padding } else { Letter::Other };
            };
            code = code << 1 | bit;
            length += 1;
        }
        let found = code.checked_sub(first).and_then(|at| letters.chars().nth(at as usize));
        if let Some(found) = found {
            return Letter::Known(found);
        }
    }
    Letter::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    /// POST, http, then an authority as given, then `/` and a header of its own.
    fn block(authority: &[u8]) -> Vec<u8> {
        [&[0x3f, 0xe1, 0x1f, 0x83, 0x86], authority, &[0x84, 0x40, 1, b'x', 0x81, 0x07]].concat()
    }

    fn plain(first: &[u8], text: &str) -> Vec<u8> {
        [first, &[text.len() as u8], text.as_bytes()].concat()
    }

    /// In Huffman's code.
    fn coded(first: &[u8], text: &str) -> Vec<u8> {
        let mut bits: Vec<u8> = Vec::new();
        for letter in text.chars() {
            let row = CODE.iter().find_map(|(n, first, letters)| Some((n, first, letters.find(letter)? as u32)));
            let (length, first, at) = row.expect("printable");
            bits.extend((0..*length).rev().map(|bit| ((first + at) >> bit & 1) as u8));
        }
        bits.resize(bits.len().next_multiple_of(8), 1);
        let bytes: Vec<u8> = bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
        [first, &[0x80 | bytes.len() as u8], &bytes].concat()
    }

    #[test]
    fn the_code_is_that_of_the_rfc() {
        let example = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(text((true, &example)).as_deref(), Some("www.example.com"));
        assert_eq!(coded(&[], "www.example.com")[1..], example);
        let all: String = (' '..='~').collect();
        let (first, rest) = all.split_at(48);
        for letters in [first, rest, ""] {
            assert_eq!(text((true, &coded(&[], letters)[1..])).as_deref(), Some(letters));
        }
        assert_eq!(text((true, &[0xff, 0xff, 0xff, 0xff])), None, "the end mark");
        assert_eq!(text((true, &[0xff])), None, "padding of a whole byte");
    }

    #[test]
    fn authorities_that_are_no_hosts_become_hosts_of_the_same_length() {
        let ways: [&[u8]; 4] = [&[0x41], &[0x01], &[0x11], b"\x40\x0a:authority"];
        for (authority, host) in [
            ("outbound|4317||otel.svc", "outbound-4317--otel.svc"),
            ("extension/namespace/auth", "extension-namespace-auth"),
            ("unix:/run/otel.sock", "unix--run-otel.sock"),
            ("a:b:c", "a-b-c"),
            ("a b", "a-b"),
            ("[::1", "---1"),
        ] {
            for first in ways {
                for written in [plain(first, authority), coded(first, authority)] {
                    let repaired = repair(&block(&written)).expect("repaired");
                    assert_eq!(repaired, block(&plain(first, host)), "{authority}");
                    assert_eq!(repair(&repaired), None, "{host} is a host");
                }
            }
        }
    }

    #[test]
    fn an_empty_authority_is_left_out_where_no_table_knows_it() {
        for (written, repaired) in [
            (vec![0x81], vec![]),
            (plain(&[0x01], ""), vec![]),
            (plain(&[0x11], ""), vec![]),
            (coded(&[0x01], ""), vec![]),
            (plain(&[0x41], ""), plain(&[0x41], "-")),
        ] {
            assert_eq!(repair(&block(&written)), Some(block(&repaired)), "{written:?}");
        }
    }

    #[test]
    fn hosts_and_all_other_fields_stay() {
        for authority in ["localhost:4317", "otel-collector.monitoring.svc.cluster.local", "[::1]:4317", "10.0.0.1"] {
            for written in [plain(&[0x41], authority), coded(&[0x01], authority)] {
                assert_eq!(repair(&block(&written)), None, "{authority}");
            }
        }
        assert_eq!(repair(&block(&plain(&[0x42], "a|b"))), None, "another name");
        assert_eq!(repair(&block(&plain(b"\x40\x0a:authoritx", "a|b"))), None, "another name");
        assert_eq!(repair(&block(&[0xbe])), None, "from the table");
    }

    #[test]
    fn what_cannot_be_read_stays() {
        let whole = block(&plain(&[0x41], "a|b"));
        for cut in 0..whole.len() {
            if let Some(repaired) = repair(&whole[..cut]) {
                assert_eq!(repaired.len(), cut, "only whole fields are repaired");
            }
        }
        for bytes in [[0xff; 40].as_slice(), &[0x41, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x7f], &[0x00]] {
            assert_eq!(repair(bytes), None, "{bytes:?}");
        }
    }
}
