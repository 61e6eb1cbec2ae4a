//! The figures, and the table of them.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

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
    /// Questions, in the order they were asked.
    pub queries: Vec<Query>,
    /// The second start, with everything stored.
    pub restart: Restart,
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
    /// Name of the shape.
    pub shape: String,
    /// Where chance began.
    pub seed: u64,
    /// Spans sent.
    pub spans: u64,
    /// Spans of a request.
    pub batch: usize,
    /// gRPC connections, each with one request at a time.
    pub connections: usize,
    /// Bytes of a span as sent.
    pub wire_bytes_per_span: f64,
    /// Settings that are not the defaults.
    pub settings: Vec<String>,
}

/// Spans in.
#[derive(Debug, Clone, Serialize)]
pub struct Ingest {
    /// CPU time of the server for a span, received to sealed and merged.
    pub cpu_us_per_span: f64,
    /// The same in decode units.
    pub cpu_decode_units: f64,
    /// The part of it until the last acknowledgement.
    pub cpu_us_per_span_until_acknowledged: f64,
    /// Spans acknowledged in a second.
    pub spans_per_second: f64,
    /// Request to acknowledgement, milliseconds.
    pub request_p50_ms: f64,
    /// The same for the slowest of a hundred.
    pub request_p99_ms: f64,
    /// Requests that were told to come back later.
    pub refused_requests: u64,
    /// From the last acknowledgement until all was sealed and merged, seconds.
    pub settle_seconds: f64,
    /// Bytes that the server caused to be written to disk.
    pub written_bytes_per_span: f64,
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
    /// Traces in an answer, on average.
    pub traces: f64,
    /// The first question of the kind after the restart, milliseconds.
    pub first_after_restart_ms: f64,
}

/// The second start.
#[derive(Debug, Clone, Serialize)]
pub struct Restart {
    /// SIGTERM to the end, milliseconds.
    pub stop_ms: f64,
    /// Start to ready, milliseconds.
    pub ready_ms: f64,
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

/// Microseconds.
#[must_use]
pub(crate) fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

impl Report {
    /// The table, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = self.heading();
        out += "| figure | value | how it was measured |\n|---|---|---|\n";
        for (figure, value, how) in self.rows() {
            let _ = writeln!(out, "| {figure} | {value} | {how} |");
        }
        out += "\n| query | p50 | p99 | server CPU | traces in an answer | first after restart |\n|---|---|---|---|---|---|\n";
        for query in &self.queries {
            let Query { name, p50_ms, p99_ms, cpu_ms, traces, first_after_restart_ms, .. } = query;
            let _ = writeln!(
                out,
                "| {name} | {p50_ms:.2} ms | {p99_ms:.2} ms | {cpu_ms:.2} ms | {traces:.1} | {first_after_restart_ms:.2} ms |"
            );
        }
        let repetitions = self.queries.first().map_or(0, |query| query.repetitions);
        let _ = writeln!(
            out,
            "\nQueries: up to {repetitions} of a kind with different values, one after the other over one kept-alive HTTP connection, limit 20, \
             from sending to the last byte of the answer. Every answer was compared with what the data holds."
        );
        out
    }

    fn heading(&self) -> String {
        let Run { processor, cores, load_before, shape, seed, spans, batch, connections, .. } = &self.run;
        let settings = self.run.settings.join(", ");
        format!(
            "{spans} spans of shape `{shape}` (seed {seed}, {:.0} B a span), requests of {batch} spans over {connections} gRPC connections, \
             uncompressed, one request at a time on each. {processor}, {cores} cores shared with the driver; load before the run {load_before:.1}. \
             Settings other than the defaults: {settings}.\n\n",
            self.run.wire_bytes_per_span
        )
    }

    fn rows(&self) -> Vec<(&'static str, String, &'static str)> {
        let Self { ingest, disk, memory, restart, .. } = self;
        vec![
            (
                "decode unit",
                format!("{:.3} us a span", self.decode_unit_us),
                "CPU of decoding and dropping the same requests with prost's OTLP types, one thread, middle of six rounds",
            ),
            (
                "CPU, received to sealed and merged",
                format!("{:.2} us a span = **{:.2} decode units**", ingest.cpu_us_per_span, ingest.cpu_decode_units),
                "user and system time of the server process, /proc/PID/stat",
            ),
            (
                "of it until the last acknowledgement",
                format!("{:.2} us a span", ingest.cpu_us_per_span_until_acknowledged),
                "the same, read when the last answer came",
            ),
            (
                "spans durable a second",
                format!("{:.0}", ingest.spans_per_second),
                "wall time from the first request to the last answer",
            ),
            (
                "request p50 / p99",
                format!("{:.1} / {:.1} ms", ingest.request_p50_ms, ingest.request_p99_ms),
                "request to acknowledgement, refusals and pauses included",
            ),
            ("requests told to come back", ingest.refused_requests.to_string(), "counted by the driver"),
            (
                "sealed and merged after",
                format!("{:.1} s", ingest.settle_seconds),
                "after the last answer; waits for storage.seal_after_seconds",
            ),
            ("disk", format!("**{:.1} B a span**", disk.files_bytes_per_span), "files of the data folder without logs"),
            (
                "disk, logs included",
                format!("{:.1} B a span", disk.with_logs_bytes_per_span),
                "all files of the data folder",
            ),
            (
                "segments",
                format!(
                    "{:.1} B a span in {} after {} merges",
                    disk.segments_bytes_per_span, disk.segments, disk.merges
                ),
                "hoptrail_store_segment_bytes / _spans",
            ),
            (
                "written to disk",
                format!("{:.0} B a span", ingest.written_bytes_per_span),
                "write_bytes of /proc/PID/io, log and merges included",
            ),
            (
                "peak memory",
                format!("{:.0} MB; {:.0} MB after the queries", memory.peak_ingest_mb, memory.peak_mb),
                "VmHWM of the server",
            ),
            ("start with a full store", format!("{:.0} ms", restart.ready_ms), "from exec to the line `ready`"),
            ("stop", format!("{:.0} ms", restart.stop_ms), "from SIGTERM to the end"),
        ]
    }
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
