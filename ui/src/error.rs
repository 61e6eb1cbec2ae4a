//! Why there is no page, said to the visitor: what happened, what to do, and the right status.

use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use hoptrail_proto::model::{NoTenant, ParseIdError, TraceId};
use hoptrail_query::{Error, ReadError};
use tokio::task::JoinError;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("there is no page at {0}")]
    NoSuchPage(String),
    #[error("pages are only read: use GET")]
    WrongMethod,
    #[error("{0}")]
    BadPath(#[source] PathRejection),
    /// What is wrong with a parameter of an address that is no form's.
    #[error("{0}")]
    BadParameter(String),
    #[error("{text:?} is no trace ID: {reason}")]
    BadTraceId {
        text: String,
        #[source]
        reason: ParseIdError,
    },
    /// With what retention has dropped; empty when nothing is.
    #[error("no span of trace {0} is known{1}")]
    UnknownTrace(TraceId, String),
    #[error("the form came from a page of another site")]
    Foreign,
    #[error("the file of views cannot be used")]
    Views(#[source] std::io::Error),
    #[error(transparent)]
    NoTenant(#[from] NoTenant),
    #[error("too many queries are running")]
    Busy,
    #[error("the query took too long: {0}")]
    TooSlow(#[source] ReadError),
    #[error("the query needs too much memory: {0}")]
    TooLarge(#[source] ReadError),
    #[error("the query was cancelled")]
    Cancelled,
    /// All of what was asked for is damaged, which the store has logged.
    #[error("stored data cannot be read")]
    Damaged,
    #[error("stored data cannot be read")]
    Store(#[source] ReadError),
    #[error("a fault inside of hoptrail")]
    Query(#[source] Error),
    #[error("a fault inside of hoptrail")]
    NotDrawn(#[source] JoinError),
    /// Whoever caught the panic has logged it.
    #[error("a fault inside of hoptrail")]
    Panicked,
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy => Self::Busy,
            Error::Read(read @ ReadError::Deadline { .. }) => Self::TooSlow(read),
            Error::Read(read @ (ReadError::Memory { .. } | ReadError::Series { .. })) => Self::TooLarge(read),
            Error::Read(ReadError::Cancelled) => Self::Cancelled,
            Error::Read(read) => Self::Store(read),
            other => Self::Query(other),
        }
    }
}

impl PageError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage(_) | Self::UnknownTrace(..) => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::NoTenant(NoTenant::Missing) => StatusCode::UNAUTHORIZED,
            Self::BadPath(_) | Self::BadParameter(_) | Self::BadTraceId { .. } | Self::NoTenant(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::TooLarge(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            Self::Views(_) | Self::Damaged | Self::Store(_) | Self::Query(_) | Self::NotDrawn(_) | Self::Panicked => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Logs what only its operator can repair.
    pub(crate) fn log(&self) {
        match self {
            Self::Store(error) => tracing::error!(%error, "the store cannot answer"),
            Self::Views(error) => tracing::error!(%error, "the file of views cannot be used"),
            Self::Query(error) => tracing::error!(%error, "a query failed"),
            Self::NotDrawn(error) => tracing::error!(%error, "a trace could not be drawn"),
            _ => {}
        }
    }
}
