//! A small HTTP client and the Tempo API as the tests use it.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use serde_json::Value;

use super::spans::{Seen, flatten};
use crate::harness::Server;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// A header as text; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// A client with a pool of connections.
#[derive(Debug, Clone)]
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Sends a request; fails when no whole answer comes.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let exchange = self.0.request(request.body(Full::new(body.into()))?);
        let (head, body) = tokio::time::timeout(PATIENCE, exchange).await??.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await??.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// GET that must be answered.
    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send(Method::GET, url, &[], "").await.unwrap_or_else(|error| panic!("GET {url}: {error}"))
    }

    /// POST that must be answered.
    pub(crate) async fn post(&self, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, url, headers, body).await.unwrap_or_else(|error| panic!("POST {url}: {error}"))
    }

    /// All spans of a trace, from `/api/traces/{id}` as protobuf; none when the trace is unknown.
    pub(crate) async fn trace(&self, server: &Server, id: &str) -> Vec<Seen> {
        let url = format!("http://{}/api/traces/{id}", server.tempo);
        let answer = self.send(Method::GET, &url, &[("accept", "application/protobuf")], "").await;
        let answer = answer.unwrap_or_else(|error| panic!("GET {url}: {error}"));
        match answer.status {
            404 => Vec::new(),
            200 => flatten(TracesData::decode(answer.body).expect("the answer is a trace").resource_spans),
            status => panic!("GET {url}: {status} {:?}", answer.body),
        }
    }

    /// The traces that `/api/search` gives for a TraceQL query.
    pub(crate) async fn search(&self, server: &Server, query: &str) -> Vec<Value> {
        let url = format!("http://{}/api/search?limit=1000&q={}", server.tempo, escape(query));
        let answer = self.get(&url).await;
        assert_eq!(answer.status, 200, "{query}: {:?}", answer.body);
        answer.json()["traces"].as_array().expect("the answer lists traces").clone()
    }

    /// The sum over a metric's series whose line contains `label`; none when there is no such series.
    pub(crate) async fn metric(&self, address: &str, name: &str, label: &str) -> Option<f64> {
        let answer = self.get(&format!("http://{address}/metrics")).await;
        let series = answer.text().lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        series.map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|sum, value| Some(sum? + value?))?
    }
}

/// Percent-encodes a query value.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Asks again until there is an answer; fails, naming `what`, when patience ends.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
