//! Errors, by what the caller does about them.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

/// Why a batch was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// More requests wait than memory allows; send again later.
    #[error("the store is overloaded; retry after {} ms", retry_after.as_millis())]
    Overloaded {
        /// When to send again.
        retry_after: Duration,
    },
    /// The disk refuses writes (full, read-only, failing); send again later.
    #[error("the store cannot write: {cause}")]
    Unavailable {
        /// What the disk said.
        #[source]
        cause: Cause,
        /// When to send again.
        retry_after: Duration,
    },
    /// The batch is not a valid OTLP request; do not send it again.
    #[error("not a valid OTLP request: {0}")]
    Invalid(String),
    /// The store shuts down; send again later or elsewhere.
    #[error("the store is shutting down")]
    Closed,
    /// Whether the batch is durable is not known; send it again, duplicates collapse.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(#[source] Cause),
}

/// Why a question has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The query's time is up.
    #[error("the query passed its deadline of {} ms", limit.as_millis())]
    Deadline {
        /// The time it had.
        limit: Duration,
    },
    /// The client has gone.
    #[error("the query was cancelled")]
    Cancelled,
    /// The query would hold more memory than it may.
    #[error("the query needs more than its memory budget of {limit} bytes")]
    Memory {
        /// The budget.
        limit: usize,
    },
    /// The answer would have more numbers than an answer may have.
    #[error(
        "the query has {series} series or more of {intervals} intervals each, and an answer may have {most} numbers; \
             group by fewer values, or ask for fewer intervals"
    )]
    Series {
        /// Series that were found until then.
        series: usize,
        /// Numbers of each.
        intervals: usize,
        /// Most numbers.
        most: usize,
    },
    /// Nothing is wrong with the question, but it has no answer here.
    #[error("{0}")]
    Unsupported(String),
    /// Stored bytes do not say what they should.
    #[error("stored data is damaged at {location}: {reason}")]
    Corrupt {
        /// Segment, page and column.
        location: String,
        /// What was wrong.
        reason: String,
    },
    /// The disk, or what keeps pages on it, failed.
    #[error("the store cannot read: {0}")]
    Storage(#[source] Cause),
}

/// The error of a layer below, which can be cloned. Its text and its sources are those of that error.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Keeps an error, or a text.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl Display for Cause {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
