//! Failures as Prometheus answers them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hoptrail_storage::ReadError;
use serde::Serialize;

use crate::Error;
use crate::http::ApiError;

/// What is supported, for whoever asks for more.
const SUPPORTED: &str = "hoptrail answers PromQL from its counts of spans: selectors with matchers and offset; rate, increase, irate \
                         and delta of a range; sum, min, max, avg, count, group, topk and bottomk with by or without; \
                         histogram_quantile of classic buckets; + - * / % ^, comparisons, and, or and unless with on, ignoring, \
                         group_left and group_right; abs, ceil, floor, round, clamp_min, clamp_max, scalar, vector, sort and \
                         sort_desc";

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub(super) enum PromError {
    /// The client must change the request.
    #[error("{0}")]
    BadData(String),
    /// The series of the query do not fit together.
    #[error("{0}")]
    Execution(String),
    /// Anything else that requests fail by.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<Error> for PromError {
    fn from(error: Error) -> Self {
        Self::Api(error.into())
    }
}

impl PromError {
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self::BadData(message.into())
    }

    /// `what` is no part of the language that is answered.
    pub(super) fn unsupported(what: &str) -> Self {
        Self::BadData(format!("{what} is not supported: {SUPPORTED}"))
    }

    /// Status code and type, as Prometheus has them.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadData(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            Self::Execution(_) => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            Self::Api(ApiError::Query(Error::Read(ReadError::Deadline { .. }))) => {
                (StatusCode::SERVICE_UNAVAILABLE, "timeout")
            }
            Self::Api(error) => match error.status() {
                StatusCode::BAD_REQUEST => (StatusCode::BAD_REQUEST, "bad_data"),
                StatusCode::NOT_FOUND => (StatusCode::NOT_FOUND, "not_found"),
                StatusCode::UNPROCESSABLE_ENTITY => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
                StatusCode::TOO_MANY_REQUESTS => (StatusCode::TOO_MANY_REQUESTS, "unavailable"),
                status if status.as_u16() == 499 => (status, "canceled"),
                status => (status, "internal"),
            },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    status: &'static str,
    error_type: &'static str,
    error: String,
}

impl IntoResponse for PromError {
    fn into_response(self) -> Response {
        let (status, error_type) = self.kind();
        if let Self::Api(error) = &self {
            error.log();
        }
        let failed = Failed { status: "error", error_type, error: self.to_string() };
        let body = crate::http::json(&failed).unwrap_or_else(IntoResponse::into_response);
        (status, body).into_response()
    }
}
