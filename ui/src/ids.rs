//! Ids as people have them: hex, base64, UUID, the headers that carry them, an address, or a line of a log with one of these in it.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hoptrail_proto::model::{SpanId, TraceId};

/// Longest text that is read.
pub(crate) const MOST_BYTES: usize = 16 << 10;
/// Fewest digits of a short form: fewer are in too many ids.
const SHORT: usize = 8;
/// What stands between a word and its value, and between the parts of a path.
const SEPARATORS: [char; 3] = ['=', ':', '/'];
const DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, ANY_PADDING);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, ANY_PADDING);

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// A trace, and maybe a span of it.
    Trace(TraceId, Option<SpanId>),
    /// 1 to 31 digits, in lower case: an id without its leading zeros, the first digits of one, or that of a span.
    Digits(String),
}

impl Named {
    /// Whether it is a whole id and no part of one.
    fn is_whole(&self) -> bool {
        matches!(self, Self::Trace(..))
    }

    /// How much it says: a whole id with its span, a whole id, digits.
    fn rank(&self) -> u8 {
        match self {
            Self::Trace(_, Some(_)) => 0,
            Self::Trace(_, None) => 1,
            Self::Digits(_) => 2,
        }
    }
}

/// What a text names, or has in it; `None` when nothing of it is an id. Of several, what follows a word such as `trace_id` counts, then
/// what says most.
pub(crate) fn find(text: &str) -> Option<Named> {
    let text = text.trim();
    if text.len() > MOST_BYTES {
        return None;
    }
    let is_one_word = !text.contains(char::is_whitespace);
    let alone = is_one_word.then(|| word(text).or_else(|| digits(text))).flatten();
    alone.or_else(|| inside(text))
}

/// The best of what stands in a longer text. Digits alone count only where a word says that they are an id.
fn inside(text: &str) -> Option<Named> {
    let ends = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;|&?#\\".contains(c);
    let mut best: Option<(u8, Named)> = None;
    let mut is_announced = false;
    for piece in text.split(ends).filter(|piece| !piece.is_empty()) {
        if let Some(named) = hexadecimal(piece) {
            keep(&mut best, is_announced, named);
        }
        let mut rest = piece;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.find(SEPARATORS).map_or(rest.len(), |at| at + 1));
            let value = part.trim_end_matches(SEPARATORS);
            // Base64 may have separators in it.
            let told = || is_announced.then(|| of_base64(rest).or_else(|| digits(value))).flatten();
            if let Some(named) = hexadecimal(value).or_else(told) {
                keep(&mut best, is_announced, named);
            }
            is_announced = if value.is_empty() { is_announced } else { announces(value) };
            rest = after;
        }
    }
    best.map(|(_, named)| named)
}

fn keep(best: &mut Option<(u8, Named)>, is_announced: bool, named: Named) {
    let rank = named.rank() + if is_announced && named.is_whole() { 0 } else { 3 };
    if best.as_ref().is_none_or(|(known, _)| rank < *known) {
        *best = Some((rank, named));
    }
}

/// Whether the next word is the id of a trace: `trace_id`, `traceId`, `dd.trace_id`, `traceparent`, `X-B3-TraceId`, `uber-trace-id`.
fn announces(word: &str) -> bool {
    let word: String = word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    ["trace", "traceid", "traceparent", "b3"].iter().any(|end| word.ends_with(end))
}

/// A word that is a whole id of any form.
pub(crate) fn word(text: &str) -> Option<Named> {
    hexadecimal(text).or_else(|| of_base64(text))
}

/// Forms that are made of hex digits: an id, `0x…`, a UUID, `traceparent`, B3 in one header, Jaeger's and X-Ray's headers.
fn hexadecimal(text: &str) -> Option<Named> {
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("Root=")).unwrap_or(text);
    let dashes: Vec<&str> = text.split('-').collect();
    match dashes.as_slice() {
        [id] => trace(id, DIGITS..=DIGITS).or_else(|| jaeger(text)),
        // version-trace-span-flags, and what a later version adds.
        [version, id, span, flags, ..] if (version.len(), flags.len()) == (2, 2) && span.len() == SPAN_DIGITS => {
            with_span(id, DIGITS..=DIGITS, span)
        }
        [a, b, c, d, e] if [a, b, c, d, e].map(|part| part.len()) == [8, 4, 4, 4, 12] => {
            trace(&dashes.concat(), DIGITS..=DIGITS)
        }
        ["1", time, rest] if (time.len(), rest.len()) == (8, 24) => trace(&format!("{time}{rest}"), DIGITS..=DIGITS),
        [id, span, ..] if id.len() == DIGITS || id.len() == SPAN_DIGITS => with_span(id, SPAN_DIGITS..=DIGITS, span),
        _ => None,
    }
}

