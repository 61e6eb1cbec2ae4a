//! Where bytes live: three small traits, and what implements them.
//!
//! ```text
//!  store/        queue, head, sealing, merging, queries
//!  ----------------------------------------------------------------
//!  Log           requests that no segment holds yet
//!  Segments      immutable sets of pages, written whole, read by page
//!  Catalog       which segments count: what is not in it is not there
//!  ----------------------------------------------------------------
//!  rocksdb/      a data folder          memory.rs    nothing on a disk
//! ```
//!
//! A span is on its way through all three: its request is appended to the log and answered. Later a segment with it is staged and
//! published; then one [`Catalog::commit`] names the segment and ends the log before it. Whatever a crash interrupts, the span is in
//! the log or in a named segment, and never in neither.
//!
//! Nothing outside of `rocksdb/` names RocksDB, and nothing outside of this folder knows that there is one.

mod catalog_read;
mod error;
mod memory;
mod quarantine;
mod report;
mod rocksdb;

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use crate::ReadError;
use crate::segment::{Page, PageId, PageSink, PageSource};

pub(crate) use self::rocksdb::{look_before_opening, open, open_for_repair, open_read_only};
pub(crate) use catalog_read::{CatalogRead, read_catalog};
pub use error::OpenError;
pub(crate) use error::{BackendError, Cause};
#[cfg(test)]
pub(crate) use memory::Call;
pub(crate) use memory::MemoryBackend;
pub(crate) use quarantine::Quarantine;
pub use report::Integrity;
pub(crate) use report::Report;

/// The log: records of requests that no segment holds yet, by sequence.
pub(crate) trait Log {
    /// Appends a record. `Ok` means that it survives a crash and a power loss.
    ///
    /// After an error the record may come to light with a crash all the same, until a record at the same position takes its place.
    fn append(&self, position: LogPosition, record: &[u8]) -> Result<(), BackendError>;

    /// Lets go of the room of a half whose records [`Catalog::commit`] has ended. Records of it that are not ended stay. A crash
    /// before it costs nothing but this room.
    fn end(&self, half: LogHalf) -> Result<(), BackendError>;

    /// Calls `visit` with the sequence and the bytes of each record that can be read: half by half, the older one first, and by
    /// sequence in each. Fails when records might stay unseen and nothing says which.
    fn replay(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<LogRead, BackendError>;

    /// Removes a record, whatever half it is in. Only a repair does.
    fn remove(&self, sequence: u64) -> Result<(), BackendError>;
}

/// Segments: immutable sets of pages.
pub(crate) trait Segments: PageSource {
    /// Begins to write a segment, which nobody sees. Ids are not used twice, except after a start that found nothing of the first.
    fn stage(&self, segment: u64) -> Result<Box<dyn SegmentWriter + '_>, BackendError>;

    /// Makes the pages of a staged segment readable, all of them or none. Nobody reads them before the catalog names the segment.
    /// After an error, or a crash at any later point before the catalog names it, they may be there or not; [`Segments::list`] says.
    fn publish(&self, segment: u64) -> Result<(), BackendError>;

    /// Deletes the pages of a segment that the catalog does not name (any more) and that no query reads. Doing so again is harmless.
    fn delete(&self, segment: u64) -> Result<(), BackendError>;

    /// All published segments by id, also those that the catalog does not name.
    fn list(&self) -> Result<Vec<StoredSegment>, BackendError>;

    /// A page that need not be there. Like [`PageSource::page`], which is an error then, it copies nothing where pages are near.
    fn optional_page(&self, segment: u64, id: PageId) -> Result<Option<Page<'_>>, ReadError>;

    /// Called once before a round of a query with all groups that the round reads, by segment. Where pages are far away this brings them
    /// all at once, so that reading them waits for nothing. Where they are near it does nothing: pages are read as they are asked for.
    fn fetch(&self, wanted: &[(u64, Vec<u16>)]) -> Result<(), ReadError>;
}

/// A segment that is being written. Dropped before [`SegmentWriter::finish`], it leaves nothing behind.
pub(crate) trait SegmentWriter {
    /// Appends a page. Ids ascend.
    fn put(&mut self, id: PageId, page: &[u8]) -> Result<(), BackendError>;

