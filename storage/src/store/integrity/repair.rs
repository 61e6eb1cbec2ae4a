//! Repairs a damaged folder. Everything that is replaced is kept in `damaged/`, and every readable span stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::adopt::entry_from_pages;
use super::rollups::{check_rollup, rollup_from_pages, write_again as write_rollup_again};
use super::segment_check::{check_segment, in_file};
use crate::backend::{
    self, Backend, BackendError, Cause, Integrity, OpenError, Quarantine, Report, StoredSegment, read_catalog,
};
use crate::catalog::{RollupEntry, SegmentEntry, StoreEntry};
use crate::log;
use crate::rows::Rows;
use crate::scan::HintHorizon;
use crate::segment::{
    About, GROUP_SPANS, Lost, LostPart, SegmentGroup, StartHints, WriteSegmentError, read_metadata, write_rows,
};

/// What a repair did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Catalog entries that were made again, without a loss.
    pub entries: u64,
    /// Segments that were written again without their damaged data.
    pub segments: u64,
    /// Spans in these.
    pub spans_saved: u64,
    /// Spans that are unreadable, as far as is known.
    pub spans_lost: u64,
    /// Lost attributes and other values of spans, events and links.
    pub values_lost: u64,
    /// Lost events and links.
    pub children_lost: u64,
    /// Lost records of the log, each with the spans of one commit.
    pub records_lost: u64,
    /// Where the originals are.
    pub originals: Option<PathBuf>,
}

impl Repaired {
    /// The same in words.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if *self == Self::default() {
            return vec!["nothing had to be repaired".to_owned()];
        }
        let mut lines = vec![
            format!("made {} catalog entries again, with nothing lost", self.entries),
            format!("wrote {} segments again, with {} spans", self.segments, self.spans_saved),
            format!(
                "lost {} spans, {} values of others, {} events and links, {} log records",
                self.spans_lost, self.values_lost, self.children_lost, self.records_lost
            ),
        ];
        lines.extend(self.originals.iter().map(|folder| format!("the originals are in {}", folder.display())));
        lines
    }
}

/// Repairs a folder that no process has open.
pub fn repair(data: &Path, report: &mut dyn FnMut(Integrity)) -> Result<Repaired, OpenError> {
    let mut quarantine = Quarantine::new(data);
    let (backend, spans_lost) = backend::open_for_repair(data, &mut quarantine, report)?;
    let done = Repaired { spans_lost, ..Repaired::default() };
    let mut repair = Repair { backend: &*backend, quarantine: &mut quarantine, report, done };
    repair.run().map_err(|error| OpenError::failed(data, error))?;
    let done = repair.done;
    backend.close().map_err(|error| OpenError::failed(data, error))?;
    Ok(Repaired { originals: quarantine.folder().map(Path::to_owned), ..done })
}

/// All entries of the catalog.
type Entries = (BTreeMap<u64, SegmentEntry>, BTreeMap<u64, RollupEntry>);

/// A repair that runs.
struct Repair<'r> {
    backend: &'r dyn Backend,
    quarantine: &'r mut Quarantine,
    report: Report<'r>,
    done: Repaired,
}

