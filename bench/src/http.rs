//! One kept-alive HTTP connection.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderName, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// What the server said, and when.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    /// From sending to the first byte.
    pub(crate) first_byte: Duration,
    /// From sending to the last byte.
    pub(crate) last_byte: Duration,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // A broken connection shows where the next request fails.
            let _ = connection.await;
        });
        Ok(Self { sender, host: address.to_owned() })
    }

    /// The server.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Asks and reads the whole answer; its body, and the time from sending to the last byte.
    pub(crate) async fn get(&mut self, path: &str, accept: &str) -> Result<(Bytes, Duration)> {
        let answer = self.ask(path, header::ACCEPT, accept).await?;
        Ok((answer.body, answer.last_byte))
    }

    /// Asks as browsers do, for a compressed answer; the time from sending to the last byte. `None` when the server is too busy.
    pub(crate) async fn get_compressed(&mut self, path: &str) -> Result<Option<Duration>> {
        let (status, answer) = self.exchange(path, header::ACCEPT_ENCODING, "gzip").await?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(None);
        }
        ensure!(status == StatusCode::OK, "GET {path}: {status}");
        Ok(Some(answer.last_byte))
    }

    /// Asks with this header, and reads the whole answer.
    pub(crate) async fn ask(&mut self, path: &str, name: HeaderName, value: &str) -> Result<Answer> {
        let (status, answer) = self.exchange(path, name, value).await?;
        ensure!(status == StatusCode::OK, "GET {path}: {status} {}", String::from_utf8_lossy(&answer.body));
        Ok(answer)
    }

    async fn exchange(&mut self, path: &str, name: HeaderName, value: &str) -> Result<(StatusCode, Answer)> {
        let request = Request::get(path).header(header::HOST, &self.host).header(name, value);
        let request = request.body(Full::default())?;
        if self.sender.is_closed() {
            // The server closes connections on which nothing is asked for a while.
            *self = Self::open(&self.host.clone()).await?;
        }
        self.sender.ready().await?;
        let asked = Instant::now();
        let answer = self.sender.send_request(request).await.with_context(|| format!("GET {path}"))?;
        let first_byte = asked.elapsed();
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, Answer { body, first_byte, last_byte: asked.elapsed() }))
    }

    /// The sum of a metric's series; 0 when there is none.
    pub(crate) async fn metric(&mut self, name: &str) -> Result<f64> {
        let (body, _) = self.get("/metrics", "*/*").await?;
        let text = std::str::from_utf8(&body)?;
        let series =
            text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        series.map(|line| Ok(line.rsplit(' ').next().context("a line without a value")?.parse::<f64>()?)).sum()
    }
}

/// Percent-encodes a query value.
#[must_use]
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
