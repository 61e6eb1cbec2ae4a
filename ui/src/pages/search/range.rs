//! Moments as the form holds them. A time without an offset is in the visitor's zone. Where clocks go back, an hour comes twice: a
//! start is then in the first one and an end in the second, so that the range has all that was asked for. The page writes times
//! with their offset.

use hoptrail_query::TimeRange;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::field_error::FieldError;
use crate::format;

/// Which end of the range a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    From,
    To,
}

impl Edge {
    /// The field's name.
    fn field(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
        }
    }
}

/// How a time is put into the form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TimeInput {
    /// The type of the input: text for what `datetime-local` cannot hold.
    pub(crate) kind: &'static str,
    pub(crate) value: String,
}

/// The typed time with its offset; what cannot be read stays as it is.
pub(super) fn normal(text: &str, zone: &TimeZone, edge: Edge) -> String {
    nanos(text, zone, edge).map_or_else(|| text.to_owned(), |nanos| format::exact_time(nanos, zone))
}

/// The input for a time: the browser's own where a time without offset says enough.
pub(crate) fn input(text: &str, zone: &TimeZone, edge: Edge) -> TimeInput {
    if text.is_empty() {
        return TimeInput { kind: "datetime-local", value: String::new() };
    }
    let moment = nanos(text, zone, edge);
    let local = moment.map(|moment| format::local_input(moment, zone));
    match local.filter(|local| nanos(local, zone, edge) == moment) {
        Some(value) => TimeInput { kind: "datetime-local", value },
        None => TimeInput { kind: "text", value: text.to_owned() },
    }
}

/// The range between two times, either of which may be empty.
pub(super) fn between(from: &str, to: &str, zone: &TimeZone) -> Result<TimeRange, FieldError> {
    let start = if from.is_empty() { 0 } else { moment(from, zone, Edge::From)? };
    let end = if to.is_empty() { u64::MAX } else { moment(to, zone, Edge::To)? };
    if start < end {
        Ok(TimeRange { start, end })
    } else {
        Err(FieldError::new("to", "The end must lie after the start."))
    }
}

fn moment(text: &str, zone: &TimeZone, edge: Edge) -> Result<u64, FieldError> {
    nanos(text, zone, edge).ok_or_else(|| {
        let form = "Write it like 2026-01-31T18:30, or with its offset, like 2026-01-31T18:30+01:00.";
        FieldError::new(edge.field(), format!("{text:?} is no date and time. {form}"))
    })
}

/// Nanoseconds since 1970 UTC.
fn nanos(text: &str, zone: &TimeZone, edge: Edge) -> Option<u64> {
    let with_offset = text.parse::<Timestamp>().ok();
    let time =
        with_offset.or_else(|| local(text, zone, edge)).or_else(|| named(text, zone)).or_else(|| decoded(text))?;
    u64::try_from(time.as_nanosecond()).ok()
}

/// A time without an offset.
fn local(text: &str, zone: &TimeZone, edge: Edge) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    let both = zone.to_ambiguous_zoned(civil);
    let zoned = if edge == Edge::From { both.earlier() } else { both.later() };
    Some(zoned.ok()?.timestamp())
}

/// A time with the short name of its zone, as pages show it: `2026-01-31 18:30:00.000 CET`.
fn named(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let (time, name) = text.rsplit_once(' ')?;
    let civil: DateTime = time.trim_end().parse().ok()?;
    if name == "UTC" {
        return Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    let both = || zone.to_ambiguous_zoned(civil);
    let has_name = |zoned: &Zoned| zoned.strftime("%Z").to_string() == name;
    let found = [both().earlier().ok()?, both().later().ok()?].into_iter().find(has_name)?;
    Some(found.timestamp())
}

/// A time whose `+` became a space, because it stood in the URL as it is.
fn decoded(text: &str) -> Option<Timestamp> {
    let (time, offset) = text.rsplit_once(' ')?;
    format!("{time}+{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// 2026-10-25T00:30:00Z: 02:30 in Berlin, the first time. The second time is an hour later.
    const FIRST: u64 = 1_792_888_200 * SECOND;
    const SECOND_TIME: u64 = FIRST + 3_600 * SECOND;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").expect("zone")
    }

    fn read(text: &str) -> Option<u64> {
        nanos(text, &berlin(), Edge::From)
    }

    #[test]
    fn offsets_count() {
        for text in [
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:30+01:00",
            "2026-10-25T02:30:00.000+01:00[Europe/Berlin]",
            "2026-10-25 02:30:00.000 CET",
            "2026-10-25 01:30:00.000 UTC",
            "2026-10-24T20:30:00-05:00",
            "2026-10-25T02:30:00 01:00",
        ] {
            assert_eq!(read(text), Some(SECOND_TIME), "{text}");
        }
        assert_eq!(read("2026-10-25 02:30:00 CEST"), Some(FIRST));
        for text in
            ["2026-10-25 02:30:00 EST", "02:30", "2026-10-25T02:30+01:00 x", "1900-01-01T00:00Z", "Z", " ", "+01:00"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_is_asked_for_whole() {
        let range = between("2026-10-25T02:30", "2026-10-25T02:30", &berlin()).expect("range");
        assert_eq!((range.start, range.end), (FIRST, SECOND_TIME));
        let gap = between("2026-03-29T02:15", "2026-03-29T02:45", &berlin()).expect("range");
        assert!(gap.start < gap.end, "an hour that does not come is no fault");
    }

    #[test]
    fn what_the_form_holds_reads_back() {
        for zone in [berlin(), TimeZone::UTC, TimeZone::get("Australia/Lord_Howe").expect("zone")] {
            for edge in [Edge::From, Edge::To] {
                for quarter in 0..(400 * 96) {
                    let time = FIRST - 200 * 86_400 * SECOND + quarter * 900 * SECOND;
                    let text = format::exact_time(time, &zone);
                    assert_eq!(nanos(&text, &zone, edge), Some(time), "{text}");
                    let input = input(&text, &zone, edge);
                    assert_eq!(nanos(&input.value, &zone, edge), Some(time), "{input:?}");
                }
            }
        }
        let kinds = [(FIRST, Edge::From), (SECOND_TIME, Edge::From), (FIRST, Edge::To), (SECOND_TIME, Edge::To)]
            .map(|(time, edge)| input(&format::exact_time(time, &berlin()), &berlin(), edge).kind);
        assert_eq!(kinds, ["datetime-local", "text", "text", "datetime-local"]);
        let exact = format::exact_time(FIRST + 123_456_789, &TimeZone::UTC);
        assert_eq!(exact, "2026-10-25T00:30:00.123456789+00:00");
        assert_eq!(input(&exact, &TimeZone::UTC, Edge::From), TimeInput { kind: "text", value: exact });
        assert_eq!(input("soon", &TimeZone::UTC, Edge::To), TimeInput { kind: "text", value: "soon".into() });
    }
}
