//! Where bytes are stored: three small traits, and what implements them.
//!
//! ```text
//!  store/        queue, head, sealing, merging, queries
//!  ----------------------------------------------------------------
//!  Log           requests that no segment holds yet
//!  Segments      immutable sets of pages, written whole, read by page
//!  Catalog       an entry for each valid segment
//!  ----------------------------------------------------------------
//!  rocksdb/      a data folder          memory.rs    nothing on a disk
//! ```
//!
//! A span passes through all three. Its request is appended to the log and answered. Later a segment that holds the span is staged and
//! published. Then one [`Catalog::commit`] names the segment and ends the log before it. So after a crash at any moment the span is in the
//! log or in a named segment.
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
    /// After an error the record may still become visible with a crash, until another record is appended at the same position.
    fn append(&self, position: LogPosition, record: &[u8]) -> Result<(), BackendError>;

    /// Frees the space of a half whose records [`Catalog::commit`] has ended. Records that are not ended stay. A crash before this call
    /// costs only space.
    fn end(&self, half: LogHalf) -> Result<(), BackendError>;

    /// Calls `visit` with the sequence and the bytes of each record that can be read: half by half, the older one first, and by sequence in
    /// each. Fails when records may be missing and nothing tells which.
    fn replay(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<LogRead, BackendError>;

    /// Removes a record, whatever half it is in. Only a repair does.
    fn remove(&self, sequence: u64) -> Result<(), BackendError>;
}

/// Segments: immutable sets of pages.
pub(crate) trait Segments: PageSource {
    /// Begins to write a segment that nobody sees yet. An id is used once; a start may use it again when it found no trace of the first
    /// use.
    fn stage(&self, segment: u64) -> Result<Box<dyn SegmentWriter + '_>, BackendError>;

    /// Makes the pages of a staged segment readable, all of them or none. Nobody reads them before the catalog names the segment.
    /// After an error, or a crash at any later point before the catalog names it, they may be there or not; [`Segments::list`] says.
    fn publish(&self, segment: u64) -> Result<(), BackendError>;

    /// Deletes the pages of a segment. The catalog does not name it any more, and no query reads it. Deleting twice is harmless.
    fn delete(&self, segment: u64) -> Result<(), BackendError>;

    /// All published segments by id, also those that the catalog does not name.
    fn list(&self) -> Result<Vec<StoredSegment>, BackendError>;

    /// A page that is read once, by a merge: it takes no room from the pages that queries read again.
    fn page_once(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError>;

    /// A query calls this before each of its rounds, with all groups that the round reads, by segment. A back end with remote pages fetches
    /// them all at once, so that reading them does not wait. A back end with local pages does nothing: pages are read when they are asked
    /// for.
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

/// The catalog: an entry for each valid segment. To the back end an entry is only bytes.
pub(crate) trait Catalog {
    /// Calls `visit` with each segment and its entry, by id. After an error there may be entries that were not seen.
    fn each(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), BackendError>;

    /// The entry of a segment.
    fn entry(&self, segment: u64) -> Result<Option<Vec<u8>>, BackendError>;

    /// One atomic step, also after a crash: entries are added, entries are removed, and the records of the log before `log_end` end, in
    /// both halves. `Ok` means that the step survives a crash. After an error the step may still become visible with a crash, until another
    /// commit has succeeded.
    fn commit(&self, add: &[(u64, Vec<u8>)], remove: &[u64], log_end: Option<u64>) -> Result<(), BackendError>;
}

/// An open back end: log, segments and catalog.
pub(crate) trait Backend: Log + Segments + Catalog + Send + Sync + Debug {
    /// Makes sure that everything written survives a crash.
    fn close(&self) -> Result<(), BackendError>;

    /// Bytes held in memory, about.
    fn memory(&self) -> u64;

    /// The data folder, if there is one. Free space is measured there, and damaged bytes are kept there.
    fn path(&self) -> Option<&Path>;

    /// The damage that opening worked around, one line each.
    fn damage(&self) -> &[String];

    /// Whether damage may have destroyed catalog entries. Pages without an entry may then be the only copy of their spans, so a start
    /// adopts them instead of deleting them, and then calls [`Backend::adopted`].
    fn must_adopt(&self) -> bool;

    /// Notes that the segments without an entry have been adopted.
    fn adopted(&self) -> Result<(), BackendError>;

    /// Makes a folder that opens as a store and holds everything that is durable now. The caller removes the folder. No segment may be
    /// published or deleted while this runs.
    fn checkpoint(&self) -> Result<PathBuf, BackendError>;
}

/// A half of the log. The generations of the head use the two halves in turn, so that a half is empty once its generation is sealed. With
/// only one log, freeing space would write the records of the growing generation a second time (measured under full load: 22 bytes a span).
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

/// Where a record of the log is. Sequences rise over both halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) half: LogHalf,
    pub(crate) sequence: u64,
}

/// How far the log could be read.
#[derive(Debug, Default)]
pub(crate) struct LogRead {
    /// The sequence after the last record.
    pub(crate) next: u64,
    /// Where records may be missing: from which sequence on, and why.
    pub(crate) missing: Vec<(u64, BackendError)>,
    /// The files that may have held these records.
    pub(crate) damaged_files: Vec<PathBuf>,
}

/// A published segment.
#[derive(Debug, Clone)]
pub(crate) struct StoredSegment {
    pub(crate) segment: u64,
    pub(crate) bytes: u64,
    /// The file of its own, if it has one.
    pub(crate) file: Option<PathBuf>,
}

/// The location of a page, as text.
fn location(segment: u64, id: PageId) -> String {
    format!("segment {segment}, group {}, page {}", id.group, id.page)
}

/// The error for a page that must be there and is not.
fn missing(segment: u64, id: PageId) -> ReadError {
    ReadError::Corrupt { location: location(segment, id), reason: "the page is missing".to_owned() }
}
