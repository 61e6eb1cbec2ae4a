//! HTTP/2 as clients send it that no client library would: frames by hand, and gRPC without types.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::api::{Answer, PATIENCE};

/// Posts over HTTP/2 to `http://{address}{path}`. Trailers stand among the headers of the answer.
pub(crate) async fn post(address: &str, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", content_type)
        .header("te", "trailers")
        .header("user-agent", "h2-test/1")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let (head, body) = client.request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("the whole answer");
    let mut headers = head.headers;
    headers.extend(body.trailers().cloned().unwrap_or_default());
    Answer { status: head.status.as_u16(), headers, body: body.to_bytes() }
}

/// A gRPC message with its prefix.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&[0], (message.len() as u32).to_be_bytes().as_slice(), message].concat()
}

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field that enters no table.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// A request on a stream whose authority is the field `authority`.
pub(crate) fn request(stream: u32, authority: &[u8], path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let (method, scheme, path) = (field(":method", "POST"), field(":scheme", "http"), field(":path", path));
    let kind = field("content-type", content_type);
    let block = [method.as_slice(), &scheme, authority, &path, &kind].concat();
    [frame(1, 0x4, stream, &block), frame(0, 0x1, stream, body)].concat()
}

/// One connection on which frames are written by hand.
#[derive(Debug)]
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the server reads");
        stream.write_all(&frame(4, 0, 0, &[])).await.expect("the server reads");
        Self(stream)
    }

    pub(crate) async fn send(&mut self, frames: &[u8]) {
        self.0.write_all(frames).await.expect("the server reads");
    }

    /// Sends no more, but reads.
    pub(crate) async fn close_sending_half(&mut self) {
        self.0.shutdown().await.expect("the connection is open");
    }

    /// Frames of a stream until its end or a reset: type, flags, payload. None when the connection ends before.
    pub(crate) async fn answer(&mut self, stream: u32) -> Option<Vec<(u8, u8, Vec<u8>)>> {
        let mut frames = Vec::new();
        loop {
            let (kind, flags, id, payload) = self.frame().await?;
            if id == stream && kind != 8 {
                frames.push((kind, flags, payload));
                if kind == 3 || (kind < 2 && flags & 1 != 0) {
                    return Some(frames);
                }
            }
        }
    }

    async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            Some((kind, flags, u32::from_be_bytes(stream), payload))
        };
        tokio::time::timeout(PATIENCE.min(Duration::from_secs(20)), read)
            .await
            .expect("a frame or the end comes in time")
    }
}
