//! Logs: to stderr, so that stdout stays for what scripts read.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Error, Log, LogFormat};

/// Starts logging for the whole process. Call once; a second call changes nothing.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&log.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    _ = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
