//! Reads everything and reports all damage. Changes nothing.

use std::path::Path;

use super::rollups::check_rollup;
use super::segment_check::{check_segment, in_file};
use crate::backend::{
    self, Backend, BackendError, CatalogRead, Integrity, OpenError, Report, StoredSegment, read_catalog,
};
use crate::rows::Rows;
use crate::{ReadError, log};

/// How much was checked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Segments.
    pub segments: u64,
    /// Spans in them that can be read.
    pub segment_spans: u64,
    /// Records of the log.
    pub log_records: u64,
    /// Spans in them. Some may be in a segment as well.
    pub log_spans: u64,
}

/// Reads every byte of a folder that no process writes to, and reports all damage. `None` when the damage is so large that nothing could be
/// checked.
pub fn verify(folder: &Path, report: &mut dyn FnMut(Integrity)) -> Result<Option<Checked>, OpenError> {
    backend::look_before_opening(folder, report)?;
    let backend = match backend::open_read_only(folder) {
        Err(OpenError::Damaged { source, .. }) => {
            report(Integrity::found(folder.display().to_string(), source.to_string()));
            return Ok(None);
        }
        opened => opened?,
    };
    backend.damage().iter().for_each(|reason| report(Integrity::found("RocksDB", reason)));
    check(&*backend, report).map(Some).map_err(|error| OpenError::failed(folder, error))
}

fn check(backend: &dyn Backend, report: Report<'_>) -> Result<Checked, BackendError> {
    let stored = backend.list()?;
    let catalog = read_catalog(backend, &stored);
    report_catalog(&catalog, &stored, report);
    report(Integrity::Begun { what: "verifying", bytes: stored.iter().map(|stored| stored.bytes).sum() });
    let mut checked = Checked::default();
    for stored in &stored {
        if let Some(entry) = catalog.rollups.get(&stored.segment) {
            check_rollup(backend, entry, stored).into_iter().for_each(|error| report(of_rollup(stored, error)));
        }
        // Pages without an entry are left from an unfinished merge or seal. The next start deletes them.
        if let Some(entry) = catalog.entries.get(&stored.segment) {
            checked.segments += 1;
            checked.segment_spans += check_segment(backend, entry, stored, &mut |damage| report(damage.into()));
        }
        report(Integrity::Done { bytes: stored.bytes });
    }
    check_log(backend, &mut checked, report);
    Ok(checked)
}

fn report_catalog(catalog: &CatalogRead, stored: &[StoredSegment], report: Report<'_>) {
    if let Some(error) = &catalog.unread {
        report(Integrity::found("catalog", error.to_string()));
    }
    for (segment, cause) in &catalog.damaged {
        report(Integrity::found(format!("catalog entry of segment {segment}"), cause.to_string()));
    }
    let known = catalog.entries.keys().chain(catalog.rollups.keys());
    for segment in known.filter(|id| !stored.iter().any(|stored| stored.segment == **id)) {
        report(Integrity::found(format!("segment {segment}"), "its file is missing"));
    }
}

fn check_log(backend: &dyn Backend, checked: &mut Checked, report: Report<'_>) {
    let read = backend.replay(&mut |sequence, record| {
        checked.log_records += 1;
        let mut rows = Rows::default();
        let mut malformed = None;
        let read = log::each_request(record, |_, _, body| malformed = malformed.or(rows.append_request(body).err()));
        checked.log_spans += rows.len() as u64;
        let wrong = read.err().map(|error| error.to_string()).or(malformed.map(|error| error.to_string()));
        if let Some(reason) = wrong {
            report(Integrity::found(format!("log record {sequence}"), reason));
        }
    });
    match read {
        Ok(read) => {
            for (sequence, error) in read.missing {
                report(Integrity::found(format!("log records from {sequence} on"), error.to_string()));
            }
        }
        Err(error) => report(Integrity::found("log", error.to_string())),
    }
}

fn of_rollup(stored: &StoredSegment, error: ReadError) -> Integrity {
    let (location, reason) = in_file(stored, error);
    Integrity::found(location, reason)
}
