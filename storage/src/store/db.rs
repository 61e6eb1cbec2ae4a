//! RocksDB, named nowhere else. Column families: `meta` (format version), `log.0` and `log.1` (requests that no segment holds yet),
//! `catalog` (an entry for each segment) and `segments` (pages).

mod files;
mod open;
mod rebuild;

use std::fs::File;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rocksdb::{
    BlockBasedOptions, ChecksumType, ColumnFamily, DB, DBCompressionType, IngestExternalFileOptions, IteratorMode,
    Options, SstFileWriter, WriteBatch, WriteOptions,
};
use rustix::fs::{Advice, fadvise};

use super::state::LogHalf;
use crate::ReadError;
use crate::rows::{ShapeList, TableKind};
use crate::segment::{Built, Metadata, Page, PageId, PageSource, read_shapes};
pub(crate) use files::SegmentFile;
pub use open::OpenError;
pub(crate) use rebuild::each_in_tables;

const META: &str = "meta";
const LOGS: [&str; 2] = ["log.0", "log.1"];
const CATALOG: &str = "catalog";
const SEGMENTS: &str = "segments";
const VERSION_KEY: &[u8] = b"format_version";
/// Version of the whole data folder.
const VERSION: u32 = 1;

/// Most records of the log that can lie in one block of a file.
const MOST_IN_A_BLOCK: u64 = 1000;

/// How far the log could be read.
#[derive(Debug, Default)]
pub(crate) struct LogRead {
    /// No record has this sequence or a later one.
    pub(crate) next: u64,
    /// Where records may be missing, and why.
    pub(crate) missing: Vec<(u64, String)>,
}

/// A failed operation; the text says what RocksDB said.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DbError(pub(crate) String);

impl From<rocksdb::Error> for DbError {
    fn from(error: rocksdb::Error) -> Self {
        Self(error.into_string())
    }
}

#[derive(Debug)]
pub(crate) struct Db {
    db: DB,
    path: PathBuf,
    shapes: Cache<(u64, TableKind), Arc<ShapeList>, Weight>,
    /// What opening had to get over.
    pub(crate) damage: Vec<String>,
    /// Whether files are damaged in a way that lets RocksDB not go on for ever.
    pub(crate) is_lenient: bool,
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<(u64, TableKind), Arc<ShapeList>> for Weight {
    fn weight(&self, _: &(u64, TableKind), shapes: &Arc<ShapeList>) -> u64 {
        shapes.memory() as u64 + 1
    }
}

impl Db {
    fn family(&self, name: &str) -> Result<&ColumnFamily, DbError> {
        self.db.cf_handle(name).ok_or_else(|| DbError(format!("column family {name} is missing")))
    }

    fn staging(&self) -> PathBuf {
        self.path.join("staging")
    }

