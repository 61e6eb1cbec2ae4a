//! `hoptrail backup` and `hoptrail restore`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use hoptrail_storage::Checkpoint;

use super::settings::DataFlags;
use super::verify::verify_folder;
use crate::control;
use crate::copy::{copy_folder, refuse_used};
use crate::output::print_line;

/// Flags of `hoptrail backup`.
#[derive(Debug, Args)]
pub(super) struct BackupFlags {
    /// A new folder for the copy, on any disk
    dir: PathBuf,
    #[command(flatten)]
    data: DataFlags,
}

/// Flags of `hoptrail restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreFlags {
    /// A folder that `hoptrail backup` wrote
    dir: PathBuf,
    #[command(flatten)]
    data: DataFlags,
}

/// Copies a checkpoint. The process that has the folder open makes it, or this one when there is none.
pub(super) fn backup(flags: &BackupFlags) -> anyhow::Result<()> {
    let data = flags.data.existing()?;
    refuse_used(&flags.dir)?;
    if let Some(held) = control::checkpoint(&data)? {
        copy_folder("copying", &held.path, &flags.dir)?;
    } else {
        let checkpoint = Checkpoint::of(&data)?;
        copy_folder("copying", checkpoint.path(), &flags.dir)?;
    }
    print_line(&format!("{} is backed up in {}", data.display(), flags.dir.display()))
}

/// Verifies a backup, and copies it to the data folder when no byte is damaged.
pub(super) fn restore(flags: &RestoreFlags) -> anyhow::Result<()> {
    let data = flags.data.folder()?;
    refuse_used(&data)?;
    if verify_folder(&flags.dir)? > 0 {
        bail!(
            "{} is damaged, and nothing was restored: copy it by hand and run `hoptrail repair` on the copy",
            flags.dir.display()
        );
    }
    copy_folder("copying", &flags.dir, &data)?;
    print_line(&format!("{} is restored to {}", flags.dir.display(), data.display()))
}
