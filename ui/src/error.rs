//! What went wrong, said to the visitor: what happened, what to do, and the right status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hoptrail_proto::model::{NoTenant, ParseIdError, TraceId};
use hoptrail_query::{Error, ReadError};

use crate::pages::error::ErrorPage;

/// Why there is no page.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PageError {
    #[error("there is no page at {0}")]
    NoSuchPage(String),
    #[error("pages are only read: use GET")]
    WrongMethod,
    #[error("{text:?} is no trace ID: {reason}")]
    BadTraceId { text: String, reason: ParseIdError },
    #[error("traces {0} and {1} cannot be compared yet")]
    Compare(TraceId, TraceId),
    #[error("no span of trace {0} is known")]
    UnknownTrace(TraceId),
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    NoTenant(#[from] NoTenant),
    #[error("too many queries are running")]
    Busy,
    #[error("the query took too long: {0}")]
    TooSlow(String),
    #[error("the query needs too much memory: {0}")]
    TooLarge(String),
    #[error("the query was cancelled")]
    Cancelled,
    #[error("stored data cannot be read")]
    Store,
    #[error("a fault inside of hoptrail")]
    Internal,
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::Busy => Self::Busy,
            Error::Read(read) => Self::from_read(&read),
            other => {
                tracing::error!(error = %other, "a query failed");
                Self::Internal
            }
        }
    }
}

impl PageError {
    fn from_read(error: &ReadError) -> Self {
        match error {
            ReadError::Deadline { .. } => Self::TooSlow(error.to_string()),
            ReadError::Memory { .. } => Self::TooLarge(error.to_string()),
            ReadError::Cancelled => Self::Cancelled,
            other => {
                tracing::error!(error = %other, "the store cannot answer");
                Self::Store
            }
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage(_) | Self::UnknownTrace(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Compare(..) => StatusCode::NOT_IMPLEMENTED,
            Self::NoTenant(NoTenant::Missing) => StatusCode::UNAUTHORIZED,
            Self::BadTraceId { .. } | Self::Invalid(_) | Self::NoTenant(_) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::TooLarge(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = crate::chrome::page(self.status(), &ErrorPage::new(&self));
        if matches!(self, Self::Busy | Self::Cancelled) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if matches!(self, Self::WrongMethod) {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
