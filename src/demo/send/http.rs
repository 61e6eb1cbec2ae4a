//! OTLP over HTTP with protobuf bodies.

use std::time::Duration;

use bytes::Bytes;
use hoptrail_proto::model::TraceSpan;
use hoptrail_proto::otlp::{self, PartialSuccess};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{Endpoint, Failure};

/// Most bytes of an answer that are read.
const ANSWER: usize = 64 << 10;

/// A pool of HTTP connections to a server.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: Endpoint,
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { client, endpoint: endpoint.clone() })
    }

    pub(super) async fn export(&self, spans: &[TraceSpan]) -> Result<PartialSuccess, Failure> {
        let body = Full::new(Bytes::from(otlp::encode(spans)));
        let mut request = Request::post(self.endpoint.url())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(body)
            .map_err(|error| Failure::Final { reason: error.to_string() })?;
        request.headers_mut().extend(self.endpoint.headers().iter().cloned());
        let exchange = self.exchange(request);
        let late = |_| Failure::Temporary { reason: "no answer in time".to_owned(), pause: None };
        tokio::time::timeout(super::retry::ATTEMPT, exchange).await.map_err(late)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<PartialSuccess, Failure> {
        let broken = |reason: String| Failure::Temporary { reason, pause: None };
        let answer = self.client.request(request).await.map_err(|error| broken(chain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER).collect().await.map_err(|error| broken(error.to_string()))?.to_bytes();
        if head.status.is_success() {
            return PartialSuccess::decode(&body)
                .map_err(|error| Failure::Final { reason: format!("the answer is not OTLP: {error}") });
        }
        Err(failure(head.status, &head.headers))
    }
}

/// The OTLP specification's table of retryable codes ("Failures", OTLP/HTTP).
fn failure(status: StatusCode, headers: &HeaderMap) -> Failure {
    let reason = format!("HTTP {status}");
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match status.as_u16() {
        429 | 502 | 503 | 504 => Failure::Temporary { reason, pause: seconds.map(Duration::from_secs) },
        _ => Failure::Final { reason },
    }
}

/// The error with its causes: hyper's own text says only that sending failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_specification() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "2".parse().expect("a value"));
        let pause = Some(Duration::from_secs(2));
        for code in [429, 502, 503, 504] {
            let failure = failure(StatusCode::from_u16(code).expect("a code"), &headers);
            assert!(matches!(failure, Failure::Temporary { pause: found, .. } if found == pause), "{code}");
        }
        for code in [400, 401, 404, 413, 500] {
            let failure = failure(StatusCode::from_u16(code).expect("a code"), &headers);
            assert!(matches!(failure, Failure::Final { .. }), "{code}");
        }
    }
}
