//! The files of the folder: which hold which segment, and copies of all of them at one moment.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::checkpoint::Checkpoint;

use super::{Db, DbError, LOGS, SEGMENTS};

/// The file with the pages of a segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFile {
    pub(crate) segment: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// Numbers checkpoints of this process.
static NEXT_CHECKPOINT: AtomicU64 = AtomicU64::new(1);

impl Db {
    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Makes a folder with everything that is durable now, of links to files where these do not change. Takes a moment and next to no
    /// space. The caller removes it.
    pub(crate) fn checkpoint(&self) -> Result<PathBuf, DbError> {
        let folder = self.checkpoints();
        std::fs::create_dir_all(&folder).map_err(|error| DbError(error.to_string()))?;
        let folder = folder.join(NEXT_CHECKPOINT.fetch_add(1, Ordering::Relaxed).to_string());
        // With any size but 0 the log is copied as it is. To flush it first would write spans that are sealed soon.
        Checkpoint::new(&self.db)?.create_checkpoint_with_log_size(&folder, u64::MAX)?;
        Ok(folder)
    }

    /// The files that hold pages, by segment.
    pub(crate) fn segment_files(&self) -> Result<Vec<SegmentFile>, DbError> {
        let files = self.db.live_files()?.into_iter().filter(|file| file.column_family_name == SEGMENTS);
        let mut files: Vec<SegmentFile> = files
            .filter_map(|file| {
                let segment = u64::from_be_bytes(file.start_key.as_ref()?.get(..8)?.try_into().ok()?);
                let path = self.path.join(file.name.trim_start_matches('/'));
                Some(SegmentFile { segment, path, bytes: file.size as u64 })
            })
            .collect();
        files.sort_by_key(|file| file.segment);
        Ok(files)
    }

    /// The files that hold records of the log.
    pub(crate) fn log_files(&self) -> Result<Vec<PathBuf>, DbError> {
        let files = self.db.live_files()?.into_iter().filter(|file| LOGS.contains(&&*file.column_family_name));
        Ok(files.map(|file| self.path.join(file.name.trim_start_matches('/'))).collect())
    }

    /// The segments that have pages.
    pub(crate) fn segments_with_pages(&self) -> Result<Vec<u64>, DbError> {
        Ok(self.segment_files()?.into_iter().map(|file| file.segment).collect())
    }
}
