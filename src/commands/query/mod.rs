//! `hoptrail query`.

mod follow;
mod json;
mod metrics;
mod printer;
mod rows;
mod search;
mod spark;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hoptrail_query::traceql::{Kind, kind_of};
use hoptrail_storage::{Clock as _, SystemClock};
use jiff::tz::TimeZone;

use super::remote::{Format, ServerFlags, ShowFlags};
use super::times::{TimeFlags, span};
use crate::client::Failure;
use crate::output::write;
use crate::terminal::text::marked;
use search::Question;

/// Exit code of `--exit-code` when nothing matches.
const NOTHING: u8 = 1;

/// Flags of `hoptrail query`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// What to look for, for example '{ status = error }' or '{ } | rate() by (resource.service.name)'
    #[arg(value_name = "TRACEQL")]
    q: String,
    /// At most so many traces, or series of metrics [default: 20 traces, all series]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// All traces that match, asked for page by page; not with Grafana Tempo, which has no pages
    #[arg(long, conflicts_with_all = ["limit", "follow"])]
    all: bool,
    /// Width of an interval of metrics: 15s, 1m [default: the server decides]
    #[arg(long, value_name = "TIME", value_parser = span)]
    step: Option<Duration>,
    /// Ask again and again, and print new traces, oldest first, until Ctrl-C
    #[arg(long, conflicts_with_all = ["json", "end"])]
    follow: bool,
    /// How often --follow asks
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = span)]
    every: Duration,
    /// Run the query, and print what the server did for it instead of what it found; not with Grafana Tempo
    #[arg(long, conflicts_with_all = ["all", "follow", "format", "json", "exit_code"])]
    explain: bool,
    /// Exit with 1 when nothing matches; found is 0, an error is 2
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    time: TimeFlags,
    #[command(flatten)]
    show: ShowFlags,
    #[command(flatten)]
    server: ServerFlags,
}

/// Asks, and prints what was found.
pub(super) fn run(flags: &Flags) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(ask(flags))?;
    if !found && !flags.follow && flags.show.format() == Format::Table {
        eprintln!("nothing matches");
    }
    Ok(if found || !flags.exit_code { ExitCode::SUCCESS } else { ExitCode::from(NOTHING) })
}

/// Whether anything was found.
async fn ask(flags: &Flags) -> Result<bool, Failure> {
    let kind = kind_of(&flags.q);
    let (client, now, zone) = (flags.server.client()?, SystemClock.now_unix_nano(), TimeZone::system());
    let range = flags.time.range(now, &zone)?;
    let question = Question { client: &client, q: &flags.q, kind, range };
    if flags.explain {
        let params = match kind {
            Kind::Metrics => metrics::params(flags, range, now),
            Kind::Traces | Kind::Spans => question.params(flags.limit),
        };
        let answer = client.get("/api/hoptrail/explain", &params, "text/plain").await?;
        write(&(answer.text().lines().map(marked).collect::<Vec<_>>().join("\n") + "\n"))?;
        return Ok(true);
    }
    if kind == Kind::Metrics {
        return metrics::run(flags, &client, range, now, zone).await;
    }
    let printer = printer::Printer::new(&flags.show, kind, zone, flags.follow || flags.all);
    if flags.follow {
        if flags.show.format() == Format::Json {
            return Err(Failure::Mistake("--follow needs another --format than json: ndjson, for example".to_owned()));
        }
        return follow::run(&question, printer, flags.limit, flags.every).await;
    }
    if flags.all {
        search::all(&question, printer).await
    } else {
        search::newest(&question, printer, flags.limit).await
    }
}
