//! The subcommands, each with its flags beside it.

mod backup;
mod config;
mod demo;
mod serve;
mod settings;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Error;
use crate::version;

/// Exit code of a mistake on the command line or in the settings; clap uses the same. Anything else that fails is 1.
const MISTAKE: u8 = 2;

/// Distributed tracing in one binary: takes OpenTelemetry traces in, keeps them, shows every hop.
#[derive(Debug, Parser)]
#[command(version = version::long(), propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take traces in and answer queries.
    Serve(serve::Flags),
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
}

/// Runs the command to its end.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(flags) => serve::run(&flags),
        Command::Config(flags) => config::run(&flags),
        Command::Backup(flags) => backup::backup(&flags),
        Command::Restore(flags) => backup::restore(&flags),
        Command::Verify(flags) => verify::verify(&flags),
        Command::Repair(flags) => verify::repair(&flags),
        Command::Demo(flags) => demo::run(&flags),
    }
}

/// The exit code: a user's mistake has another one than a failure.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<Error>() { ExitCode::from(MISTAKE) } else { ExitCode::FAILURE }
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
