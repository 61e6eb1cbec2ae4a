//! Durations as text: Go's units, and Prometheus' days, weeks and years.

const UNITS: [(&str, u128); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5
    ("μs", 1_000), // U+03BC
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];
const YEAR: (&str, u128) = ("y", 365 * 86_400_000_000_000);

/// Reads `1h30m`, `1.5s`, `2d`, or a bare `0`: nanoseconds. A fraction below a nanosecond is cut.
///
/// ```
/// assert_eq!(hoptrail_query::traceql::parse_duration("1m30s"), Ok(90_000_000_000));
/// ```
///
/// # Errors
/// A text that says what is wrong: no number, no or an unknown unit, or more than 292 years.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits == "0" {
        return Ok(0);
    }
    let nanos = parse_unsigned(digits).map_err(|reason| format!("{text:?} is no duration: {reason}"))?;
    Ok(if negative { -nanos } else { nanos })
}

fn parse_unsigned(mut rest: &str) -> Result<i64, String> {
    if rest.is_empty() {
        return Err("it is empty".into());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanos, after) = parse_part(rest)?;
        total += nanos;
        if total > i64::MAX as u128 {
            return Err("it is longer than 292 years".into());
        }
        rest = after;
    }
    i64::try_from(total).map_err(|_| "it is longer than 292 years".into())
}

/// Reads one number with its unit.
fn parse_part(text: &str) -> Result<(u128, &str), String> {
    let whole = leading_digits(text);
    let after_whole = &text[whole.len()..];
    let fraction = after_whole.strip_prefix('.').map(leading_digits);
    if whole.is_empty() && fraction.is_none_or(str::is_empty) {
        return Err(format!("a number is missing before {text:?}"));
    }
    let rest = fraction.map_or(after_whole, |fraction| &after_whole[1 + fraction.len()..]);
    let word_length = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (word, rest) = rest.split_at(word_length);
    let Some((_, unit)) = UNITS.into_iter().chain([YEAR]).find(|(name, _)| *name == word) else {
        let units = "ns, us, ms, s, m, h, d, w or y";
        return Err(if word.is_empty() {
            format!("a unit is missing; write {units}")
        } else {
            format!("unknown unit {word:?}; write {units}")
        });
    };
    if whole.len() > 19 {
        return Err("it is longer than 292 years".into());
    }
    let mut nanos = whole.parse::<u128>().unwrap_or_default() * unit;
    let mut scale = unit;
    for digit in fraction.unwrap_or_default().bytes() {
        nanos += u128::from(digit - b'0') * scale / 10;
        scale /= 10;
        if scale == 0 {
            break;
        }
    }
    Ok((nanos, rest))
}

fn leading_digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

/// Writes nanoseconds as Go does: `1h0m5s`, `1.5ms`, `0s`.
#[must_use]
pub fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}", format_unsigned(nanos.unsigned_abs()))
}

fn format_unsigned(nanos: u64) -> String {
    match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(nanos, 1_000_000, "ms"),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// `value / unit` exactly, without trailing zeros.
fn decimal(value: u64, unit: u64, name: &str) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}{name}", value / unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_units_of_go_and_prometheus() {
        let second = 1_000_000_000;
        for (text, nanos) in [
            ("0", 0),
            ("5ns", 5),
            ("2us", 2_000),
            ("2µs", 2_000),
            ("2μs", 2_000),
            ("1.5ms", 1_500_000),
            (".5s", second / 2),
            ("1h30m", 5_400 * second),
            ("1d", 86_400 * second),
            ("1w2d", 9 * 86_400 * second),
            ("1y", 365 * 86_400 * second),
            ("-2s", -2 * second),
            ("1.0000000019s", second + 1),
            ("9223372036854775807ns", i64::MAX),
        ] {
            assert_eq!(parse_duration(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn says_why_a_text_is_no_duration() {
        for (text, reason) in [
            ("", "empty"),
            ("5", "unit is missing"),
            ("5x", "unknown unit \"x\""),
            ("s", "number is missing"),
            (".s", "number is missing"),
            ("1s.", "number is missing"),
            ("1.2.3s", "unit is missing"),
            ("300y", "292 years"),
            ("99999999999999999999ns", "292 years"),
            ("1sé", "unknown unit"),
        ] {
            let found = parse_duration(text).expect_err(text);
            assert!(found.contains(reason), "{text}: {found}");
        }
    }

    #[test]
    fn writes_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (305_000_000_000, "5m5s"),
            (305_001_000_000, "5m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(format_duration(nanos), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(nanos in (i64::MIN + 1)..=i64::MAX) {
            prop_assert_eq!(parse_duration(&format_duration(nanos)), Ok(nanos));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC*") {
            let _ = parse_duration(&text);
        }
    }
}