/// `trace:span:parent:flags`, without leading zeros.
fn jaeger(text: &str) -> Option<Named> {
    let parts: Vec<&str> = text.split(':').collect();
    let [id, span, _, _] = parts.as_slice() else { return None };
    let id = all_hex(id, 1..=DIGITS)?.parse().ok()?;
    Some(Named::Trace(id, all_hex(span, 1..=SPAN_DIGITS).and_then(|span| span.parse().ok())))
}

fn with_span(id: &str, length: std::ops::RangeInclusive<usize>, span: &str) -> Option<Named> {
    let id = all_hex(id, length)?.parse().ok()?;
    Some(Named::Trace(id, Some(all_hex(span, SPAN_DIGITS..=SPAN_DIGITS)?.parse().ok()?)))
}

fn trace(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<Named> {
    Some(Named::Trace(all_hex(text, length)?.parse().ok()?, None))
}

fn all_hex(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<&str> {
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

fn digits(text: &str) -> Option<Named> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    all_hex(text, 1..=DIGITS - 1)
        .filter(|text| text.bytes().any(|byte| byte != b'0'))
        .map(|text| Named::Digits(text.to_ascii_lowercase()))
}

fn of_base64(text: &str) -> Option<Named> {
    if !(22..=24).contains(&text.len()) {
        return None;
    }
    let bytes = STANDARD.decode(text).or_else(|_| FOR_URLS.decode(text)).ok()?;
    TraceId::from_bytes(&bytes).map(|id| Named::Trace(id, None))
}

/// Whether so many digits are enough to look for ids that begin with them.
pub(crate) fn is_short_form(digits: &str) -> bool {
    digits.len() >= SHORT
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn id() -> TraceId {
        ID.parse().expect("an id")
    }

    #[test]
    fn an_id_is_known_in_every_form() {
        for text in [
            ID,
            "4BF92F3577B34DA6A3CE929D0E0E4736",
            " 0x4bf92f3577b34da6a3ce929d0e0e4736\n",
            "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
            "1-4bf92f35-77b34da6a3ce929d0e0e4736",
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736",
            "S/kvNXezTaajzpKdDg5HNg==",
            "S/kvNXezTaajzpKdDg5HNg",
            "S_kvNXezTaajzpKdDg5HNg",
            "https://jaeger.example/trace/4bf92f3577b34da6a3ce929d0e0e4736?uiFind=x",
            "http://grafana/explore?left={%22query%22:%224bf92f3577b34da6a3ce929d0e0e4736%22}#4bf92f3577b34da6a3ce929d0e0e4736",
            "2026-01-31T18:30:00Z ERROR pay failed trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
            "{\"level\":\"info\",\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"msg\":\"x\"}",
            "request=00000000000000000000000000000abc trace.id: 4bf92f3577b34da6a3ce929d0e0e4736",
            "msg=\"x\" traceID=S/kvNXezTaajzpKdDg5HNg==",
            "[shop,4bf92f3577b34da6a3ce929d0e0e4736,00f067aa0ba902b7] order",
        ] {
            assert_eq!(find(text), Some(Named::Trace(id(), None)), "{text}");
        }
    }

    #[test]
    fn headers_name_a_span_as_well() {
        let traceparent = format!("00-{ID}-{SPAN}-01");
        for text in [
            traceparent.clone(),
            format!("traceparent: {traceparent}"),
            format!("{{\"traceparent\":\"{traceparent}\"}}"),
            format!("{ID}-{SPAN}-1"),
            format!("b3: {ID}-{SPAN}-1-05e3ac9a4f6e3b90"),
            format!("{ID}:{SPAN}:0:1"),
            format!("uber-trace-id: {ID}:f067aa0ba902b7:0:1"),
        ] {
            assert_eq!(find(&text), Some(Named::Trace(id(), SPAN.parse().ok())), "{text}");
        }
        let short = find("463ac35c9f6413ad-0020000000000001-1");
        assert_eq!(short, Some(Named::Trace("463ac35c9f6413ad".parse().expect("id"), "0020000000000001".parse().ok())));
    }

    #[test]
    fn digits_are_a_part_of_an_id() {
        for (text, digits) in
            [("ABC", "abc"), ("4bf92f35", "4bf92f35"), ("0xabc", "abc"), ("trace_id=4bf92f35", "4bf92f35")]
        {
            assert_eq!(find(text), Some(Named::Digits(digits.to_owned())), "{text}");
        }
        assert!(is_short_form("4bf92f35") && !is_short_form("4bf92f3"));
    }

    #[test]
    fn other_texts_are_none() {
        let zeros = "0".repeat(32);
        let long = format!("{} {ID}", "x".repeat(MOST_BYTES));
        for text in
            ["", " ", "xyz", &zeros, "000", "GET /cart 200 in 5 ms", "dead beef", &long, "é", "a=b", "0x", "-", "::::"]
        {
            assert_eq!(find(text), None, "{text}");
        }
        assert_eq!(find(&"1".repeat(33)), None);
    }
}
