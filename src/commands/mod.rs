//! The subcommands, each with its flags beside it.

mod backup;
mod config;
mod demo;
mod install;
mod query;
mod remote;
mod serve;
mod settings;
mod times;
mod trace;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client::Failure;
use crate::config::Error;
use crate::version;

/// Exit code of a mistake on the command line or in the settings, and of a question that has no answer; clap uses the same. Anything
/// else that fails is 1.
const MISTAKE: u8 = 2;

/// What a newcomer does first.
const FIRST_STEPS: &str = "\
First steps:
  hoptrail serve --data ./data          starts it; its pages are at http://127.0.0.1:16686
  hoptrail demo --backfill 1h           in another terminal: sends traces, so that there is something to see
  hoptrail query '{ status = error }'   finds traces in this one
  hoptrail COMMAND --help               explains a command";

/// Distributed tracing in one binary: takes OpenTelemetry traces in, keeps them, shows every hop.
#[derive(Debug, Parser)]
#[command(version = version::long(), propagate_version = true, after_help = FIRST_STEPS)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take traces in and answer queries.
    Serve(serve::Flags),
    /// Find traces, or measure them over time, with TraceQL: in hoptrail or in Grafana Tempo.
    Query(query::Flags),
    /// Show one trace as a waterfall: from hoptrail or from Grafana Tempo.
    Trace(trace::Flags),
    /// Print the effective settings as YAML, with a comment for each key.
    Config(config::Flags),
    /// Copy the store to a folder, also while it runs.
    Backup(backup::BackupFlags),
    /// Make a data folder from a backup.
    Restore(backup::RestoreFlags),
    /// Read everything that is stored and say what is damaged.
    Verify(verify::VerifyFlags),
    /// Repair a damaged store. Every span that can be read is kept.
    Repair(verify::RepairFlags),
    /// Send the traces of an imaginary shop, to look around or to try a load.
    Demo(demo::Flags),
    /// Print a script with which a shell completes commands and flags.
    Completions(install::CompletionsFlags),
    /// Print the manual page, or write one for each command.
    Man(install::ManFlags),
}

/// Runs the command to its end. How the process shall exit when it did not fail.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let done = match cli.command {
        Command::Query(flags) => return asked(query::run(&flags)),
        Command::Trace(flags) => return asked(trace::run(&flags)),
        Command::Serve(flags) => serve::run(&flags),
        Command::Config(flags) => config::run(&flags),
        Command::Backup(flags) => backup::backup(&flags),
        Command::Restore(flags) => backup::restore(&flags),
        Command::Verify(flags) => verify::verify(&flags),
        Command::Repair(flags) => verify::repair(&flags),
        Command::Demo(flags) => demo::run(&flags),
        Command::Completions(flags) => install::completions(&flags),
        Command::Man(flags) => install::man(&flags),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// A reader who closes the pipe has what he wants.
fn asked(done: Result<ExitCode, Failure>) -> anyhow::Result<ExitCode> {
    match done {
        Err(Failure::ReaderGone) => Ok(ExitCode::SUCCESS),
        done => Ok(done?),
    }
}

/// The exit code: a user's mistake has another one than a failure.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<Error>() || error.is::<Failure>() { ExitCode::from(MISTAKE) } else { ExitCode::FAILURE }
}

/// A token that SIGTERM or SIGINT cancels. The second signal ends the process at once.
fn stop_on_signal() -> anyhow::Result<tokio_util::sync::CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = tokio_util::sync::CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        for forced in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if forced {
                tracing::warn!("second signal: ending at once");
                std::process::exit(1);
            }
            cancel.cancel();
        }
    });
    Ok(stop)
}
