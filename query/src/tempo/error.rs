//! Failures as this API tells them: plain text and a status code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hoptrail_proto::model::NoTenant;
use hoptrail_storage::ReadError;

use crate::Error;

/// A failed request.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    /// The client must change the request.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }
}

impl From<NoTenant> for ApiError {
    fn from(error: NoTenant) -> Self {
        let status = match error {
            NoTenant::Missing => StatusCode::UNAUTHORIZED,
            NoTenant::Several | NoTenant::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        Self { status, message: error.to_string() }
    }
}

/// A text of the client in quotes, cut when it is long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?} (cut)", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The one table from failures to status codes.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Busy => StatusCode::TOO_MANY_REQUESTS,
        Error::Read(ReadError::Deadline { .. }) => StatusCode::GATEWAY_TIMEOUT,
        Error::Read(ReadError::Cancelled) => client_closed_request(),
        Error::Read(ReadError::Memory { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Read(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// 499, nginx's code for a client that has gone, which Tempo uses too.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT)
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = status_of(&error);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "a query failed");
        }
        Self { status, message: error.to_string() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let plain = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let mut response = (self.status, [plain], self.message).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
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
        for (error, code) in [
            (Error::Invalid("x".into()), 400),
            (Error::Busy, 429),
            (ReadError::Deadline { limit: Duration::from_secs(1) }.into(), 504),
            (ReadError::Cancelled.into(), 499),
            (ReadError::Memory { limit: 1 }.into(), 422),
            (ReadError::Storage("x".into()).into(), 500),
            (ReadError::Corrupt { place: "x".into(), reason: "y".into() }.into(), 500),
            (Error::Internal("x".into()), 500),
        ] {
            let text = error.to_string();
            let response = ApiError::from(error).into_response();
            assert_eq!(response.status().as_u16(), code, "{text}");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), code == 429);
        }
    }
}
