//! `hoptrail verify` and `hoptrail repair`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use hoptrail_storage::{Checked, Integrity};

use super::settings::DataFlags;
use crate::control;
use crate::output::print_line;
use crate::progress::Progress;

/// Flags of `hoptrail verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyFlags {
    /// Verify this folder, for example a backup, instead of the data folder
    dir: Option<PathBuf>,
    #[command(flatten)]
    data: DataFlags,
}

/// Flags of `hoptrail repair`.
#[derive(Debug, Args)]
pub(super) struct RepairFlags {
    #[command(flatten)]
    data: DataFlags,
}

/// Reads everything and prints each damage on a line. Changes nothing.
pub(super) fn verify(flags: &VerifyFlags) -> anyhow::Result<()> {
    let folder = match &flags.dir {
        Some(folder) => folder.clone(),
        None => flags.data.existing()?,
    };
    let findings = match control::checkpoint(&folder)? {
        Some(held) => verify_folder(&held.path)?,
        None => verify_folder(&folder)?,
    };
    match findings {
        0 => Ok(()),
        1 => bail!("damage was found in 1 location; stop hoptrail and run `hoptrail repair`"),
        _ => bail!("damage was found in {findings} locations; stop hoptrail and run `hoptrail repair`"),
    }
}

/// Verifies a folder that nobody writes to. Returns how many damaged locations it has.
pub(super) fn verify_folder(folder: &Path) -> anyhow::Result<u64> {
    if !folder.is_dir() {
        bail!("{} is no folder", folder.display());
    }
    let mut report = Report::default();
    let checked = hoptrail_storage::verify(folder, &mut |event| report.show(event));
    report.end();
    if let Some(checked) = checked? {
        print_line(&format!("{} holds {}", folder.display(), summary(&checked)))?;
    }
    Ok(report.findings)
}

fn summary(checked: &Checked) -> String {
    format!(
        "{} spans in {} segments and {} in {} log records",
        checked.segment_spans, checked.segments, checked.log_spans, checked.log_records
    )
}

/// Repairs the data folder.
pub(super) fn repair(flags: &RepairFlags) -> anyhow::Result<()> {
    let data = flags.data.existing()?;
    let mut report = Report::default();
    let repaired = hoptrail_storage::repair(&data, &mut |event| report.show(event));
    report.end();
    let repaired = repaired.with_context(|| format!("cannot repair {}", data.display()))?;
    for line in repaired.lines() {
        print_line(&line)?;
    }
    Ok(())
}

/// Shows the events of the store while it works.
#[derive(Debug, Default)]
struct Report {
    progress: Option<Progress>,
    findings: u64,
}

impl Report {
    fn show(&mut self, event: Integrity) {
        match event {
            Integrity::Begun { what, bytes } => self.progress = Some(Progress::begin(what, bytes)),
            Integrity::Done { bytes } => {
                if let Some(progress) = &mut self.progress {
                    progress.add(bytes);
                }
            }
            Integrity::Found { location, reason } => {
                self.findings += 1;
                self.say(&format!("{location}: {reason}"));
            }
            Integrity::Repaired { location, how } => self.say(&format!("{location}: {how}")),
            _ => {}
        }
    }

    fn say(&self, line: &str) {
        match &self.progress {
            Some(progress) => progress.say(line),
            None => _ = print_line(line),
        }
    }

    fn end(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
    }
}
