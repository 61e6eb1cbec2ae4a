//! Checkpoints: a folder of links to the store as it is at one moment. A backup copies it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Cause;
use crate::backend::{self, Backend};
use crate::store::{OpenError, Store};

/// A folder that opens as a store and holds every span that was acknowledged before it was made. Removed when dropped.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    /// Keeps other processes from opening the data folder meanwhile.
    _owner: Option<Arc<dyn Backend>>,
}

impl Checkpoint {
    /// A checkpoint of a folder that no process has open.
    pub fn of(data: &Path) -> Result<Self, OpenError> {
        let backend = backend::open(data, 0)?;
        let path = backend.checkpoint().map_err(|error| OpenError::failed(data, error))?;
        Ok(Self { path, _owner: Some(backend) })
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
    /// A checkpoint of the open store. It waits for a running seal or merge, and then takes a moment, even for a large store. Writes go on
    /// meanwhile.
    pub fn checkpoint(&self) -> Result<Checkpoint, Cause> {
        let _no_segment_comes_or_goes = self.maintenance.pause();
        let path = self.readers.backend.checkpoint().map_err(Cause::new)?;
        Ok(Checkpoint { path, _owner: None })
    }
}