    /// Appends a record to the log. `Ok` means that it is on the disk.
    pub(crate) fn append_log(&self, half: LogHalf, sequence: u64, record: &[u8]) -> Result<(), DbError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.put_cf_opt(self.family(LOGS[half as usize])?, sequence.to_be_bytes(), record, &options)?)
    }

    /// Calls `visit` with the records of the log, half by half and oldest first in each, those that a damaged file still gives. Fails
    /// where records after them might stay unseen.
    pub(crate) fn each_log(&self, mut visit: impl FnMut(u64, &[u8])) -> Result<LogRead, DbError> {
        let mut halves = Vec::new();
        for name in LOGS {
            let mut items = self.db.raw_iterator_cf(self.family(name)?);
            items.seek_to_first();
            halves.push((items.key().map(<[u8]>::to_vec), name));
        }
        // The half that begins first holds the older generation.
        halves.sort();
        let mut all = LogRead::default();
        for (_, name) in halves {
            let read = self.each_in_half(name, &mut visit)?;
            all.next = all.next.max(read.next);
            all.missing.extend(read.missing);
        }
        Ok(all)
    }

    fn each_in_half(&self, name: &str, visit: &mut impl FnMut(u64, &[u8])) -> Result<LogRead, DbError> {
        let mut read = LogRead::default();
        let mut items = self.db.raw_iterator_cf(self.family(name)?);
        items.seek_to_first();
        loop {
            while let (Some(key), Some(record)) = (items.key(), items.value()) {
                if let Ok(sequence) = <[u8; 8]>::try_from(key).map(u64::from_be_bytes) {
                    visit(sequence, record);
                    read.next = sequence + 1;
                }
                items.next();
            }
            let Err(error) = items.status() else { return Ok(read) };
            // A block does not say where it ends: try one sequence after the other.
            let missing = read.next;
            while items.status().is_err() {
                if read.next - missing > MOST_IN_A_BLOCK {
                    return Err(error.into());
                }
                read.next += 1;
                items.seek(read.next.to_be_bytes());
            }
            read.missing.push((missing, error.into_string()));
        }
    }

    /// An entry of the catalog.
    pub(crate) fn catalog_entry(&self, segment: u64) -> Result<Option<Vec<u8>>, DbError> {
        Ok(self.db.get_cf(self.family(CATALOG)?, segment.to_be_bytes())?)
    }

    /// Calls `visit` with the entries of the catalog by segment.
    pub(crate) fn each_catalog(&self, mut visit: impl FnMut(u64, &[u8])) -> Result<(), DbError> {
        for item in self.db.iterator_cf(self.family(CATALOG)?, IteratorMode::Start) {
            let (key, entry) = item?;
            if let Ok(segment) = <[u8; 8]>::try_from(&*key) {
                visit(u64::from_be_bytes(segment), &entry);
            }
        }
        Ok(())
    }

    fn staged(&self, segment: u64) -> PathBuf {
        self.staging().join(format!("{segment}.sst"))
    }

    /// A disk that is full must not fill up with what did not fit.
    fn unstage(&self, segment: u64) {
        let _ = std::fs::remove_file(self.staged(segment));
    }

    /// Writes the pages of a segment to a file of their own; its bytes.
    pub(crate) fn stage(&self, segment: u64, built: &Built) -> Result<u64, DbError> {
        self.write_pages(segment, built).inspect_err(|_| self.unstage(segment))
    }

    fn write_pages(&self, segment: u64, built: &Built) -> Result<u64, DbError> {
        let file = self.staged(segment);
        let options = segments(0);
        let mut writer = SstFileWriter::create(&options);
        writer.open(&file)?;
        for (id, page) in &built.pages {
            writer.put(page_key(segment, *id), page)?;
        }
        writer.finish()?;
        keep_in_memory(&file);
        Ok(writer.file_size())
    }

    /// Brings staged pages into the store. Nobody sees them before the catalog names the segment.
    pub(crate) fn ingest(&self, segment: u64) -> Result<(), DbError> {
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let files = vec![self.staged(segment)];
        let ingested = self.db.ingest_external_file_cf_opts(self.family(SEGMENTS)?, &options, files);
        Ok(ingested.inspect_err(|_| self.unstage(segment))?)
    }

    /// One step that is seen whole or not at all: catalog entries come and go, and so do the log's records before `log_end`.
    pub(crate) fn commit(&self, add: &[(u64, Vec<u8>)], drop: &[u64], log_end: Option<u64>) -> Result<(), DbError> {
        let catalog = self.family(CATALOG)?;
        let mut batch = WriteBatch::default();
        add.iter().for_each(|(segment, entry)| batch.put_cf(catalog, segment.to_be_bytes(), entry));
        drop.iter().for_each(|segment| batch.delete_cf(catalog, segment.to_be_bytes()));
        if let Some(log_end) = log_end {
            for half in LOGS {
                batch.delete_range_cf(self.family(half)?, 0u64.to_be_bytes(), log_end.to_be_bytes());
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options)?;
        Ok(())
    }

    /// Lets go of the log space of a generation that [`Db::commit`] freed: what its memtable still holds of it is never written out.
    pub(crate) fn release_log(&self, half: LogHalf) -> Result<(), DbError> {
        self.db.flush_cf(self.family(LOGS[half as usize])?)?;
        self.db.flush_cf(self.family(CATALOG)?)?;
        Ok(self.db.flush_cf(self.family(META)?)?)
    }

    /// Deletes the pages of a segment that the catalog no longer names: its file goes, nothing is rewritten.
    pub(crate) fn drop_pages(&self, segment: u64) -> Result<(), DbError> {
        let family = self.family(SEGMENTS)?;
        let (from, to) = (segment.to_be_bytes(), (segment + 1).to_be_bytes());
        Ok(self.db.delete_file_in_range_cf(family, from, to)?)
    }

    /// Bytes RocksDB holds in memory: memtables, and cached pages.
    pub(crate) fn memory(&self) -> u64 {
        let property = |name: &str, family: &str| {
            let family = self.family(family).ok()?;
            self.db.property_int_value_cf(family, name).ok().flatten()
        };
        LOGS.iter().filter_map(|half| property("rocksdb.cur-size-all-mem-tables", half)).sum::<u64>()
            + property("rocksdb.block-cache-usage", SEGMENTS).unwrap_or_default()
    }

    /// Writes another format version, as a later hoptrail does.
    #[cfg(test)]
    pub(crate) fn set_version(&self, version: &str) -> Result<(), DbError> {
        Ok(self.db.put_cf(self.family(META)?, VERSION_KEY, version)?)
    }

    /// Makes sure that everything written is on the disk.
    pub(crate) fn close(&self) -> Result<(), DbError> {
        Ok(self.db.flush_wal(true)?)
    }
}

