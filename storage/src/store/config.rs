//! Settings of the store.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::state::Bounds;

/// What the store may use and how long it keeps spans.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Spans in memory before they are sealed into segments.
    pub head_spans: usize,
    /// Megabytes of memory of these spans, whatever their number, before they are sealed. Spans that come while three times
    /// as much waits to be sealed are refused for a while.
    pub head_mb: usize,
    /// Seconds after which spans are sealed even when they are few.
    pub seal_after_seconds: u64,
    /// Megabytes of requests that may wait for the log; more are refused for a while.
    pub queue_mb: usize,
    /// Megabytes of pages kept in memory for queries.
    pub cache_mb: usize,
    /// Spans up to which small segments are merged.
    pub merge_spans: usize,
    /// Hours to keep spans, counted from their arrival; 0 keeps them for ever.
    pub retention_hours: u64,
    /// Megabytes of segments to keep, oldest dropped first; 0 sets no bound.
    pub retention_mb: u64,
    /// Megabytes of the disk that must stay free: with fewer, writes are refused for a while, and nothing is merged.
    pub min_free_mb: MinFree,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            head_spans: 256 << 10,
            head_mb: 128,
            seal_after_seconds: 300,
            queue_mb: 64,
            cache_mb: 128,
            merge_spans: 1 << 20,
            retention_hours: 14 * 24,
            retention_mb: 0,
            min_free_mb: MinFree::Auto,
        }
    }
}

/// How much of the disk must stay free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinFree {
    /// 512 megabytes, on a small volume an eighth of it: with the default bounds of the head a volume of a gigabyte then still has
    /// room to seal a head that does not compress.
    Auto,
    /// So many megabytes.
    Megabytes(u64),
}

impl MinFree {
    /// In bytes, on a volume of so many.
    pub(super) fn bytes(self, volume: u64) -> u64 {
        match self {
            Self::Auto => (volume / 8).min(512 << 20),
            Self::Megabytes(megabytes) => megabytes.saturating_mul(1 << 20),
        }
    }
}

impl FromStr for MinFree {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            number => number
                .parse()
                .map(Self::Megabytes)
                .map_err(|_| format!("{text:?} is neither `auto` nor a number of megabytes")),
        }
    }
}

impl Serialize for MinFree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Megabytes(megabytes) => serializer.serialize_u64(*megabytes),
        }
    }
}

impl<'de> Deserialize<'de> for MinFree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadMinFree)
    }
}

/// A number in a file is a number; a variable or a flag is text.
struct ReadMinFree;

impl Visitor<'_> for ReadMinFree {
    type Value = MinFree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto` or a number of megabytes")
    }

    fn visit_u64<E: de::Error>(self, megabytes: u64) -> Result<MinFree, E> {
        Ok(MinFree::Megabytes(megabytes))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<MinFree, E> {
        u64::try_from(number)
            .map(MinFree::Megabytes)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<MinFree, E> {
        text.parse().map_err(E::custom)
    }
}

/// Merging leaves at least so many segments in what a bound of bytes keeps.
const LEAST_SEGMENTS: u64 = 8;

impl Config {
    /// What one generation of the head may hold.
    pub(super) fn head_bounds(&self) -> Bounds {
        Bounds { spans: self.head_spans, bytes: self.head_mb.saturating_mul(1 << 20) }
    }

    /// Bytes of segments to keep; `None` without a bound.
    pub(super) fn retention_bytes(&self) -> Option<u64> {
        (self.retention_mb > 0).then(|| self.retention_mb.saturating_mul(1 << 20))
    }

    /// Most bytes of segments that are merged at once. Segments are dropped whole, so they stay a small part of what is kept.
    pub(super) fn merge_bytes(&self) -> u64 {
        self.retention_bytes().map_or(u64::MAX, |bytes| bytes / LEAST_SEGMENTS)
    }
}
