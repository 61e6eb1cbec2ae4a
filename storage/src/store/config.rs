//! Settings of the store.

use std::fmt;
use std::time::Duration;

use hoptrail_proto::units::{self, Size};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::state::Bounds;

/// What the store may use and how long it keeps spans. Sizes are bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Spans in memory before they are sealed into segments.
    pub head_spans: usize,
    /// Memory of spans, however few, before they are sealed. While three times as much waits to be sealed, senders are asked to retry.
    #[serde(with = "units::size")]
    pub head_size: usize,
    /// Time after which spans are sealed even when they are few.
    #[serde(with = "units::duration")]
    pub seal_after: Duration,
    /// Bytes of requests that may wait for the log. Senders of more are asked to retry.
    #[serde(with = "units::size")]
    pub queue_size: usize,
    /// Pages kept in memory for queries.
    #[serde(with = "units::size")]
    pub cache_size: usize,
    /// Spans up to which small segments are merged.
    pub merge_spans: usize,
    /// How long spans are kept, counted from their arrival. Zero keeps them for ever.
    #[serde(with = "units::duration")]
    pub retention: Duration,
    /// Segments to keep. The oldest go first; zero sets no bound.
    #[serde(with = "units::size")]
    pub retention_size: u64,
    /// How long rollups are kept: what is counted of spans stays when the spans are gone. Zero keeps them for ever.
    #[serde(with = "units::duration")]
    pub rollup_retention: Duration,
    /// Span names of a service that have series of their own. Further ones are put together: `GET /order/{}`, and in the end `other`.
    pub rollup_names: usize,
    /// Attributes of spans or resources whose values divide the series of spans, such as `http.request.method`. No setting of its own: the
    /// program says what its span metrics need.
    #[serde(skip)]
    pub rollup_dimensions: Vec<String>,
    /// What must stay free on the disk. With less, writes are refused for a while, and nothing is merged.
    pub min_free: MinFree,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            head_spans: 256 << 10,
            head_size: 128 << 20,
            seal_after: Duration::from_secs(300),
            queue_size: 64 << 20,
            cache_size: 128 << 20,
            merge_spans: 1 << 20,
            retention: Duration::from_secs(14 * 24 * 3600),
            retention_size: 0,
            rollup_retention: Duration::from_secs(396 * 24 * 3600),
            rollup_names: 500,
            rollup_dimensions: Vec::new(),
            min_free: MinFree::Auto,
        }
    }
}

/// How much of the disk must stay free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinFree {
    /// 512 MiB, or an eighth of a small volume. With the default bounds of the head, a volume of a gigabyte then still has room to seal a
    /// head that does not compress.
    Auto,
    /// So many bytes.
    Bytes(u64),
}

impl MinFree {
    /// The bytes that must stay free on a volume of this size.
    pub(super) fn bytes(self, volume: u64) -> u64 {
        match self {
            Self::Auto => (volume / 8).min(512 << 20),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Serialize for MinFree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Bytes(bytes) => units::size::serialize(bytes, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for MinFree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadMinFree)
    }
}

struct ReadMinFree;

impl Visitor<'_> for ReadMinFree {
    type Value = MinFree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto` or a size such as 512MiB")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<MinFree, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<MinFree, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<MinFree, E> {
        if text.trim() == "auto" {
            return Ok(MinFree::Auto);
        }
        match text.parse() {
            Ok(Size(bytes)) => Ok(MinFree::Bytes(bytes)),
            Err(error) => Err(E::custom(format!("neither `auto` nor a size: {error}"))),
        }
    }
}

/// With a bound on bytes, merging leaves at least so many segments.
const LEAST_SEGMENTS: u64 = 8;

impl Config {
    /// What one generation of the head may hold.
    pub(super) fn head_bounds(&self) -> Bounds {
        Bounds { spans: self.head_spans, bytes: self.head_size }
    }

    /// Bytes of segments to keep; `None` without a bound.
    pub(super) fn retention_bytes(&self) -> Option<u64> {
        (self.retention_size > 0).then_some(self.retention_size)
    }

    /// Most bytes of segments that are merged at once. The filters of the new segment are built of the hashes of all its values, which
    /// takes about as much memory as the segments have bytes. And segments are dropped whole, so they stay a small part of what is kept.
    pub(super) fn merge_bytes(&self) -> u64 {
        let memory = self.head_size as u64 / 4;
        memory.min(self.retention_bytes().map_or(u64::MAX, |bytes| bytes / LEAST_SEGMENTS))
    }
}
