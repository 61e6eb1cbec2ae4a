//! Several runs in one table.

use std::fmt::Write;

use serde::Serialize;

use super::{Relation, Report};
use crate::shape::Kind;

/// Runs of different data over different transports; the first one is the ordinary case.
#[derive(Debug, Clone, Serialize)]
pub struct Matrix {
    /// The runs.
    pub reports: Vec<Report>,
}

impl Matrix {
    /// The table, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let Some(ordinary) = self.reports.first() else { return String::new() };
        let mut out = format!(
            "{}, {} cores shared with the driver; load before the run {:.1}.\n\n",
            ordinary.run.processor, ordinary.run.cores, ordinary.run.load_before
        );
        out += "| data | sent as | spans | B a span | CPU a span | decode units | cost, ordinary = 1 | spans a second | disk a span | written / kept | \
                peak memory | trace by id p50 |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";
        for report in &self.reports {
            let Report { run, ingest, disk, memory, .. } = report;
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.0} | {:.2} us | {:.2} | **{:.2}** | {:.0} | {:.1} B | {:.1} | {:.0} MB | {:.2} ms |",
                run.shape.name(),
                run.transport.name(),
                run.spans,
                run.wire_bytes_per_span,
                ingest.cpu_us_per_span,
                ingest.cpu_decode_units,
                report.cost(ordinary),
                ingest.spans_per_second,
                disk.files_bytes_per_span,
                ingest.written_over_kept,
                memory.peak_mb,
                report.queries.first().map_or(0.0, |query| query.p50_ms),
            );
        }
        out += "\nCost: CPU of the server, received to sealed and merged, for a span; for `big`, whose spans have a value of 1 MB, for a byte \
                received. Every answer of every run was compared with what the data holds. Compressing with gzip is the driver's work, which \
                shares the cores: it lowers the spans a second, not the CPU shown.\n";
        out + &self.beside_ordinary()
    }

    fn beside_ordinary(&self) -> String {
        let mut out = "\n| data | question | traces in an answer | spans looked at | p50 | ordinary = 1 | server CPU | ordinary = 1 |\n\
                       |---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for report in &self.reports {
            for relation in &report.beside_ordinary {
                let Relation { question, p50, cpu, .. } = relation;
                let _ = writeln!(
                    out,
                    "| {} | {question} | {:.1} / {:.1} | {:.0} / {:.0} | {:.2} / {:.2} ms | **{:.2}** | {:.2} / {:.2} ms | {:.2} |",
                    report.run.shape.name(),
                    relation.traces,
                    relation.ordinary_traces,
                    relation.inspected,
                    relation.ordinary_inspected,
                    p50.ms,
                    p50.ordinary_ms,
                    p50.ratio,
                    cpu.ms,
                    cpu.ordinary_ms,
                    cpu.ratio,
                );
            }
        }
        out + "\nEach beside the ordinary store, whose figures come second: servers of both are asked in turn, the middle of five rounds with other values. A \
               trace by id that is larger counts for a span of it, or for a byte where values are big. A search ends once it has the newest \
               20 traces: where there are fewer it looks at every span, as it does for a regex that nothing matches.\n"
    }
}

impl Report {
    /// CPU of a span in relation to the ordinary case; of a byte where values are big.
    fn cost(&self, ordinary: &Self) -> f64 {
        let bytes = self.bytes_compared(ordinary);
        self.ingest.cpu_us_per_span / ordinary.ingest.cpu_us_per_span / bytes
    }

    /// How many times larger a span is, where that is what the data is about.
    pub(crate) fn bytes_compared(&self, ordinary: &Self) -> f64 {
        match self.run.shape {
            Kind::Big => self.run.wire_bytes_per_span / ordinary.run.wire_bytes_per_span,
            _ => 1.0,
        }
    }
}
