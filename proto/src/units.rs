//! Sizes and durations as settings write them: `128MiB`, `5m`.
//!
//! A setting keeps its plain type and names the module that reads it:
//!
//! ```
//! use std::time::Duration;
//!
//! use hoptrail_proto::units;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Config {
//!     #[serde(with = "units::size")]
//!     cache: usize,
//!     #[serde(with = "units::duration")]
//!     timeout: Duration,
//! }
//!
//! let config: Config = serde_json::from_str(r#"{"cache": "128MiB", "timeout": "1m30s"}"#).unwrap();
//! assert_eq!((config.cache, config.timeout), (128 << 20, Duration::from_secs(90)));
//! assert_eq!(serde_json::to_string(&config).unwrap(), r#"{"cache":"128MiB","timeout":"90s"}"#);
//! ```
//!
//! Zero needs no unit. Any other number does, so that nobody mistakes bytes for megabytes.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserializer, Serializer};

/// A number of bytes, shown in the largest unit that divides it: `64MiB`, `1000B`, `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time, shown in the largest unit that divides it: `14d`, `90s`, `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// A text that is no size or no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnit {
    /// It is something else.
    #[error("{text:?} is no {kind}: write a whole number with one of the units {units}, for example {example}")]
    NotOne {
        /// What was written.
        text: String,
        /// `size` or `duration`.
        kind: &'static str,
        /// The units that are known.
        units: &'static str,
        /// How to write one.
        example: &'static str,
    },
    /// It does not fit 64 bits of bytes or nanoseconds.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// The units of one kind of setting.
struct Units {
    kind: &'static str,
    names: &'static str,
    example: &'static str,
    /// Each unit and what it is worth, the largest first.
    worth: &'static [(&'static str, u64)],
    /// Units that are read and never written.
    also: &'static [(&'static str, u64)],
}

const SIZES: Units = Units {
    kind: "size",
    names: "B, KiB, MiB, GiB, TiB",
    example: "128MiB",
    worth: &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)],
    also: &[("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)],
};

/// In nanoseconds.
const DURATIONS: Units = Units {
    kind: "duration",
    names: "ns, us, ms, s, m, h, d",
    example: "5m",
    worth: &[
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ],
    also: &[],
};

impl Units {
    /// Reads `5m`, also as a sum: `1h30m`.
    fn parse(&self, text: &str) -> Result<u64, InvalidUnit> {
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(0);
        }
        let mut sum: Option<u64> = None;
        while !rest.is_empty() {
            let (value, after) = self.term(rest).ok_or_else(|| self.not_one(text))?;
            let worth = value.and_then(|value| value.checked_add(sum.unwrap_or(0)));
            sum = Some(worth.ok_or_else(|| InvalidUnit::TooLarge(text.to_owned()))?);
            rest = after;
        }
        sum.ok_or_else(|| self.not_one(text))
    }

    /// The first number of a text with its unit, and what follows; the value is none when it does not fit.
    fn term<'a>(&self, text: &'a str) -> Option<(Option<u64>, &'a str)> {
        let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let rest = rest.trim_start();
        let (unit, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()));
        let mut units = self.worth.iter().chain(self.also);
        let (_, worth) = units.find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        let is_number = !digits.is_empty();
        is_number.then(|| (digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*worth)), after))
    }

    fn not_one(&self, text: &str) -> InvalidUnit {
        let Self { kind, names: units, example, .. } = *self;
        InvalidUnit::NotOne { text: text.to_owned(), kind, units, example }
    }

    fn show(&self, value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.worth.iter().find(|(_, worth)| value.is_multiple_of(*worth)) {
            Some((unit, worth)) if value > 0 => write!(f, "{}{unit}", value / worth),
            _ => write!(f, "{value}"),
        }
    }
}

impl FromStr for Size {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        SIZES.parse(text).map(Self)
    }
}

impl FromStr for Time {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        DURATIONS.parse(text).map(|nanos| Self(Duration::from_nanos(nanos)))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SIZES.show(self.0, f)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DURATIONS.show(u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX), f)
    }
}

/// Reads a value from text, and zero from a number as well: YAML and JSON write it without quotes.
struct ReadUnit<T> {
    units: &'static Units,
    value: PhantomData<T>,
}

