//! `hoptrail demo`.
use clap::Args;

/// Flags of `hoptrail demo`.
#[derive(Debug, Args)]
pub(super) struct Flags {}

pub(super) fn run(_: Flags) -> anyhow::Result<()> {
    Ok(())
}
