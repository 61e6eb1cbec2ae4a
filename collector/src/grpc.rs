//! OTLP over gRPC: `TraceService/Export`, that of the other signals, and `grpc.health.v1.Health/Check`.
//!
//! The framework is tonic's. The one message of a unary call is unframed here instead of in a tonic codec, so that every byte is
//! accounted for before it is read or decompressed, large requests are decompressed off the async runtime, and the body reaches the
//! store without being decoded or copied.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hoptrail_proto::otlp::ExportResponse;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use tonic::{Code, Status};

use crate::collector::{Collector, Payload};
use crate::compression::Encoding;
use crate::error::Failure;
use crate::metrics::{Protocol, Transport};
use crate::otlp::Otlp;
use crate::sender::Sender;
use crate::target::{TRACES_METHOD, Target, same};

const CHECK_HEALTH: &str = "/grpc.health.v1.Health/Check";

/// gRPC carries protobuf.
const FORMAT: Otlp = Otlp::Protobuf;

/// A flag and the length before a gRPC message.
const PREFIX: usize = 5;

/// The most that a health check may send.
const HEALTH_REQUEST: usize = 1024;

impl Collector {
    /// The services of OTLP over gRPC. To be served over HTTP/2 only.
    pub fn grpc_router(self: &Arc<Self>) -> Router {
        Router::new().fallback(call).with_state(Arc::clone(self))
    }

    async fn grpc_request(
        self: &Arc<Self>,
        target: Target,
        headers: &HeaderMap,
        body: &mut Body,
        sender: &mut Sender,
    ) -> Result<ExportResponse, Failure> {
        if let Target::Other(signal) = target {
            self.admits(signal)?;
        }
        let encoding = Encoding::parse(headers.get("grpc-encoding"))?;
        let tenant = self.tenant(headers)?;
        let limit = self.config.max_request_size;
        let (framed, room) = match self.read(protocol(), body, limit.saturating_add(PREFIX)).await {
            Err(Failure::TooLarge { .. }) => return Err(Failure::TooLarge { limit }),
            other => other?,
        };
        let (compressed, bytes) = unframe(framed)?;
        let encoding = if compressed { encoding } else { Encoding::Identity };
        let payload = Payload { bytes, encoding, format: FORMAT.format(), protocol: protocol() };
        self.export(target, FORMAT, tenant, payload, room, sender).await
    }
}

fn protocol() -> Protocol {
    Protocol::new(Transport::Grpc, &FORMAT)
}

/// The one message of a unary request, and whether it is compressed.
fn unframe(mut body: Bytes) -> Result<(bool, Bytes), Failure> {
    let [flag, length @ ..] = *body.first_chunk::<PREFIX>().ok_or(Failure::NoMessage)?;
    let length = u32::from_be_bytes(length) as usize;
    let message = body.split_off(PREFIX);
    if message.len() < length {
        return Err(Failure::NoMessage);
    }
    Ok((flag != 0, message.slice(..length)))
}

/// A response with one message.
fn message(body: &[u8]) -> Response {
    let mut framed = BytesMut::with_capacity(PREFIX + body.len());
    framed.put_u8(0);
    framed.put_u32(body.len() as u32);
    framed.put_slice(body);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// A response without a message.
pub(crate) fn refused(failure: &Failure) -> Response {
    let mut response = failure.grpc_status().into_http();
    if matches!(failure, Failure::UnsupportedEncoding(_)) {
        let supported = HeaderValue::from_static(crate::compression::SUPPORTED);
        response.headers_mut().insert("grpc-accept-encoding", supported);
    }
    response
}

async fn call(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if let Some(target) = Target::of_method(path) {
        return export(&collector, target, &parts, body).await;
    }
    if same(path, CHECK_HEALTH) {
        return check_health(&collector, body).await;
    }
    let failure = Failure::NotFound { path: path.to_owned(), traces: TRACES_METHOD };
    collector.refused(&Sender::of(&parts), &failure);
    refused(&failure)
}

async fn export(collector: &Arc<Collector>, target: Target, parts: &Parts, mut body: Body) -> Response {
    let mut sender = Sender::of(parts);
    let outcome = collector.grpc_request(target, &parts.headers, &mut body, &mut sender).await;
    collector.answered(protocol(), &sender, &outcome);
    match outcome {
        Ok(response) => message(&response.to_protobuf()),
        Err(failure) => refused(&failure),
    }
}

/// Answers SERVING for the server as a whole and for the trace service, for as long as it runs.
async fn check_health(collector: &Collector, mut body: Body) -> Response {
    let read = collector.read(protocol(), &mut body, HEALTH_REQUEST).await;
    match read.and_then(|(framed, _)| unframe(framed)) {
        Ok((_, asked)) if knows(&asked) => message(&SERVING),
        Ok(_) => Status::new(Code::NotFound, "unknown service").into_http(),
        Err(failure) => refused(&failure),
    }
}

/// `HealthCheckResponse { status: SERVING }`.
const SERVING: [u8; 2] = [0x08, 1];

/// Whether a `HealthCheckRequest` asks about the server (no name) or about the trace service.
fn knows(request: &[u8]) -> bool {
    let service = match request {
        [0x0a, length, name @ ..] if usize::from(*length) == name.len() => name,
        other => other,
    };
    service.is_empty()
        || TRACES_METHOD.as_bytes().strip_prefix(b"/").and_then(|rest| rest.strip_prefix(service)) == Some(b"/Export")
}
