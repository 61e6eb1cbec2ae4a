//! The store as it is at one moment, as a folder of links: what a backup copies.

use std::path::{Path, PathBuf};

use crate::store::db::{Db, DbError};
use crate::store::{OpenError, Store, lock};

/// A folder that opens as a store and holds every span that was acknowledged before it was made. Removed when dropped.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    /// Keeps others out of the folder that the checkpoint lies in.
    _owner: Option<Db>,
}

impl Checkpoint {
    /// A checkpoint of a folder that no process has open.
    pub fn of(data: &Path) -> Result<Self, OpenError> {
        let db = Db::open(data, 0)?;
        let failed = |error: DbError| OpenError::Failed { path: data.to_owned(), reason: error.to_string() };
        let path = db.checkpoint().map_err(failed)?;
        Ok(Self { path, _owner: Some(db) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a checkpoint stays until the next start");
        }
    }
}

impl Store {
    /// A checkpoint of the open store. Takes a moment, also when the store is large, after a seal or merge that runs has ended;
    /// writing goes on.
    pub fn checkpoint(&self) -> Result<Checkpoint, String> {
        // RocksDB lists its files first and copies its log then. A segment that came between would be named and not be there.
        let _no_segment_comes_or_goes = lock(&self.shared.keeping);
        let path = self.shared.db.checkpoint().map_err(|error| error.to_string())?;
        Ok(Checkpoint { path, _owner: None })
    }
}