impl Repair<'_> {
    fn run(&mut self) -> Result<(), BackendError> {
        let stored = self.backend.list()?;
        let (mut entries, mut rollups) = self.repair_catalog(&stored)?;
        let horizon = entries.values().map(SegmentEntry::horizon).max().unwrap_or_default();
        (self.report)(Integrity::Begun { what: "repairing", bytes: stored.iter().map(|stored| stored.bytes).sum() });
        let ids =
            stored.iter().map(|stored| stored.segment).chain(entries.keys().copied()).chain(rollups.keys().copied());
        let mut last = ids.max().unwrap_or_default();
        for stored in &stored {
            if let Some(entry) = entries.remove(&stored.segment) {
                self.repair_segment(&entry, stored, &mut last)?;
            }
            if let Some(entry) = rollups.remove(&stored.segment) {
                self.repair_rollup(&entry, stored, &mut last)?;
            }
            (self.report)(Integrity::Done { bytes: stored.bytes });
        }
        for entry in entries.values() {
            self.drop_entry(entry)?;
        }
        for id in rollups.keys() {
            let reason = "its file is missing, and what it counted";
            (self.report)(Integrity::found(format!("rollup {id}"), reason));
            self.keep_entry(*id)?;
            self.backend.commit(&[], &[*id], None)?;
        }
        self.repair_log()?;
        if self.done.has_changed_segments() {
            self.distrust_hints(horizon)?;
        }
        Ok(())
    }

    /// Hints up to here may be of spans that have been lost.
    fn distrust_hints(&self, horizon: HintHorizon) -> Result<(), BackendError> {
        let known = self.backend.entry(StoreEntry::ID)?.and_then(|entry| StoreEntry::decode(&entry).ok());
        let horizon = known.map_or(horizon, |known| known.horizon.max(horizon));
        self.backend.commit(&[(StoreEntry::ID, StoreEntry { horizon }.encode())], &[], None)
    }

    /// Makes lost catalog entries again. Answers all entries.
    fn repair_catalog(&mut self, stored: &[StoredSegment]) -> Result<Entries, BackendError> {
        let read = read_catalog(self.backend, stored);
        let (mut entries, mut rollups) = (read.entries, read.rollups);
        let must_adopt = self.backend.must_adopt();
        for stored in stored {
            let is_lost = must_adopt || read.damaged.contains_key(&stored.segment);
            if !is_lost || entries.contains_key(&stored.segment) || rollups.contains_key(&stored.segment) {
                continue;
            }
            if let Ok(entry) = rollup_from_pages(self.backend, stored) {
                self.replace_entry(entry.id, entry.encode())?;
                rollups.insert(entry.id, entry);
                continue;
            }
            match entry_from_pages(self.backend, stored) {
                Ok(entry) => {
                    self.replace_entry(entry.id, entry.encode())?;
                    entries.insert(entry.id, entry);
                }
                Err(error) => {
                    let location = format!("catalog entry of segment {}", stored.segment);
                    let reason = format!("cannot be made again: {error}; the pages are kept");
                    (self.report)(Integrity::found(location, reason));
                }
            }
        }
        self.backend.adopted()?;
        Ok((entries, rollups))
    }

    fn replace_entry(&mut self, id: u64, entry: Vec<u8>) -> Result<(), BackendError> {
        self.keep_entry(id)?;
        self.backend.commit(&[(id, entry)], &[], None)?;
        self.done.entries += 1;
        let location = format!("catalog entry of segment {id}");
        (self.report)(Integrity::repaired(location, "made again from the pages of the segment"));
        Ok(())
    }

    fn keep_entry(&mut self, segment: u64) -> Result<(), BackendError> {
        match self.backend.entry(segment) {
            Ok(Some(bytes)) => Ok(self.quarantine.write(&format!("catalog-entry-{segment}"), &bytes)?),
            _ => Ok(()),
        }
    }

    /// Writes a segment again when its pages are damaged, or its entry when only that is wrong. `last` is the last id of a segment.
    fn repair_segment(
        &mut self,
        entry: &SegmentEntry,
        stored: &StoredSegment,
        last: &mut u64,
    ) -> Result<(), BackendError> {
        let mut found = Vec::new();
        check_segment(self.backend, entry, stored, &mut |damage| found.push(damage));
        if found.is_empty() {
            return Ok(());
        }
        let entry_only = found.iter().all(|damage| damage.entry_only);
        found.into_iter().for_each(|damage| (self.report)(damage.into()));
        if entry_only && let Ok(right) = entry_from_pages(self.backend, stored) {
            return self.replace_entry(right.id, right.encode());
        }
        if let Some(file) = &stored.file {
            self.quarantine.copy(file)?;
        }
        self.keep_entry(entry.id)?;
        let rows = self.salvage(entry);
        let mut new = Vec::new();
        if rows.len() > 0 {
            *last += 1;
            new.push(self.write_again(*last, entry, &rows)?);
        }
        self.backend.commit(&new, &[entry.id], None)?;
        self.backend.delete(entry.id)?;
        let how = format!("{} of its {} spans are in segment {last} now", rows.len(), entry.spans());
        (self.report)(Integrity::repaired(format!("segment {}", entry.id), how));
        Ok(())
    }

    /// Writes a rollup again without its damaged pages.
    fn repair_rollup(
        &mut self,
        entry: &RollupEntry,
        stored: &StoredSegment,
        last: &mut u64,
    ) -> Result<(), BackendError> {
        let damage = check_rollup(self.backend, entry, stored);
        if damage.is_empty() {
            return Ok(());
        }
        for error in damage {
            let (location, reason) = in_file(stored, error);
            (self.report)(Integrity::found(location, reason));
        }
        if let Some(file) = &stored.file {
            self.quarantine.copy(file)?;
        }
        self.keep_entry(entry.id)?;
        *last += 1;
        let new = write_rollup_again(self.backend, *last, entry)?;
        self.backend.commit(&[(new.id, new.encode())], &[entry.id], None)?;
        self.backend.delete(entry.id)?;
        self.done.segments += 1;
        let how = format!("{} of its {} pages are in rollup {last} now", new.list.pages.len(), entry.list.pages.len());
        (self.report)(Integrity::repaired(format!("rollup {}", entry.id), how));
        Ok(())
    }

    /// Writes the readable rows of a segment to a new one. Answers the id and the entry of the new one.
    fn write_again(&mut self, id: u64, old: &SegmentEntry, rows: &Rows) -> Result<(u64, Vec<u8>), BackendError> {
        let about = About { tenant: old.tenant.clone(), received: old.received };
        let mut writer = self.backend.stage(id)?;
        let written = write_rows(&[rows], GROUP_SPANS, &StartHints::default(), &about, &mut *writer);
        let written = written.map_err(|error| match error {
            WriteSegmentError::TooLarge(error) => BackendError::Failed(Cause::new(error)),
            WriteSegmentError::Sink(error) => error,
        })?;
        let bytes = writer.finish()?;
        self.backend.publish(id)?;
        let entry = SegmentEntry::new(id, bytes, about, written);
        self.done.segments += 1;
        self.done.spans_saved += entry.spans();
        Ok((id, entry.encode()))
    }

    /// All readable rows of a segment.
    fn salvage(&mut self, entry: &SegmentEntry) -> Rows {
        let mut rows = Rows::default();
        let Ok(meta) = read_metadata(self.backend, entry.id).map(Arc::new) else {
            self.done.spans_lost += entry.spans();
            return rows;
        };
        for number in (0u16..).take(meta.groups.len().max(entry.groups.len())) {
            let done = &mut self.done;
            let group = SegmentGroup::open(self.backend, entry.id, Arc::clone(&meta), number);
            let read = group.and_then(|group| {
                group.append_to(&mut rows, &mut |lost| {
                    done.count_loss(&lost);
                    Ok(())
                })
            });
            if read.is_err() {
                let spans = entry.groups.get(usize::from(number)).map_or(0, |group| group.spans);
                self.done.spans_lost += u64::from(spans);
            }
        }
        rows
    }

    /// Removes an entry without a file: its spans are lost.
    fn drop_entry(&mut self, entry: &SegmentEntry) -> Result<(), BackendError> {
        let reason = format!("its file is missing, and {} spans with it", entry.spans());
        (self.report)(Integrity::found(format!("segment {}", entry.id), reason));
        self.keep_entry(entry.id)?;
        self.done.spans_lost += entry.spans();
        self.backend.commit(&[], &[entry.id], None)
    }

    /// Takes damaged records out of the log.
    fn repair_log(&mut self) -> Result<(), BackendError> {
        let mut damaged = Vec::new();
        self.backend.replay(&mut |sequence, record| {
            if let Err(error) = log::each_request(record, |_, _, _| ()) {
                damaged.push((sequence, record.to_vec(), error.to_string()));
            }
        })?;
        for (sequence, record, reason) in damaged {
            (self.report)(Integrity::found(format!("log record {sequence}"), reason));
            self.quarantine.write(&format!("log-record-{sequence}"), &record)?;
            self.backend.remove(sequence)?;
            self.done.records_lost += 1;
        }
        Ok(())
    }
}

impl Repaired {
    fn has_changed_segments(&self) -> bool {
        self.entries > 0 || self.segments > 0 || self.spans_lost > 0
    }

    fn count_loss(&mut self, lost: &Lost) {
        match lost.what {
            LostPart::Column(..) => self.values_lost += lost.count as u64,
            LostPart::Table(_) => self.children_lost += lost.count as u64,
        }
    }
}
