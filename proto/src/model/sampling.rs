//! How many spans one span stands for, when its trace was sampled by a known probability (OpenTelemetry's `ot` entry of W3C trace state).

use super::TraceId;

/// Digits of a threshold or a randomness: 56 bits.
const DIGITS: usize = 14;

/// How many thresholds there can be.
const RANGE: u64 = 1 << (4 * DIGITS);

/// How many spans a span with this trace state stands for. `ot=th:HEX` says it: the trace was kept because its 56 bits of randomness are not
/// below the threshold. `None` when the threshold is missing or malformed, or when the trace's randomness contradicts it. The randomness is
/// `rv:HEX`, or else the last 7 bytes of the trace id.
///
/// ```
/// use hoptrail_proto::model::{TraceId, sampling};
///
/// let id = TraceId([0xff; 16]);
/// assert_eq!(sampling::weight("vendor=1, ot=th:c", id), Some(4.0));
/// assert_eq!(sampling::weight("ot=th:c", TraceId([1; 16])), None, "such a trace is not kept");
/// assert_eq!(sampling::weight("", id), None);
/// ```
#[must_use]
pub fn weight(trace_state: &str, id: TraceId) -> Option<f64> {
    let entry = trace_state.split(',').find_map(|entry| entry.trim().strip_prefix("ot="))?;
    let threshold = threshold(field(entry, "th")?)?;
    let randomness = match field(entry, "rv") {
        Some(digits) => randomness(digits)?,
        None => randomness_of(id),
    };
    // Both are below 2^56, so the share of the traces that are kept is more than 0.
    (randomness >= threshold).then(|| RANGE as f64 / (RANGE - threshold) as f64)
}

/// The value of `key:value` among several that are separated by `;`.
fn field<'a>(entry: &'a str, key: &str) -> Option<&'a str> {
    entry.split(';').find_map(|pair| pair.split_once(':').filter(|(name, _)| *name == key)).map(|(_, value)| value)
}

/// A threshold; zeros at its end may be left out.
fn threshold(digits: &str) -> Option<u64> {
    let missing = DIGITS.checked_sub(digits.len()).filter(|missing| *missing < DIGITS)?;
    Some(number(digits)? << (4 * missing))
}

fn randomness(digits: &str) -> Option<u64> {
    number(digits).filter(|_| digits.len() == DIGITS)
}

fn number(digits: &str) -> Option<u64> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits.bytes().all(is_digit).then(|| u64::from_str_radix(digits, 16).ok())?
}

fn randomness_of(id: TraceId) -> u64 {
    let [.., a, b, c, d, e, f, g] = id.0;
    u64::from_be_bytes([0, a, b, c, d, e, f, g])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trace with the greatest randomness.
    const KEPT: TraceId = TraceId([0xff; 16]);

    #[test]
    fn a_threshold_says_how_many_spans_one_stands_for() {
        for (state, expected) in [
            ("ot=th:0", 1.0),
            ("ot=th:8", 2.0),
            ("ot=th:80000000000000", 2.0),
            ("ot=th:fd70a", 99.999_046),
            ("ot=th:ffffffffffffff", RANGE as f64),
            ("a=b,ot=x:1;th:c;rv:c0000000000000", 4.0),
            (" a=b , ot=rv:ffffffffffffff;th:c ,ot=th:8", 4.0),
        ] {
            let found = weight(state, KEPT).unwrap_or_default();
            assert!((found / expected - 1.0).abs() < 1e-4, "{state}: {found}");
        }
    }

    #[test]
    fn what_is_malformed_has_no_weight() {
        let states =
            ["", "ot=", "ot=th", "ot=th:", "ot=th:g", "ot=th:C", "ot=th:+1", "ot=th:0123456789abcde", "ot=rv:8"];
        let more = ["xot=th:8", "ot=xth:8", "ot=th:8;rv:", "ot=th:8;rv:ff", "ot=th: 8", "ot=th:é", "OT=th:8", "th:8"];
        for state in states.iter().chain(&more) {
            assert_eq!(weight(state, KEPT), None, "{state}");
        }
    }

    #[test]
    fn randomness_below_the_threshold_contradicts_it() {
        let mut id = TraceId([0xff; 16]);
        id.0[9] = 0x7f;
        assert_eq!(weight("ot=th:8", id), None);
        id.0[9] = 0x80;
        assert_eq!(weight("ot=th:8", id), Some(2.0));
        assert_eq!(weight("ot=th:8;rv:7fffffffffffff", id), None);
        assert_eq!(weight("ot=th:8;rv:80000000000000", TraceId([0; 16])), Some(2.0));
    }
}
