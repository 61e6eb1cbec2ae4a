//! `hoptrail trace`.

mod rows;
mod waterfall;

use std::process::ExitCode;

use clap::Args;
use hoptrail_proto::model::{Trace, TraceId};
use hoptrail_proto::otlp;
use hoptrail_proto::tempo::TraceAnswer;
use hoptrail_query::assemble::{Clocks, assemble};
use jiff::tz::TimeZone;

use super::remote::{Format, ServerFlags, ShowFlags};
use crate::client::{Answer, Client, Failure};
use crate::output::write;
use crate::terminal::text::{harmless_json, shown};

/// Exit code for a trace that the server does not know.
const UNKNOWN: u8 = 1;

/// Flags of `hoptrail trace`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The id of the trace: up to 32 hex digits; leading zeros may be missing
    id: String,
    /// Show all spans, also of a trace with more than 1,000
    #[arg(long)]
    all: bool,
    /// Move the spans of hosts whose clocks disagree until causes come before effects
    #[arg(long)]
    correct_clocks: bool,
    #[command(flatten)]
    show: ShowFlags,
    #[command(flatten)]
    server: ServerFlags,
}

/// Asks for a trace, and prints it.
pub(super) fn run(flags: &Flags) -> Result<ExitCode, Failure> {
    let id: TraceId = flags
        .id
        .trim()
        .parse()
        .map_err(|error| Failure::Mistake(format!("{:?} is no trace id: {error}", shown(&flags.id))))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = flags.server.client()?;
    let found = match flags.show.format() {
        Format::Json => runtime.block_on(print_json(&client, id))?,
        _ => runtime.block_on(print(flags, &client, id))?,
    };
    if !found {
        eprintln!("hoptrail: {} knows no span of trace {id}", client.address());
        return Ok(ExitCode::from(UNKNOWN));
    }
    Ok(ExitCode::SUCCESS)
}

/// The answer as the server gives it. Whether it knows the trace.
async fn print_json(client: &Client, id: TraceId) -> Result<bool, Failure> {
    let Some((answer, _)) = ask(client, id, "application/json").await? else { return Ok(false) };
    let object = answer.json(client.address())?;
    let trace = object.get("trace").unwrap_or(&object);
    let has_spans = ["resourceSpans", "batches"]
        .iter()
        .any(|key| trace.get(key).and_then(serde_json::Value::as_array).is_some_and(|batches| !batches.is_empty()));
    if has_spans {
        write(&(harmless_json(answer.text().trim_end()) + "\n"))?;
    }
    Ok(has_spans)
}

/// The trace in another form. Whether the server knows it.
async fn print(flags: &Flags, client: &Client, id: TraceId) -> Result<bool, Failure> {
    let Some((answer, version)) = ask(client, id, "application/protobuf").await? else { return Ok(false) };
    let no_trace = |error| Failure::Mistake(format!("{}: what it sent is no trace: {error}", client.address()));
    let read = match version {
        2 => TraceAnswer::read(answer.body()).map_err(no_trace)?,
        _ => TraceAnswer { spans: otlp::decode(answer.body()).map_err(no_trace)?, partial: None },
    };
    if read.spans.is_empty() {
        return Ok(false);
    }
    if let Some(missing) = read.partial.as_deref().or(answer.notice()) {
        eprintln!("this trace is not whole: {}", shown(missing));
    }
    let trace = Trace { id, spans: read.spans };
    let clocks = if flags.correct_clocks { Clocks::Corrected } else { Clocks::AsSent };
    let tree = assemble(&trace, clocks);
    let zone = TimeZone::system();
    match flags.show.format() {
        Format::Csv => rows::csv(&tree)?,
        Format::Ndjson => rows::ndjson(&tree)?,
        Format::Md => rows::markdown(&tree, &zone)?,
        Format::Table | Format::Json => waterfall::draw(&tree, flags.show.screen(), &zone, flags.all)?,
    }
    Ok(true)
}

/// Asks in the newer way, which gives large traces in part, then in the older one. The answer and which way it was; none when the
/// trace is not known.
async fn ask(client: &Client, id: TraceId, accept: &'static str) -> Result<Option<(Answer, u8)>, Failure> {
    match client.get(&format!("/api/v2/traces/{id}"), &[], accept).await {
        Ok(answer) => return Ok(Some((answer, 2))),
        Err(Failure::NotThere { .. }) => {}
        Err(failure) => return Err(failure),
    }
    match client.get(&format!("/api/traces/{id}"), &[], accept).await {
        Ok(answer) => Ok(Some((answer, 1))),
        // The older way says so when it does not know a trace, in as many words as nothing.
        Err(Failure::NotThere { what, .. }) if what.is_empty() || what.contains("trace not found") => Ok(None),
        Err(failure) => Err(failure),
    }
}
