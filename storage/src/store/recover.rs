//! What a start does: reads the catalog and the log, removes pages that belong to nothing, and gets over what is damaged.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::care::{Aside, CatalogRead, entry_from_pages, mend, read_catalog};
use super::db::{DbError, SegmentFile};
use super::state::State;
use super::{OpenError, Shared};
use crate::catalog::SegmentEntry;
use crate::{Done, Task, log};

impl Shared {
    /// Reads catalog and log. Fails only where going on would lose something that can still be read.
    pub(super) fn recover(&self) -> Result<(), OpenError> {
        let path = || self.db.path().to_owned();
        self.reached(Task::Start, Done::Opened);
        for damage in &self.db.damage {
            self.note_damage(damage, "left out to open the store; `hoptrail verify` says more");
        }
        let mut aside = Aside::new(self.db.path());
        let failed = |error: DbError| OpenError::Failed { path: path(), reason: error.to_string() };
        self.read_catalog(&mut self.write_state()).map_err(failed)?;
        self.reached(Task::Start, Done::Swept);
        let damaged = |error: DbError| OpenError::Damaged { path: path(), reason: error.to_string() };
        self.read_log(&mut aside).map_err(damaged)?;
        self.reached(Task::Start, Done::Replayed);
        if let Some(folder) = aside.folder() {
            tracing::error!(folder = %folder.display(), "what is damaged is kept there");
        }
        Ok(())
    }

    fn read_catalog(&self, state: &mut State) -> Result<(), DbError> {
        let files = self.db.segment_files()?;
        let CatalogRead { entries, damaged, unread } = read_catalog(&self.db, &files)?;
        state.segments.extend(entries.into_iter().map(|(id, entry)| (id, Arc::new(entry))));
        for (id, reason) in &damaged {
            self.note_damage(&format!("segment {id}, catalog entry"), reason);
        }
        if let Some(error) = &unread {
            self.note_damage("catalog", error);
        }
        let incomplete = unread.is_some() || !self.db.damage.is_empty() || mend::is_recovering(self.db.path());
        let last =
            files.iter().map(|file| file.segment).chain(state.segments.keys().copied()).chain(damaged.keys().copied());
        self.next_segment.store(last.max().unwrap_or_default() + 1, Ordering::SeqCst);
        let unknown: Vec<_> = files.into_iter().filter(|file| !state.segments.contains_key(&file.segment)).collect();
        let (taken, orphans): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|file| incomplete || damaged.contains_key(&file.segment));
        for file in orphans {
            self.db.drop_pages(file.segment)?;
        }
        let entries = self.take_in(&taken);
        // An entry that does not decode may be of a later hoptrail, and stays as it is.
        let unnamed = entries.iter().filter(|entry| !damaged.contains_key(&entry.id));
        let add: Vec<_> = unnamed.map(|entry| (entry.id, entry.encode())).collect();
        if !add.is_empty() {
            self.db.commit(&add, &[], None)?;
        }
        state.segments.extend(entries.into_iter().map(|entry| (entry.id, Arc::new(entry))));
        if mend::is_recovering(self.db.path()) {
            mend::recovered(self.db.path()).map_err(|error| DbError(error.to_string()))?;
        }
        Ok(())
    }

    /// The entries of segments, from their pages.
    fn take_in(&self, files: &[SegmentFile]) -> Vec<SegmentEntry> {
        let mut entries = Vec::new();
        for file in files {
            match entry_from_pages(&self.db, file) {
                Ok(entry) => {
                    tracing::warn!(
                        segment = file.segment,
                        spans = entry.spans(),
                        "the catalog entry of a segment was made again from its pages"
                    );
                    entries.push(entry);
                }
                Err(error) => {
                    let file = file.path.display();
                    tracing::error!(%file, %error, "a segment without a catalog entry is left out, its pages are kept");
                }
            }
        }
        entries
    }

    fn read_log(&self, aside: &mut Aside) -> Result<(), DbError> {
        let mut failed = Ok(());
        let next = self.db.each_log(|sequence, record| {
            let requests = log::each_request(record, |received, tenant, body| {
                if let Err(error) = self.append(received, &tenant, body) {
                    tracing::error!(sequence, %error, "a request in the log is malformed");
                }
            });
            if let Err(error) = requests {
                self.note_damage(&format!("log record {sequence}"), &error.to_string());
                let kept = aside.write(&format!("log-record-{sequence}"), record);
                failed = std::mem::replace(&mut failed, Ok(())).and(kept);
            }
        });
        failed.map_err(|error| DbError(error.to_string()))?;
        let read = next?;
        self.write_state().next_sequence = read.next;
        for (sequence, reason) in &read.missing {
            self.note_damage(&format!("log records from {sequence} on"), reason);
        }
        if !read.missing.is_empty() {
            let files = self.db.log_files()?;
            files.iter().try_for_each(|file| aside.copy(file)).map_err(|error| DbError(error.to_string()))?;
        }
        Ok(())
    }
}
