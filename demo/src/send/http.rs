//! OTLP over HTTP with protobuf bodies.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use hoptrail_proto::otlp::PartialSuccess;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::retry::with_causes;
use super::{Compression, Endpoint, Failure};

/// Most bytes of an answer that are read.
const ANSWER: usize = 64 << 10;

/// A pool of HTTP connections to a server.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: Endpoint,
    compression: Compression,
    timeout: Duration,
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint, compression: Compression, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, endpoint: endpoint.clone(), compression, timeout }
    }

    pub(super) async fn export(&self, request: Bytes) -> Result<PartialSuccess, Failure> {
        let request = self.request(request).map_err(|reason| Failure::Final { reason })?;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(exchanged) => exchanged,
            Err(_) => Err(Failure::temporary("no answer in time")),
        }
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let body = match self.compression {
            Compression::None => body,
            Compression::Gzip => gzip(&body).map_err(|error| error.to_string())?,
        };
        let mut request = Request::post(self.endpoint.url())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        if self.compression == Compression::Gzip {
            request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        request.headers_mut().extend(self.endpoint.headers().iter().cloned());
        Ok(request)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<PartialSuccess, Failure> {
        let answer = self.client.request(request).await.map_err(|error| Failure::temporary(with_causes(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER).collect().await;
        let body = body.map_err(|error| Failure::temporary(error.to_string()))?.to_bytes();
        if head.status.is_success() {
            return PartialSuccess::decode(&body).map_err(|error| Failure::not_otlp(&error));
        }
        Err(failure(head.status, &head.headers))
    }
}

fn gzip(body: &[u8]) -> io::Result<Bytes> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::default());
    gzip.write_all(body)?;
    Ok(gzip.finish()?.into())
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

    #[test]
    fn a_compressed_request_says_so() {
        let endpoint = Endpoint::new("http://h:4318", None, &[]).expect("valid");
        for (compression, encoding) in [(Compression::None, None), (Compression::Gzip, Some("gzip"))] {
            let http = Http::new(&endpoint, compression, Duration::from_secs(1));
            let request = http.request(Bytes::from_static(b"body")).expect("built");
            let found = request.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().expect("text"));
            assert_eq!(found, encoding);
        }
    }
}
