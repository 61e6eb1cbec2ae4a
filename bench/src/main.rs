//! `make bench`, `make bench-all`, `make bench-growth`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use hoptrail_bench::{Kind, Options, Transport, all, growth, run, sibling};
use serde::Serialize;

/// Measures hoptrail: sends seeded spans to the real binary, asks questions, writes a table.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Spans to send.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    spans: u64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Spans of a request.
    #[arg(long, default_value_t = 512)]
    batch: usize,
    /// Where chance begins; the same seed makes the same spans.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which data.
    #[arg(long, value_enum, default_value_t = Kind::Shop)]
    shape: Kind,
    /// How it is sent.
    #[arg(long, value_enum, default_value_t = Transport::Grpc)]
    transport: Transport,
    /// Every kind of data and every transport, one after the other, in one table.
    #[arg(long)]
    all: bool,
    /// One store that grows to --spans in steps, with a chart.
    #[arg(long, conflicts_with = "all")]
    growth: bool,
    /// Questions of each kind.
    #[arg(long, default_value_t = 200)]
    repetitions: usize,
    /// Starts with cold caches for each kind of question.
    #[arg(long, default_value_t = 5)]
    cold_starts: usize,
    /// storage.seal_after of the server, so that the last spans are sealed soon.
    #[arg(long, default_value_t = 15, value_name = "SECONDS")]
    seal_after: u64,
    /// Work in this folder and leave requests, data and log there; otherwise in one that is removed.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The binary to measure; otherwise the one built beside this one.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Write the tables to FILE.md and FILE.json; with --growth the chart and the figures to FILE.svg and FILE.json.
    #[arg(long, default_value = "bench-results", value_name = "FILE")]
    output: PathBuf,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let temporary = tempfile::Builder::new().prefix("hoptrail-bench-").tempdir()?;
    let folder = flags.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let options = Options {
        binary: flags.server.clone().map_or_else(sibling, Ok)?,
        folder,
        kind: flags.shape,
        transport: flags.transport,
        spans: flags.spans,
        seed: flags.seed,
        batch: flags.batch.max(1),
        connections: flags.connections.max(1),
        repetitions: flags.repetitions.max(1),
        cold_starts: flags.cold_starts.max(1),
        seal_after_seconds: flags.seal_after.max(1),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    if flags.growth {
        let growth = runtime.block_on(growth(&options))?;
        show(&growth.markdown());
        return growth.write(&flags.output);
    }
    if flags.all {
        let matrix = runtime.block_on(all(&options))?;
        return write(&flags.output, &matrix.markdown(), &matrix);
    }
    let report = runtime.block_on(run(&options))?;
    write(&flags.output, &report.markdown(), &report)
}

fn write(path: &Path, table: &str, figures: &impl Serialize) -> Result<()> {
    std::fs::write(path.with_extension("md"), table)?;
    std::fs::write(path.with_extension("json"), serde_json::to_string_pretty(figures)? + "\n")?;
    show(table);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn show(table: &str) {
    print!("{table}");
}