impl<T: FromStr<Err = InvalidUnit>> Visitor<'_> for ReadUnit<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} such as {}", self.units.kind, self.units.example)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

fn write_unit<S: Serializer>(value: &impl fmt::Display, is_zero: bool, serializer: S) -> Result<S::Ok, S::Error> {
    if is_zero { serializer.serialize_u64(0) } else { serializer.collect_str(value) }
}

/// `#[serde(with = "units::size")]`: bytes in a `u64` or `usize`.
pub mod size {
    use super::{Deserializer, PhantomData, ReadUnit, SIZES, Serializer, Size, de, write_unit};

    /// Writes the size as text; zero as a number.
    pub fn serialize<T, S>(bytes: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Copy + TryInto<u64>,
        S: Serializer,
    {
        let size = Size((*bytes).try_into().unwrap_or(u64::MAX));
        write_unit(&size, size.0 == 0, serializer)
    }

    /// Reads a size.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: TryFrom<u64>,
        D: Deserializer<'de>,
    {
        let Size(bytes) = deserializer.deserialize_any(ReadUnit { units: &SIZES, value: PhantomData })?;
        T::try_from(bytes).map_err(|_| de::Error::custom("the size is too large"))
    }
}

/// `#[serde(with = "units::duration")]`: a length of time.
pub mod duration {
    use super::{DURATIONS, Deserializer, Duration, PhantomData, ReadUnit, Serializer, Time, write_unit};

    /// Writes the duration as text; zero as a number.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        write_unit(&Time(*duration), duration.is_zero(), serializer)
    }

    /// Reads a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let read = deserializer.deserialize_any(ReadUnit { units: &DURATIONS, value: PhantomData });
        read.map(|Time(duration)| duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_in_the_largest_unit() {
        for (text, bytes, shown) in [
            ("128MiB", 128 << 20, "128MiB"),
            ("0", 0, "0"),
            ("0B", 0, "0"),
            (" 4 kib ", 4096, "4KiB"),
            ("1024MiB", 1 << 30, "1GiB"),
            ("1000B", 1000, "1000B"),
            ("1MB", 1_000_000, "1000000B"),
            ("2TiB", 2 << 40, "2TiB"),
            ("1GiB512MiB", 1536 << 20, "1536MiB"),
        ] {
            let size: Size = text.parse().expect(text);
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(size.to_string().parse(), Ok(size), "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_shown_in_the_largest_unit() {
        for (text, duration, shown) in [
            ("5m", Duration::from_secs(300), "5m"),
            ("200ms", Duration::from_millis(200), "200ms"),
            ("336h", Duration::from_secs(336 * 3600), "14d"),
            ("1h30m", Duration::from_secs(5400), "90m"),
            ("90 s", Duration::from_secs(90), "90s"),
            ("0", Duration::ZERO, "0"),
            ("0s", Duration::ZERO, "0"),
            ("1us", Duration::from_micros(1), "1us"),
        ] {
            let time: Time = text.parse().expect(text);
            assert_eq!((time.0, time.to_string().as_str()), (duration, shown), "{text}");
            assert_eq!(time.to_string().parse(), Ok(time), "{text}");
        }
    }

    #[test]
    fn what_is_none_says_how_to_write_one() {
        for text in ["", "128", "-1", "-1MiB", "1.5GiB", "MiB", "128 apples", "5m", "12MiB3", "١MiB"] {
            let error = text.parse::<Size>().expect_err(text).to_string();
            assert!(error.ends_with("for example 128MiB"), "{text}: {error}");
        }
        for text in ["", "300", "-5m", "soon", "1w", "5MiB", "m"] {
            let error = text.parse::<Time>().expect_err(text).to_string();
            assert!(error.ends_with("for example 5m"), "{text}: {error}");
        }
        for text in ["16777216TiB", "99999999999999999999B"] {
            assert_eq!(text.parse::<Size>(), Err(InvalidUnit::TooLarge(text.to_owned())));
        }
        assert!("300000d".parse::<Time>().is_err(), "more nanoseconds than 64 bits hold");
    }
}
