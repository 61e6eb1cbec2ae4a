//! A client of Tempo's HTTP API, for the commands that ask a server: hoptrail, Grafana Tempo, or another one with the same API.

mod address;
mod failure;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub use address::Address;
pub use failure::Failure;

/// Most bytes of an answer that are read.
const LARGEST: usize = 1 << 30;
/// Longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest address of a request, which holds the query. The HTTP library takes no longer one.
const LONGEST: usize = 65_000;

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    address: Address,
    headers: HeaderMap,
    timeout: Duration,
    http: legacy::Client<HttpConnector, Empty<Bytes>>,
}

/// An answer with status 200.
#[derive(Debug)]
pub struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    /// A client that sends these headers with each request, and gives an answer up after `timeout`. It connects with the first
    /// request.
    #[must_use]
    pub fn new(address: Address, given: Vec<(HeaderName, HeaderValue)>, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT.min(timeout)));
        let mut headers = HeaderMap::new();
        headers.extend(address.authorization().map(|value| (header::AUTHORIZATION, value.clone())));
        headers.extend(given);
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { address, headers, timeout, http }
    }

    /// The server.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks for `path` with these parameters.
    pub async fn get(&self, path: &str, params: &[(&str, String)], accept: &'static str) -> Result<Answer, Failure> {
        let request = self.request(path, params, accept)?;
        match tokio::time::timeout(self.timeout, self.exchange(request, path)).await {
            Ok(exchanged) => exchanged,
            Err(_) => Err(Failure::Late { address: self.address.to_string(), seconds: self.timeout.as_secs_f64() }),
        }
    }

    fn request(
        &self,
        path: &str,
        params: &[(&str, String)],
        accept: &'static str,
    ) -> Result<Request<Empty<Bytes>>, Failure> {
        let pairs: Vec<String> = params.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        let url = format!("{}{path}{mark}{}", self.address, pairs.join("&"));
        if url.len() > LONGEST {
            let length = url.len();
            return Err(Failure::Mistake(format!("the query is too long for an HTTP address: {length} bytes in it")));
        }
        let mut request = Request::get(url)
            .header(header::ACCEPT, accept)
            .body(Empty::new())
            .map_err(|error| Failure::Mistake(error.to_string()))?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>, path: &str) -> Result<Answer, Failure> {
        let unreachable =
            |error: &dyn Error| Failure::Unreachable { address: self.address.to_string(), reason: first_cause(error) };
        let answer = self.http.request(request).await.map_err(|error| unreachable(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| unreachable(error.as_ref()))?.to_bytes();
        if head.status == http::StatusCode::OK {
            return Ok(Answer { headers: head.headers, body });
        }
        Err(Failure::of_answer(&self.address, path, head.status, &head.headers, &body))
    }
}

impl Answer {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a JSON object.
    pub fn json(&self, address: &Address) -> Result<serde_json::Value, Failure> {
        let value = serde_json::from_slice(&self.body).ok().filter(serde_json::Value::is_object);
        value.ok_or_else(|| Failure::not_tempo(address, &format!("it answered {}, not JSON", self.kind())))
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the body is, by its header.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.header("content-type").filter(|kind| !kind.is_empty()).unwrap_or("something without a type")
    }

    /// What hoptrail says about an answer that is not whole.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        let warning = self.header("warning")?;
        Some(warning.split_once('"').map_or(warning, |(_, text)| text.trim_end_matches('"')))
    }
}

/// The cause of the causes: the library's own text says only that sending failed.
fn first_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Percent-encodes a part of an address.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
