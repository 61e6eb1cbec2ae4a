//! `make bench`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use hoptrail_bench::{Options, Report, run, sibling};

/// Measures hoptrail: sends seeded spans to the real binary, asks questions, writes a table.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Spans to send.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    spans: u64,
    /// gRPC connections, each with one request at a time.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Spans of a request.
    #[arg(long, default_value_t = 512)]
    batch: usize,
    /// Where chance begins; the same seed makes the same spans.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which data.
    #[arg(long, value_enum, default_value_t)]
    shape: ShapeName,
    /// Questions of each kind.
    #[arg(long, default_value_t = 200)]
    repetitions: usize,
    /// storage.seal_after_seconds of the server, so that the last spans are sealed soon.
    #[arg(long, default_value_t = 15, value_name = "SECONDS")]
    seal_after: u64,
    /// Work in this folder and leave requests, data and log there; otherwise in one that is removed.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The binary to measure; otherwise the one built beside this one.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Write the tables to FILE.md and FILE.json.
    #[arg(long, default_value = "bench-results", value_name = "FILE")]
    output: PathBuf,
}

/// Kinds of data.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ShapeName {
    /// 12 services, 16 attributes, high cardinalities.
    #[default]
    Shop,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let ShapeName::Shop = flags.shape;
    let temporary = tempfile::Builder::new().prefix("hoptrail-bench-").tempdir()?;
    let folder = flags.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let options = Options {
        binary: flags.server.clone().map_or_else(sibling, Ok)?,
        folder,
        spans: flags.spans,
        seed: flags.seed,
        batch: flags.batch.max(1),
        connections: flags.connections.max(1),
        repetitions: flags.repetitions.max(1),
        seal_after_seconds: flags.seal_after.max(1),
    };
    let report = tokio::runtime::Runtime::new()?.block_on(run(&options))?;
    write(&flags.output, &report)
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn write(path: &std::path::Path, report: &Report) -> Result<()> {
    let table = report.markdown();
    std::fs::write(path.with_extension("md"), &table)?;
    std::fs::write(path.with_extension("json"), serde_json::to_string_pretty(report)? + "\n")?;
    print!("{table}");
    Ok(())
}
