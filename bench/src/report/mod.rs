//! The figures, and the tables of them.

mod matrix;
mod table;

pub use matrix::Matrix;

use std::time::Duration;

use serde::Serialize;

use crate::shape::Kind;
use crate::transport::Transport;

/// Everything that was measured. Times in microseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was run.
    pub run: Run,
    /// CPU time of decoding one span with prost's OTLP types.
    pub decode_unit_us: f64,
    /// Spans in.
    pub ingest: Ingest,
    /// Space.
    pub disk: Disk,
    /// Memory.
    pub memory: Memory,
    /// Spans in memory when the questions were asked once more.
    pub half_full_spans: u64,
    /// Questions, in the order they were asked.
    pub queries: Vec<Query>,
    /// Pages of the web UI with a half-full head; none where data is not ordinary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<Page>,
    /// Pages of very large traces; none where they were not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub large_pages: Vec<LargePage>,
    /// Starts with everything stored.
    pub restart: Restart,
    /// Each question beside the same to a store of ordinary data, where there was one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside_ordinary: Vec<Relation>,
}

/// What was run.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The processor.
    pub processor: String,
    /// How many cores.
    pub cores: usize,
    /// Work that waited for a core before the bench began, averaged over a minute.
    pub load_before: f64,
    /// Which data.
    pub shape: Kind,
    /// How it was sent.
    pub transport: Transport,
    /// Where chance began.
    pub seed: u64,
    /// Spans sent.
    pub spans: u64,
    /// Spans of a request.
    pub batch: usize,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Bytes of a span as sent.
    pub wire_bytes_per_span: f64,
    /// Settings that are not the defaults.
    pub settings: Vec<String>,
}

/// Spans in.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ingest {
    /// CPU time of the server for a span, received to sealed and merged.
    pub cpu_us_per_span: f64,
    /// The same in decode units.
    pub cpu_decode_units: f64,
    /// The share of it until the last acknowledgement.
    pub cpu_us_per_span_until_acknowledged: f64,
    /// Spans acknowledged in a second.
    pub spans_per_second: f64,
    /// Request to acknowledgement, milliseconds.
    pub request_p50_ms: f64,
    /// The same for the slowest of a hundred.
    pub request_p99_ms: f64,
    /// How often the server asked to retry a request.
    pub refused_requests: u64,
    /// From the last acknowledgement until all was sealed and merged, seconds.
    pub settle_seconds: f64,
    /// Bytes that the server caused to be written to disk.
    pub written_bytes_per_span: f64,
    /// Bytes written over bytes that stayed.
    pub written_over_kept: f64,
    /// Bytes written over bytes of the requests.
    pub written_over_received: f64,
}

impl Ingest {
    /// What was written, in relation to the spans, what was received, and what was kept.
    pub(crate) fn account_writes(&mut self, written: u64, spans: u64, received: u64, kept_bytes_per_span: f64) {
        self.written_bytes_per_span = written as f64 / spans as f64;
        self.written_over_kept = self.written_bytes_per_span / kept_bytes_per_span;
        self.written_over_received = written as f64 / received as f64;
    }
}

/// Space.
#[derive(Debug, Clone, Serialize)]
pub struct Disk {
    /// Files of the data folder without logs.
    pub files_bytes_per_span: f64,
    /// Files of the data folder.
    pub with_logs_bytes_per_span: f64,
    /// What the store says its segments take.
    pub segments_bytes_per_span: f64,
    /// Segments.
    pub segments: u64,
    /// Merges until then.
    pub merges: u64,
    /// What takes the space, the largest first; the last one is what the database adds.
    pub split: Vec<Share>,
}

/// A share of the space.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// A column, a page or a filter.
    pub name: String,
    /// Bytes over all spans, also over those that have no such value.
    pub bytes_per_span: f64,
}

/// Memory.
#[derive(Debug, Clone, Serialize)]
pub struct Memory {
    /// Most while taking spans in, sealing and merging, MB.
    pub peak_ingest_mb: f64,
    /// Most until after the queries, MB.
    pub peak_mb: f64,
}