    /// Ends the segment. `Ok` is its size, and means that all of it survives a crash once it is published and named.
    fn finish(self: Box<Self>) -> Result<u64, BackendError>;
}

impl PageSink for dyn SegmentWriter + '_ {
    type Error = BackendError;

    fn put(&mut self, id: PageId, page: &[u8]) -> Result<(), BackendError> {
        SegmentWriter::put(self, id, page)
    }
}

/// The catalog: an entry for each segment that counts. What is in an entry is not known here.
pub(crate) trait Catalog {
    /// Calls `visit` with each segment and its entry, by id. After an error there may be entries that were not seen.
    fn each(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), BackendError>;

    /// The entry of a segment.
    fn entry(&self, segment: u64) -> Result<Option<Vec<u8>>, BackendError>;

    /// One step that is seen whole or not at all, also after a crash: entries come, entries go, and the records of the log before
    /// `log_end` end, in both halves. `Ok` means that it survives a crash. After an error it may come to light with a crash all the same,
    /// until another commit has succeeded.
    fn commit(&self, add: &[(u64, Vec<u8>)], remove: &[u64], log_end: Option<u64>) -> Result<(), BackendError>;
}

/// All of it, opened.
pub(crate) trait Backend: Log + Segments + Catalog + Send + Sync + Debug {
    /// Makes sure that everything written survives a crash.
    fn close(&self) -> Result<(), BackendError>;

    /// Bytes held in memory, about.
    fn memory(&self) -> u64;

    /// The data folder, when there is one: its disk may be full, and damage is kept in it.
    fn path(&self) -> Option<&Path>;

    /// What opening had to get over, a line each.
    fn damage(&self) -> &[String];

    /// Whether damage may have hidden catalog entries, so that pages without one may be the only place of their spans. A start then
    /// adopts them where it else deletes them, and says so by [`Backend::adopted`].
    fn must_adopt(&self) -> bool;

    /// Segments without entry have been adopted.
    fn adopted(&self) -> Result<(), BackendError>;

    /// Makes a folder that opens as a store with everything that is durable now. The caller removes it, and lets no segment come or go
    /// meanwhile.
    fn checkpoint(&self) -> Result<PathBuf, BackendError>;
}

/// A half of the log. Generations of the head take turns, so that a half is free when what is in it is sealed: were there one log
/// only, the records of the generation that grows meanwhile would be written once more when space is freed (measured under full load:
/// 22 bytes a span).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogHalf {
    #[default]
    Even,
    Odd,
}

impl LogHalf {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Even => Self::Odd,
            Self::Odd => Self::Even,
        }
    }
}

/// Where a record of the log stands. Sequences rise over both halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) half: LogHalf,
    pub(crate) sequence: u64,
}

/// How far the log could be read.
#[derive(Debug, Default)]
pub(crate) struct LogRead {
    /// No record has this sequence or a later one.
    pub(crate) next: u64,
    /// Sequences from which on records may be missing, and why.
    pub(crate) missing: Vec<(u64, BackendError)>,
    /// The files that these records may have been in.
    pub(crate) damaged_files: Vec<PathBuf>,
}

/// A published segment.
#[derive(Debug, Clone)]
pub(crate) struct StoredSegment {
    pub(crate) segment: u64,
    pub(crate) bytes: u64,
    /// The file that holds it and nothing else, when there is one.
    pub(crate) file: Option<PathBuf>,
}

/// Where a page is, for people.
fn location(segment: u64, id: PageId) -> String {
    format!("segment {segment}, group {}, page {}", id.group, id.page)
}

/// A page that must be there is not.
fn missing(segment: u64, id: PageId) -> ReadError {
    ReadError::Corrupt { location: location(segment, id), reason: "the page is missing".to_owned() }
}
