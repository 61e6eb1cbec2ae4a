//! The files of the folder: which hold which segment, and copies of all of them at one moment.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::LiveFile;
use rocksdb::checkpoint::Checkpoint;

use super::{LOGS, RocksDb, SEGMENTS};
use crate::backend::{BackendError, StoredSegment};

/// Names checkpoints of this process.
static NEXT_CHECKPOINT: AtomicU64 = AtomicU64::new(1);

impl RocksDb {
    /// A folder of hard links to the files that do not change, and copies of the others. This takes little time and almost no space.
    ///
    /// RocksDB first lists its files and then copies its log. A segment that is published in between would be named but not be there.
    pub(super) fn make_checkpoint(&self) -> Result<PathBuf, BackendError> {
        let folder = self.checkpoints();
        std::fs::create_dir_all(&folder)?;
        let folder = folder.join(NEXT_CHECKPOINT.fetch_add(1, Ordering::Relaxed).to_string());
        // With any size but 0 the log is copied as it is. With 0 RocksDB would flush it first, and write spans that are sealed soon.
        Checkpoint::new(&self.db)?.create_checkpoint_with_log_size(&folder, u64::MAX)?;
        Ok(folder)
    }

    /// The files that hold pages, by segment.
    pub(super) fn segment_files(&self) -> Result<Vec<StoredSegment>, BackendError> {
        let files = self.db.live_files()?;
        let mut segments: Vec<StoredSegment> = files.iter().filter_map(|file| self.segment_of(file)).collect();
        segments.sort_by_key(|stored| stored.segment);
        Ok(segments)
    }

    /// The segment whose pages a file holds: their keys begin with its id.
    fn segment_of(&self, file: &LiveFile) -> Option<StoredSegment> {
        if file.column_family_name != SEGMENTS {
            return None;
        }
        let segment = u64::from_be_bytes(*file.start_key.as_ref()?.first_chunk()?);
        Some(StoredSegment { segment, bytes: file.size as u64, file: Some(self.path_of(file)) })
    }

    /// The files that hold records of the log.
    pub(super) fn log_files(&self) -> Result<Vec<PathBuf>, BackendError> {
        let files = self.db.live_files()?;
        let of_log = files.iter().filter(|file| LOGS.contains(&&*file.column_family_name));
        Ok(of_log.map(|file| self.path_of(file)).collect())
    }

    fn path_of(&self, file: &LiveFile) -> PathBuf {
        self.path.join(file.name.trim_start_matches('/'))
    }
}
