//! Why a request is not answered with success, and the codes that say so.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use hoptrail_proto::model::NoTenant;
use hoptrail_proto::otlp::{Detail, MalformedRequest, Signal, Status, Warnings};
use hoptrail_storage::WriteError;
use tokio::task::JoinError;

use crate::admission::Full;

/// When to retry if the store does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a body may fail with.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the request is larger than {limit} bytes after decompression; send smaller batches")]
    TooLarge { limit: usize },
    #[error("too many bytes are in flight; retry later")]
    Busy,
    #[error(transparent)]
    Write(WriteError),
    #[error(transparent)]
    Malformed(#[from] MalformedRequest),
    #[error("the request holds nothing that is understood: {0}")]
    NotUnderstood(Warnings),
    #[error("the body is not valid {encoding}: {source}")]
    Compression { encoding: &'static str, source: io::Error },
    #[error("the body ended early: {0}")]
    Interrupted(#[source] BoxError),
    #[error("the body ended early: no whole gRPC message")]
    NoMessage,
    #[error("the body did not arrive within {} s", limit.as_secs())]
    Slow { limit: Duration },
    #[error("content encoding {0:?} is not supported; use gzip, zstd, deflate or none")]
    UnsupportedEncoding(String),
    #[error("content type {0:?} is not supported; use application/x-protobuf or application/json")]
    UnsupportedType(String),
    #[error(transparent)]
    Tenant(#[from] NoTenant),
    #[error("there is nothing at {path}; traces go to {traces}")]
    NotFound { path: String, traces: &'static str },
    #[error("{} are not taken here (collector.other_signals: reject)", .0.name())]
    Rejected(Signal),
    #[error("{0}")]
    WrongPort(String),
    #[error("method {0} is not allowed here; use POST")]
    Method(http::Method),
    #[error("checking the request failed")]
    Internal(#[source] JoinError),
}

impl From<Full> for Failure {
    fn from(_: Full) -> Self {
        Self::Busy
    }
}

/// The codes of a failure.
struct Codes {
    grpc: tonic::Code,
    http: http::StatusCode,
    /// For metrics.
    outcome: &'static str,
    /// Set when the client shall retry.
    retry_after: Option<Duration>,
}

/// The codes of a failure that is for good.
const fn for_good(grpc: tonic::Code, http: http::StatusCode, outcome: &'static str) -> Codes {
    Codes { grpc, http, outcome, retry_after: None }
}

/// The codes of a failure after which the client shall try again.
const fn retry(grpc: tonic::Code, http: http::StatusCode, outcome: &'static str, after: Duration) -> Codes {
    Codes { grpc, http, outcome, retry_after: Some(after) }
}

impl Failure {
    /// The one table from failures to codes. Only those with a delay are retryable: gRPC clients may retry RESOURCE_EXHAUSTED only
    /// when RetryInfo is there, HTTP clients 429 and 503 (OTLP specification, "Failures").
    fn codes(&self) -> Codes {
        use http::StatusCode as H;
        use tonic::Code as G;
        match self {
            Self::TooLarge { .. } => for_good(G::ResourceExhausted, H::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Malformed(_) | Self::Compression { .. } => for_good(G::InvalidArgument, H::BAD_REQUEST, "invalid"),
            Self::NotUnderstood(_) => for_good(G::InvalidArgument, H::BAD_REQUEST, "invalid"),
            Self::Write(WriteError::Invalid(_)) => for_good(G::InvalidArgument, H::BAD_REQUEST, "invalid"),
            Self::Interrupted(_) | Self::NoMessage => for_good(G::Cancelled, H::BAD_REQUEST, "interrupted"),
            Self::UnsupportedEncoding(_) => for_good(G::Unimplemented, H::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            Self::UnsupportedType(_) => for_good(G::Unimplemented, H::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            Self::NotFound { .. } | Self::Rejected(_) | Self::WrongPort(_) => {
                for_good(G::Unimplemented, H::NOT_FOUND, "unsupported")
            }
            Self::Method(_) => for_good(G::Unimplemented, H::METHOD_NOT_ALLOWED, "unsupported"),
            Self::Tenant(NoTenant::Missing) => for_good(G::Unauthenticated, H::UNAUTHORIZED, "unauthenticated"),
            Self::Tenant(_) => for_good(G::InvalidArgument, H::BAD_REQUEST, "invalid"),
            Self::Busy => retry(G::ResourceExhausted, H::TOO_MANY_REQUESTS, "overloaded", RETRY_AFTER),
            Self::Write(WriteError::Overloaded { retry_after }) => {
                retry(G::ResourceExhausted, H::TOO_MANY_REQUESTS, "overloaded", *retry_after)
            }
            Self::Write(WriteError::Unavailable { retry_after, .. }) => {
                retry(G::Unavailable, H::SERVICE_UNAVAILABLE, "unavailable", *retry_after)
            }
            // Closed, Unknown (duplicates collapse, so retrying is right), and whatever a store will say in future.
            Self::Write(_) | Self::Slow { .. } | Self::Internal(_) => {
                retry(G::Unavailable, H::SERVICE_UNAVAILABLE, "unavailable", RETRY_AFTER)
            }
        }
    }

    /// The label of this failure in metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        self.codes().outcome
    }

    /// The reason in the log.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "wrong_path",
            Self::WrongPort(_) => "wrong_port",
            Self::Method(_) => "wrong_method",
            Self::Rejected(_) => "other_signal",
            Self::NotUnderstood(_) => "not_understood",
            Self::UnsupportedType(_) => "content_type",
            Self::UnsupportedEncoding(_) => "content_encoding",
            _ => self.outcome(),
        }
    }

    /// The HTTP status.
    pub(crate) fn http_status(&self) -> http::StatusCode {
        self.codes().http
    }

    /// Whole seconds for `Retry-After`, at least 1.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.codes().retry_after.map(|delay| delay.as_secs() + u64::from(delay.subsec_nanos() > 0)).map(|s| s.max(1))
    }

    /// The body of an HTTP error, and the details of a gRPC one.
    pub(crate) fn status(&self) -> Status {
        let codes = self.codes();
        let detail = match self {
            Self::Malformed(error) => Some(bad_request(&error.path, &error.reason)),
            Self::NotUnderstood(what) => Some(bad_request("request", what)),
            Self::Compression { encoding, source } => Some(bad_request(encoding, source)),
            Self::Write(WriteError::Invalid(reason)) => Some(bad_request("request", reason)),
            Self::Tenant(error @ (NoTenant::Invalid(_) | NoTenant::Several)) => {
                Some(bad_request("X-Scope-OrgID", error))
            }
            _ => codes.retry_after.map(Detail::RetryInfo),
        };
        Status { code: codes.grpc as i32, message: self.to_string(), details: detail.into_iter().collect() }
    }

    /// The answer over gRPC.
    pub(crate) fn grpc_status(&self) -> tonic::Status {
        let status = self.status();
        let details = if status.details.is_empty() { Vec::new() } else { status.to_protobuf() };
        tonic::Status::with_details(self.codes().grpc, status.message, details.into())
    }
}

fn bad_request(field: &str, description: &dyn Display) -> Detail {
    Detail::BadRequest { field: field.to_owned(), description: description.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_retried_says_when() {
        let malformed = MalformedRequest::new("request", "no".to_owned());
        let overloaded = WriteError::Overloaded { retry_after: Duration::from_millis(1200) };
        let unavailable = WriteError::Unavailable { cause: "disk full".into(), retry_after: Duration::from_secs(30) };
        let cases = [
            (Failure::TooLarge { limit: 1 }, 413, 8, None),
            (Failure::Malformed(malformed), 400, 3, None),
            (Failure::NotUnderstood(Warnings::default()), 400, 3, None),
            (Failure::Write(WriteError::Invalid("x".to_owned())), 400, 3, None),
            (Failure::Tenant(NoTenant::Missing), 401, 16, None),
            (Failure::Tenant(NoTenant::Several), 400, 3, None),
            (Failure::NoMessage, 400, 1, None),
            (Failure::UnsupportedEncoding("br".to_owned()), 415, 12, None),
            (Failure::Busy, 429, 8, Some(1)),
            (Failure::Write(overloaded), 429, 8, Some(2)),
            (Failure::Write(unavailable), 503, 14, Some(30)),
            (Failure::Write(WriteError::Closed), 503, 14, Some(1)),
            (Failure::Write(WriteError::Unknown("fsync".into())), 503, 14, Some(1)),
        ];
        for (failure, http, grpc, seconds) in cases {
            let status = failure.status();
            assert_eq!((failure.http_status().as_u16(), status.code), (http, grpc), "{failure}");
            assert_eq!(failure.retry_after_seconds(), seconds, "{failure}");
            let says_when = status.details.iter().any(|detail| matches!(detail, Detail::RetryInfo(_)));
            assert_eq!(says_when, seconds.is_some(), "{failure}");
        }
    }
}
