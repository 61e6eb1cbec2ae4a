//! Errors of a back end, and of opening a data folder.

use std::path::PathBuf;

pub(crate) use crate::error::Cause;

/// A failed operation. Its text is the text of the error below it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BackendError {
    /// Stored bytes are damaged: they are wrong, or their file is gone or unreadable.
    #[error(transparent)]
    Damaged(Cause),
    /// Anything else: a full disk, a missing right. Trying again may help.
    #[error(transparent)]
    Failed(Cause),
}

impl BackendError {
    /// The cause alone, whether it is damage or not.
    pub(crate) fn into_cause(self) -> Cause {
        match self {
            Self::Damaged(cause) | Self::Failed(cause) => cause,
        }
    }
}

impl From<std::io::Error> for BackendError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(Cause::new(error))
    }
}

/// Why a data folder does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data folder {path} is in use by another process")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A later hoptrail wrote it.
    #[error("the data folder {path} has format version {found}; this hoptrail reads up to {known}")]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The version known here.
        known: u32,
    },
    /// The damage is so large that nothing can be served.
    #[error("the data folder {path} is damaged; `hoptrail repair` puts it in order and keeps what it replaces")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        source: Cause,
    },
    /// Any other error of the database or the disk.
    #[error("the data folder {path} does not open")]
    Failed {
        /// The folder.
        path: PathBuf,
        /// What was said.
        source: Cause,
    },
}

impl OpenError {
    /// The folder does not open, for a reason that is no damage.
    pub(crate) fn failed(path: impl Into<PathBuf>, error: impl Into<BackendError>) -> Self {
        Self::Failed { path: path.into(), source: error.into().into_cause() }
    }

    /// The folder does not open because it is damaged.
    pub(crate) fn damaged(path: impl Into<PathBuf>, error: impl Into<BackendError>) -> Self {
        Self::Damaged { path: path.into(), source: error.into().into_cause() }
    }
}
