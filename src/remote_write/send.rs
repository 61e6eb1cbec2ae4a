//! Posts requests to a receiver.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::config::{Target, Version};

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of its answer that are read.
const MOST_ANSWER: usize = 64 << 10;
/// Most characters of it that are logged.
const SHOWN: usize = 300;
/// The first pause after a failure, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// It will never be taken.
    Refused {
        status: StatusCode,
        text: String,
    },
    /// It is sent again, after the pause if the receiver names one.
    Failed {
        reason: String,
        pause: Option<Duration>,
    },
}

/// A connection to a receiver.
#[derive(Debug)]
pub(super) struct Sender {
    target: Target,
    uri: Uri,
    headers: HeaderMap,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Sender {
    /// A sender for a target whose settings were checked.
    pub(super) fn new(target: Target) -> Result<Self, String> {
        let (uri, mut headers) = (target.uri()?, target.headers()?);
        let (kind, version) = match target.version {
            Version::One => ("application/x-protobuf", "0.1.0"),
            Version::Two => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static(version));
        let agent = HeaderValue::from_static(concat!("hoptrail/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, agent);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(TIMEOUT));
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { target, uri, headers, http })
    }

    /// Sends a request once.
    pub(super) async fn send(&self, body: Vec<u8>) -> Outcome {
        match tokio::time::timeout(TIMEOUT, self.exchange(body)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(reason)) => Outcome::Failed { reason, pause: None },
            Err(_) => Outcome::Failed { reason: format!("no answer within {} s", TIMEOUT.as_secs()), pause: None },
        }
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<Outcome, String> {
        let mut request = Request::post(self.uri.clone()).body(Full::from(body)).map_err(|error| error.to_string())?;
        request.headers_mut().extend(self.headers.clone());
        if let Some(authorization) = self.target.authorization()? {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let answer = self.http.request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Ok(outcome(head.status, &head.headers, &body))
    }
}

fn outcome(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    if status.is_success() {
        return Outcome::Taken;
    }
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        return Outcome::Refused { status, text };
    }
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let pause = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
    Outcome::Failed { reason: format!("{status} {text}"), pause }
}

/// The pause after so many failures in a row.
pub(super) fn pause(failures: u32, named: Option<Duration>) -> Duration {
    let grown = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    named.unwrap_or(grown).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_get_better_is_sent_again() {
        let retry = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("7"))]);
        let none = HeaderMap::new();
        assert_eq!(outcome(StatusCode::NO_CONTENT, &none, b""), Outcome::Taken);
        for (status, headers, expected) in [
            (StatusCode::TOO_MANY_REQUESTS, &retry, Some(7)),
            (StatusCode::SERVICE_UNAVAILABLE, &none, None),
            (StatusCode::INTERNAL_SERVER_ERROR, &none, None),
            (StatusCode::FOUND, &none, None),
        ] {
            let Outcome::Failed { pause, .. } = outcome(status, headers, b"x\n") else { panic!("{status}") };
            assert_eq!(pause.map(|pause| pause.as_secs()), expected, "{status}");
        }
        for status in [StatusCode::BAD_REQUEST, StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::UNAUTHORIZED] {
            let text = "out of order".to_owned();
            assert_eq!(outcome(status, &none, b"out of\n order"), Outcome::Refused { status, text });
        }
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let seconds: Vec<f64> = (1..=9).map(|failures| pause(failures, None).as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(pause(1, Some(Duration::from_secs(600))), LONGEST_PAUSE);
    }
}
