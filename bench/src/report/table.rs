//! The table of one run, as Markdown.

use std::fmt::Write;

use super::{LargePage, Page, Query, Report, Run, Share};

/// The largest shares of the space have a line of their own.
const SHARES: usize = 25;

impl Report {
    /// The table, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = self.heading();
        out += "| figure | value | how it was measured |\n|---|---|---|\n";
        for (figure, value, how) in self.rows() {
            let _ = writeln!(out, "| {figure} | {value} | {how} |");
        }
        out + &self.queries() + &self.pages() + &self.large_pages() + &self.split()
    }

    fn queries(&self) -> String {
        let mut out = "\n| query | half-full head: p50 | server CPU | sealed: p50 | p99 | server CPU | half-full / sealed | traces in an answer | cold: first | worst | next | read from disk |\n\
                       |---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for query in &self.queries {
            let Query { name, p50_ms, p99_ms, cpu_ms, traces, .. } = query;
            let Query { half_full_p50_ms, half_full_cpu_ms, .. } = query;
            let Query { cold_first_ms, cold_worst_ms, cold_next_ms, cold_read_kb, .. } = query;
            let _ = writeln!(
                out,
                "| {name} | {half_full_p50_ms:.2} ms | {half_full_cpu_ms:.2} ms | {p50_ms:.2} ms | {p99_ms:.2} ms | {cpu_ms:.2} ms | \
                 **{:.2}** | {traces:.1} | {cold_first_ms:.1} ms | \
                 {cold_worst_ms:.1} ms | {cold_next_ms:.1} ms | {cold_read_kb:.0} kB |",
                half_full_p50_ms / p50_ms
            );
        }
        let _ = writeln!(
            out,
            "\nQueries: up to {} of a kind with different values, one after the other over one kept-alive HTTP connection, limit 20, \
             from sending to the last byte of the answer. Half-full head: once more while {} later spans are in memory. Cold: {} times for each kind the server was stopped, the kernel told to forget \
             the data files (posix_fadvise, DONTNEED), the server started, the files forgotten again, and one question asked (the middle \
             and the slowest one), then two more with other values. Every answer was compared with what the data holds.",
            self.most(|query| query.repetitions),
            self.half_full_spans,
            self.most(|query| query.cold_starts)
        );
        out
    }

    fn pages(&self) -> String {
        if self.pages.is_empty() {
            return String::new();
        }
        let mut out =
            "\n| page | answered | refused | p50 | p99 | server CPU |\n|---|---|---|---|---|---|\n".to_owned();
        for Page { name, asked, refused, p50_ms, p99_ms, cpu_ms } in &self.pages {
            let _ =
                writeln!(out, "| {name} | {asked} | {refused} | {p50_ms:.1} ms | {p99_ms:.1} ms | {cpu_ms:.1} ms |");
        }
        out + "\nPages: of the last hour, with the half-full head; first one after the other, each checked for what it must say, then \
               by 1,000 readers at once who read a page for 2.5 to 7.5 s (60 % searches, 30 % traces, 10 % services; compressed; the \
               driver is on the same cores).\n"
    }

    fn large_pages(&self) -> String {
        if self.large_pages.is_empty() {
            return String::new();
        }
        let mut out =
            "\n| page of one trace | spans | first byte | last byte | server CPU | size |\n|---|---|---|---|---|---|\n"
                .to_owned();
        for page in &self.large_pages {
            let LargePage { name, spans, first_byte_ms, last_byte_ms, cpu_ms, kb } = page;
            let _ = writeln!(
                out,
                "| {name} | {spans} | {first_byte_ms:.0} ms | {last_byte_ms:.0} ms | {cpu_ms:.0} ms | {kb:.0} kB |"
            );
        }
        out + "\nPages of one trace: the middle of five, over a store of these two traces alone; none is kept between them.\n"
    }

    fn most(&self, count: fn(&Query) -> usize) -> usize {
        self.queries.iter().map(count).max().unwrap_or(0)
    }

    fn split(&self) -> String {
        let Some((own, shares)) = self.disk.split.split_last() else { return String::new() };
        let (shown, rest) = shares.split_at(shares.len().min(SHARES));
        let rest = Share {
            name: format!("{} others", rest.len()),
            bytes_per_span: rest.iter().map(|share| share.bytes_per_span).sum(),
        };
        let mut out = "\n| on disk | B a span |\n|---|---|\n".to_owned();
        for share in shown.iter().chain([&rest, own]) {
            let _ = writeln!(out, "| {} | {:.2} |", share.name, share.bytes_per_span);
        }
        out + "\nDisk: lengths of all pages, read from the folder of the stopped server; a column's bytes are divided by all spans.\n"
    }

    fn heading(&self) -> String {
        let Run { processor, cores, load_before, seed, spans, batch, connections, .. } = &self.run;
        let shape = self.run.shape.name();
        let settings = self.run.settings.join(", ");
        format!(
            "{spans} spans of shape `{shape}` (seed {seed}, {:.0} B a span), requests of {batch} spans over {connections} connections \
             ({}), one request at a time on each. {processor}, {cores} cores shared with the driver; load before the run {load_before:.1}. \
             Settings other than the defaults: {settings}.\n\n",
            self.run.wire_bytes_per_span,
            self.run.transport.name()
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
                "user and system time of the server process, from its CPU clock (clock_getcpuclockid)",
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
            ("requests asked to retry", ingest.refused_requests.to_string(), "counted by the driver"),
            (
                "sealed and merged after",
                format!("{:.1} s", ingest.settle_seconds),
                "after the last answer; waits for storage.seal_after",
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
                "write amplification",
                format!(
                    "**{:.1}** of what was kept, {:.2} of what was received",
                    ingest.written_over_kept, ingest.written_over_received
                ),
                "the same over the disk above, and over the bytes of the requests",
            ),
            (
                "peak memory",
                format!("{:.0} MB; {:.0} MB after the queries", memory.peak_ingest_mb, memory.peak_mb),
                "VmHWM of the server",
            ),
            (
                "start with a full store",
                format!("{:.0} ms; {:.0} ms with a cold cache", restart.ready_ms, restart.cold_ready_ms),
                "from exec to the line `ready`; cold as below, the middle one",
            ),
            (
                "start after kill -9",
                format!(
                    "{:.0} ms with {} spans in the head",
                    restart.after_kill_ready_ms, restart.after_kill_head_spans
                ),
                "the first requests sent once more and the server killed; every acknowledged span was there",
            ),
            ("stop", format!("{:.0} ms", restart.stop_ms), "from SIGTERM to the end"),
        ]
    }
}
