//! `hoptrail config`.

use clap::Args;

use super::settings::SettingFlags;
use crate::config::to_yaml;
use crate::output::print_line;

/// Flags of `hoptrail config`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(flags: &Flags) -> anyhow::Result<()> {
    let (config, _) = flags.settings.load()?;
    print_line(to_yaml(&config).trim_end())
}
