//! Why a back end does not do what it is asked, and why a data folder does not open.

use std::path::PathBuf;

pub(crate) use crate::error::Cause;

/// A failed operation. The text is that of what is below; nothing is added to it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BackendError {
    /// What was stored is not what is there: bytes are wrong, or their file is gone or cannot be read any more.
    #[error(transparent)]
    Damaged(Cause),
    /// Anything else: a full disk, a missing right. Trying again may help.
    #[error(transparent)]
    Failed(Cause),
}

impl BackendError {
    /// What failed, without whether it is damage.
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
    /// So much is damaged that nothing can be served.
    #[error("the data folder {path} is damaged; `hoptrail repair` puts it in order and keeps what it replaces")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        source: Cause,
    },
    /// Anything else that the database or the disk says.
    #[error("the data folder {path} does not open")]
    Failed {
        /// The folder.
        path: PathBuf,
        /// What was said.
        source: Cause,
    },
}

impl OpenError {
    /// The folder does not open for this reason, which is no damage.
    pub(crate) fn failed(path: impl Into<PathBuf>, error: impl Into<BackendError>) -> Self {
        Self::Failed { path: path.into(), source: error.into().into_cause() }
    }

    /// The folder does not open for this reason, which is damage.
    pub(crate) fn damaged(path: impl Into<PathBuf>, error: impl Into<BackendError>) -> Self {
        Self::Damaged { path: path.into(), source: error.into().into_cause() }
    }
}
