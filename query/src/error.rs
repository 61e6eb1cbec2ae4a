//! Why a query failed, by what the client does about it.

use hoptrail_storage::ReadError;

/// A query's failure.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client must change the request; the text says what and where.
    #[error("{0}")]
    Invalid(String),
    /// Too many queries run and wait already; ask again later.
    #[error("too many queries are running; ask again later")]
    Busy,
    /// The store could not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A bug: the query's thread panicked.
    #[error("internal error: {0}")]
    Internal(String),
}
