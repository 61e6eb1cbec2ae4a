//! One store that grows: what a span and a question cost at each size.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::chart::{Panel, Series};
use crate::http::Connection;
use crate::report::{mb, ms, percentile, us};
use crate::run::{self, Options};
use crate::server::Server;
use crate::spool::{self, Source};
use crate::{account, chart, queries, unit};

/// A store at each of its sizes.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// The processor.
    pub processor: String,
    /// CPU time of decoding one span with prost's OTLP types, microseconds.
    pub decode_unit_us: f64,
    /// Settings that are not the defaults.
    pub settings: Vec<String>,
    /// The sizes, ascending.
    pub steps: Vec<Step>,
}

/// A size.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Spans stored.
    pub spans: u64,
    /// CPU time of the server for each span since the size before, received to sealed and merged.
    pub cpu_us_per_span: f64,
    /// The same in decode units.
    pub cpu_decode_units: f64,
    /// Spans acknowledged in a second since the size before.
    pub spans_per_second: f64,
    /// The slowest of a hundred requests since then, milliseconds.
    pub request_p99_ms: f64,
    /// Files of the data folder without logs.
    pub disk_bytes_per_span: f64,
    /// Segments.
    pub segments: u64,
    /// Most memory the server ever had, MB.
    pub peak_memory_mb: f64,
    /// Questions.
    pub queries: Vec<Latency>,
}

/// How long one kind of question took.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// The kind.
    pub name: String,
    /// Milliseconds.
    pub p50_ms: f64,
    /// Milliseconds.
    pub p99_ms: f64,
}

/// Sends `options.spans` spans to one store in steps, and asks and checks the questions after each. The requests are made step by
/// step, so that they need the space of the last step only.
pub async fn growth(options: &Options) -> Result<Growth> {
    let (shape, launch) = (options.shape(options.spans)?, options.launch()?);
    let sizes = sizes(options.spans);
    let first = sizes.first().copied().unwrap_or(options.spans);
    let mut source = Source::new(shape, options.batch(), first, options.repetitions as u64 * 2);
    let server = Server::start(&launch)?;
    eprintln!("bench: the server is process {}", server.pid());
    let mut connection = Connection::open(&server.tempo).await?;
    let path = options.folder.join("requests");
    let (mut unit_us, mut steps) = (0.0, Vec::new());
    for size in sizes {
        let spool = spool::make(&mut source, &path, size)?;
        if steps.is_empty() {
            let mut units = unit::measure(&spool)?;
            units.sort_unstable();
            unit_us = us(units[units.len() / 2]);
        }
        let stored = source.truth.spans();
        let ingest = run::take_in(options, &server, &mut connection, &spool, stored).await?;
        drop(spool);
        std::fs::remove_file(&path)?;
        let disk = run::disk(&launch.data, &mut connection).await?;
        let peak = account::peak_memory(server.pid())?;
        let kinds = queries::kinds(shape, &source.truth, options.repetitions);
        let label = format!("queries at {stored} spans");
        let answered = queries::ask_all(&mut connection, server.pid(), &kinds, &label).await?;
        steps.push(Step {
            spans: stored,
            cpu_us_per_span: ingest.cpu_us_per_span,
            cpu_decode_units: ingest.cpu_us_per_span / unit_us,
            spans_per_second: ingest.spans_per_second,
            request_p99_ms: ingest.request_p99_ms,
            disk_bytes_per_span: disk.files_bytes_per_span,
            segments: disk.segments,
            peak_memory_mb: mb(peak),
            queries: answered.iter().map(Latency::of).collect(),
        });
    }
    drop(connection);
    server.stop()?;
    Ok(Growth { processor: run::processor(), decode_unit_us: unit_us, settings: launch.settings, steps })
}