impl Db {
    /// A page that need not be there.
    pub(crate) fn optional_page(&self, segment: u64, id: PageId) -> Result<Option<Page<'_>>, ReadError> {
        let storage = |error: DbError| ReadError::Storage(error.to_string());
        let family = self.family(SEGMENTS).map_err(storage)?;
        let found = self.db.get_pinned_cf(family, page_key(segment, id));
        let found = found.map_err(|error| corrupt_or_failed(segment, id, &error))?;
        Ok(found.map(|page| Box::new(Pinned(page)) as Page<'_>))
    }
}

impl PageSource for Db {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        match self.optional_page(segment, id)? {
            Some(page) => Ok(page),
            None => Err(ReadError::Corrupt { place: place(segment, id), reason: "the page is missing".to_owned() }),
        }
    }

    fn shapes(&self, segment: u64, kind: TableKind, meta: &Metadata) -> Result<Arc<ShapeList>, ReadError> {
        self.shapes.get_or_insert_with(&(segment, kind), || read_shapes(self, segment, kind, meta))
    }
}

/// Asks the kernel to read a file that was just written. RocksDB's writer makes it forget the file, and new spans are those asked for
/// most: a trace in 20 million spans took 4.6 ms without this, and 1.5 with it.
fn keep_in_memory(file: &Path) {
    /// As much as the kernel surely reads for one advice.
    const PIECE: u64 = 128 << 10;
    let Ok(file) = File::open(file) else { return };
    let bytes = file.metadata().map_or(0, |file| file.len());
    for from in (0..bytes).step_by(PIECE as usize) {
        _ = fadvise(&file, from, NonZeroU64::new(PIECE), Advice::WillNeed);
    }
}

/// A page that RocksDB's cache keeps in place.
struct Pinned<'a>(rocksdb::DBPinnableSlice<'a>);

impl Deref for Pinned<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

fn place(segment: u64, id: PageId) -> String {
    format!("segment {segment}, group {}, page {}", id.group, id.page)
}

fn corrupt_or_failed(segment: u64, id: PageId, error: &rocksdb::Error) -> ReadError {
    let reason = error.to_string();
    // A file that is gone or that the disk cannot read any more is as damaged as one with wrong bytes.
    let unreadable = ["No such file", "Input/output error"].iter().any(|known| reason.contains(known));
    match error.kind() {
        rocksdb::ErrorKind::Corruption => ReadError::Corrupt { place: place(segment, id), reason },
        rocksdb::ErrorKind::IOError if unreadable => ReadError::Corrupt { place: place(segment, id), reason },
        _ => ReadError::Storage(reason),
    }
}

/// Segment, group and page, each big-endian: pages of a segment lie together, groups after each other.
fn page_key(segment: u64, id: PageId) -> [u8; 14] {
    let mut key = [0; 14];
    key[..8].copy_from_slice(&segment.to_be_bytes());
    key[8..10].copy_from_slice(&id.group.to_be_bytes());
    key[10..].copy_from_slice(&id.page.to_be_bytes());
    key
}

fn small() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(4 << 20);
    options.set_compression_type(DBCompressionType::Zstd);
    options
}

/// Records are compressed already. The memtable holds more than the head, so that sealed records die in it.
fn log() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(256 << 20);
    options.set_max_write_buffer_number(3);
    options.set_compression_type(DBCompressionType::None);
    options
}

/// Pages are compressed already and never change: no compaction, one block a page.
fn segments(cache_bytes: usize) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_checksum_type(ChecksumType::XXH3);
    // Every entry ends its block: a small page must not be read with the large one after it.
    table.set_block_size(1);
    table.set_format_version(5);
    if cache_bytes > 0 {
        table.set_block_cache(&rocksdb::Cache::new_lru_cache(cache_bytes));
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    options.set_disable_auto_compactions(true);
    options.set_write_buffer_size(1 << 20);
    options
}
