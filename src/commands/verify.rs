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
    /// Look through this folder, for example a backup, and not through the data folder
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

/// Reads everything and says what is damaged, a line each. Changes nothing.
pub(super) fn verify(flags: &VerifyFlags) -> anyhow::Result<()> {
    let folder = match &flags.dir {
        Some(folder) => folder.clone(),
        None => flags.data.existing()?,
    };
    let findings = match control::checkpoint(&folder)? {
        Some(held) => look_through(&held.path)?,
        None => look_through(&folder)?,
    };
    match findings {
        0 => Ok(()),
        1 => bail!("1 place is damaged; stop hoptrail and run `hoptrail repair`"),
        _ => bail!("{findings} places are damaged; stop hoptrail and run `hoptrail repair`"),
    }
}

/// Looks through a folder that nobody writes to; answers how many places are damaged.
pub(super) fn look_through(folder: &Path) -> anyhow::Result<u64> {
    if !folder.is_dir() {
        bail!("{} is no folder", folder.display());
    }
    let mut report = Report::default();
    let checked = hoptrail_storage::verify(folder, &mut |event| report.hear(event));
    report.end();
    if let Some(checked) = checked? {
        print_line(&format!("{} holds {}", folder.display(), text(&checked)))?;
    }
    Ok(report.findings)
}

fn text(checked: &Checked) -> String {
    format!(
        "{} spans in {} segments and {} in {} log records",
        checked.segment_spans, checked.segments, checked.log_spans, checked.log_records
    )
}

/// Puts the folder in order.
pub(super) fn repair(flags: &RepairFlags) -> anyhow::Result<()> {
    let data = flags.data.existing()?;
    let mut report = Report::default();
    let repaired = hoptrail_storage::repair(&data, &mut |event| report.hear(event));
    report.end();
    let repaired = repaired.with_context(|| format!("cannot repair {}", data.display()))?;
    for line in repaired.lines() {
        print_line(&line)?;
    }
    Ok(())
}

/// Shows what the store says while it works.
#[derive(Debug, Default)]
struct Report {
    progress: Option<Progress>,
    findings: u64,
}

impl Report {
    fn hear(&mut self, event: Integrity) {
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
