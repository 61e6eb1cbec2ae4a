//! `hoptrail completions` and `hoptrail man`: what is installed beside the binary.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use crate::output::print_text;

/// Flags of `hoptrail completions`.
#[derive(Debug, Args)]
#[command(after_help = "For this shell alone: source <(hoptrail completions bash)")]
pub(super) struct CompletionsFlags {
    /// The shell that shall complete
    shell: Shell,
}

/// Flags of `hoptrail man`.
#[derive(Debug, Args)]
pub(super) struct ManFlags {
    /// Write a page for each command into this folder, which is made when it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints what a shell reads to complete commands and flags.
pub(super) fn completions(flags: &CompletionsFlags) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "hoptrail", &mut script);
    print_text(&String::from_utf8(script)?)
}

/// Prints the page of all commands, or writes a page for each.
pub(super) fn man(flags: &ManFlags) -> anyhow::Result<()> {
    let Some(folder) = &flags.out else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return print_text(&String::from_utf8(page)?);
    };
    let failed = || format!("cannot write man pages into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(failed)
}