/// One kind of question.
#[derive(Debug, Clone, Serialize)]
pub struct Query {
    /// For people.
    pub name: String,
    /// How often, each time with another value.
    pub repetitions: usize,
    /// Milliseconds.
    pub p50_ms: f64,
    /// Milliseconds.
    pub p99_ms: f64,
    /// CPU time of the server, milliseconds.
    pub cpu_ms: f64,
    /// With a half-full head, the middle one, milliseconds.
    pub half_full_p50_ms: f64,
    /// CPU time of the server for that, milliseconds.
    pub half_full_cpu_ms: f64,
    /// Traces in an answer, on average.
    pub traces: f64,
    /// Spans in an answer, on average; searches give none.
    pub spans: f64,
    /// How often the server was started anew with nothing in any cache.
    pub cold_starts: usize,
    /// The first question of the kind after such a start, the middle one, milliseconds.
    pub cold_first_ms: f64,
    /// The slowest of these, milliseconds.
    pub cold_worst_ms: f64,
    /// The next questions with other values, the middle one, milliseconds.
    pub cold_next_ms: f64,
    /// What the first question read from the disk.
    pub cold_read_kb: f64,
}

/// One kind of page.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// For people.
    pub name: String,
    /// How often it was answered.
    pub asked: usize,
    /// How often the server was too busy.
    pub refused: usize,
    /// From sending to the last byte, milliseconds.
    pub p50_ms: f64,
    /// Milliseconds.
    pub p99_ms: f64,
    /// CPU time of the server for one, milliseconds.
    pub cpu_ms: f64,
}

/// A view of a very large trace.
#[derive(Debug, Clone, Serialize)]
pub struct LargePage {
    /// The view.
    pub name: String,
    /// Spans of the trace.
    pub spans: u64,
    /// From sending to the first byte, the middle one, milliseconds.
    pub first_byte_ms: f64,
    /// From sending to the last byte, the middle one, milliseconds.
    pub last_byte_ms: f64,
    /// CPU time of the server, milliseconds.
    pub cpu_ms: f64,
    /// Size of the page before compression, kB.
    pub kb: f64,
}

/// Starts with everything stored.
#[derive(Debug, Clone, Serialize)]
pub struct Restart {
    /// SIGTERM to the end, milliseconds.
    pub stop_ms: f64,
    /// Start to ready, milliseconds.
    pub ready_ms: f64,
    /// The same with nothing in the kernel's cache, the middle one, milliseconds.
    pub cold_ready_ms: f64,
    /// The same after a kill -9 with spans that no segment held, milliseconds.
    pub after_kill_ready_ms: f64,
    /// How many spans these were.
    pub after_kill_head_spans: u64,
}

/// A kind of question asked in turn of two stores, one with ordinary data.
#[derive(Debug, Clone, Serialize)]
pub struct Relation {
    /// The kind.
    pub question: String,
    /// Traces in an answer, on average.
    pub traces: f64,
    /// The same of the ordinary store.
    pub ordinary_traces: f64,
    /// Spans that a search looked at, as its answer says, on average.
    pub inspected: f64,
    /// The same of the ordinary store.
    pub ordinary_inspected: f64,
    /// From sending to the last byte, the middle one.
    pub p50: Compared,
    /// CPU time of the server.
    pub cpu: Compared,
}

/// A figure beside that of the ordinary store.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Compared {
    /// Milliseconds.
    pub ms: f64,
    /// The same of the ordinary store.
    pub ordinary_ms: f64,
    /// The first by the second; where a trace that is read whole is larger, for a span, or for a byte where values are big.
    pub ratio: f64,
}

/// The value that `percent` of a hundred do not exceed; of an ascending list.
#[must_use]
pub(crate) fn percentile(ascending: &[Duration], percent: usize) -> Duration {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending.get(rank - 1).or(ascending.last()).copied().unwrap_or_default()
}

/// Milliseconds.
#[must_use]
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Megabytes.
#[must_use]
pub(crate) fn mb(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Microseconds.
#[must_use]
pub(crate) fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let list: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let cases = [(50, 100), (99, 198), (100, 200), (1, 2)];
        for (percent, expected) in cases {
            assert_eq!(percentile(&list, percent), Duration::from_millis(expected), "p{percent}");
        }
        assert_eq!(percentile(&list[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
