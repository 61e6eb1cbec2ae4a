//! Why a query failed, by what the client does about it.

use std::sync::Arc;

use hoptrail_storage::ReadError;

/// A query's failure.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too many queries run and wait already; ask again later.
    #[error("too many queries are running; ask again later")]
    Busy,
    /// The store could not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A bug: the query's thread panicked, or its answer cannot be written.
    #[error("internal error: {0}")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A bug.
    pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(error))
    }
}