/// 1, 2, 5, 10 and so on, from a fiftieth of the last size to the last.
fn sizes(last: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(10));
    let round = powers.flat_map(|power| [1, 2, 5].map(|digit| power.saturating_mul(digit)));
    let first = (last / 50).max(1_000);
    let mut sizes: Vec<u64> = round.skip_while(|size| *size < first).take_while(|size| *size < last).collect();
    sizes.push(last);
    sizes
}

impl Growth {
    /// The table, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("{}, decode unit {:.2} us.\n\n", self.processor, self.decode_unit_us);
        out += "| spans | CPU a span | decode units | spans a second | request p99 | disk a span | segments | peak memory |";
        let queries = || self.steps.iter().take(1).flat_map(|step| &step.queries);
        out.extend(queries().map(|query| format!(" {} p50 / p99 |", query.name)));
        out += &format!("\n|{}\n", "---|".repeat(8 + queries().count()));
        for step in &self.steps {
            let _ = write!(
                out,
                "| {} | {:.2} us | {:.2} | {:.0} | {:.1} ms | {:.1} B | {} | {:.0} MB |",
                step.spans,
                step.cpu_us_per_span,
                step.cpu_decode_units,
                step.spans_per_second,
                step.request_p99_ms,
                step.disk_bytes_per_span,
                step.segments,
                step.peak_memory_mb
            );
            for query in &step.queries {
                let _ = write!(out, " {:.2} / {:.2} ms |", query.p50_ms, query.p99_ms);
            }
            out.push('\n');
        }
        out
    }

    /// The chart, as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let ingest = Panel {
            title: "CPU to take in a span, received to sealed and merged, in units of decoding it once".to_owned(),
            logarithmic: false,
            series: vec![self.line("decode units", |step| step.cpu_decode_units)],
        };
        let disk = Panel {
            title: "Bytes on disk for a span".to_owned(),
            logarithmic: false,
            series: vec![self.line("B a span", |step| step.disk_bytes_per_span)],
        };
        let names = self.steps.iter().take(1).flat_map(|step| &step.queries).map(|query| &query.name);
        let queries = Panel {
            title: "Time of a query, p50 in ms".to_owned(),
            logarithmic: true,
            series: names.map(|name| self.line_of_a_query(name)).collect(),
        };
        chart::svg("spans stored", &[ingest, disk, queries])
    }

    fn line(&self, name: &str, value: fn(&Step) -> f64) -> Series {
        let points = self.steps.iter().map(|step| (step.spans as f64, value(step))).collect();
        Series { name: name.to_owned(), points }
    }

    fn line_of_a_query(&self, name: &str) -> Series {
        Series {
            name: name.trim_end_matches(", newest 20").replace(" on a high-cardinality attribute", ""),
            points: self.steps.iter().filter_map(|step| Some((step.spans as f64, step.p50(name)?))).collect(),
        }
    }

    /// Writes the chart and the figures to FILE.svg and FILE.json.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path.with_extension("svg"), self.svg())?;
        Ok(std::fs::write(path.with_extension("json"), serde_json::to_string_pretty(self)? + "\n")?)
    }
}

impl Latency {
    fn of(answered: &queries::Answered) -> Self {
        Self {
            name: answered.name.to_owned(),
            p50_ms: ms(percentile(&answered.latencies, 50)),
            p99_ms: ms(percentile(&answered.latencies, 99)),
        }
    }
}

impl Step {
    fn p50(&self, name: &str) -> Option<f64> {
        self.queries.iter().find(|query| query.name == name).map(|query| query.p50_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_round_and_end_with_the_last() {
        let million = |sizes: &[u64]| sizes.iter().map(|size| size * 1_000_000).collect::<Vec<_>>();
        assert_eq!(sizes(50_000_000), million(&[1, 2, 5, 10, 20, 50]));
        assert_eq!(sizes(3_000_000), [100_000, 200_000, 500_000, 1_000_000, 2_000_000, 3_000_000]);
        assert_eq!(sizes(900), [900]);
    }
}
