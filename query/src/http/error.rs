//! Failures as an API answers them: plain text and a status code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hoptrail_proto::model::NoTenant;
use hoptrail_storage::ReadError;

use crate::Error;

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The client must change the request; the text says what and where.
    #[error("{0}")]
    Invalid(String),
    /// What the client asks for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The client does not say who it is.
    #[error(transparent)]
    NoTenant(#[from] NoTenant),
    /// The query failed.
    #[error(transparent)]
    Query(#[from] Error),
}

impl ApiError {
    /// The client must change the request.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The one table from failures to status codes.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoTenant(NoTenant::Missing) => StatusCode::UNAUTHORIZED,
            Self::Invalid(_) | Self::NoTenant(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Query(Error::Busy) => StatusCode::TOO_MANY_REQUESTS,
            Self::Query(Error::Read(ReadError::Deadline { .. })) => StatusCode::GATEWAY_TIMEOUT,
            Self::Query(Error::Read(ReadError::Cancelled)) => client_closed_request(),
            Self::Query(Error::Read(ReadError::Memory { .. } | ReadError::Series { .. })) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Query(Error::Read(ReadError::Unsupported(_))) => StatusCode::BAD_REQUEST,
            Self::Query(Error::Read(_) | Error::Internal(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Tells the operator of a failure that is none of the client's.
    pub(crate) fn log(&self) {
        if self.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "a query failed");
        }
    }
}

/// 499, nginx's code for a client that has gone, which Tempo uses too.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT)
}

/// A text of the client in quotes, cut when it is long.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?} (cut)", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        self.log();
        let plain = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let mut response = (status, [plain], self.to_string()).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_failure_has_its_code() {
        let failed = |error: ReadError| ApiError::Query(error.into());
        for (error, code) in [
            (ApiError::invalid("x"), 400),
            (ApiError::NotFound("x".into()), 404),
            (ApiError::NoTenant(NoTenant::Missing), 401),
            (ApiError::NoTenant(NoTenant::Several), 400),
            (ApiError::Query(Error::Busy), 429),
            (failed(ReadError::Deadline { limit: Duration::from_secs(1) }), 504),
            (failed(ReadError::Cancelled), 499),
            (failed(ReadError::Memory { limit: 1 }), 422),
            (failed(ReadError::Unsupported("x".into())), 400),
            (failed(ReadError::Storage("x".into())), 500),
            (failed(ReadError::Corrupt { location: "x".into(), reason: "y".into() }), 500),
            (ApiError::Query(Error::internal(std::fmt::Error)), 500),
        ] {
            let text = error.to_string();
            let response = error.into_response();
            assert_eq!(response.status().as_u16(), code, "{text}");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), code == 429);
        }
    }
}
