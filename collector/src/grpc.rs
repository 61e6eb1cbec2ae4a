//! OTLP over gRPC: `TraceService/Export`, and `grpc.health.v1.Health/Check`.
//!
//! The framework is tonic's. The one message of a unary call is unframed here instead of in a tonic codec, so that every byte is
//! accounted for before it is read or decompressed, large requests are decompressed off the async runtime, and the body reaches the
//! store without being decoded or copied.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use bytes::{BufMut, Bytes, BytesMut};
use hoptrail_proto::otlp::ExportResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;

use crate::collector::{Collector, Payload};
use crate::compression::Encoding;
use crate::error::Failure;
use crate::metrics::Transport;

const TRACES: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
const HEALTH: &str = "grpc.health.v1.Health";

/// A flag and the length before a gRPC message.
const PREFIX: usize = 5;

/// The most that a health check may send.
const HEALTH_REQUEST: usize = 1024;

impl Collector {
    /// The services of OTLP over gRPC. To be served over HTTP/2 only.
    pub fn grpc_router(self: &Arc<Self>) -> Router {
        Routes::new(TraceService(Arc::clone(self))).add_service(HealthService(Arc::clone(self))).into_axum_router()
    }

    async fn export(self: &Arc<Self>, headers: &HeaderMap, body: &mut Body) -> Result<ExportResponse, Failure> {
        let encoding = Encoding::parse(headers.get("grpc-encoding"))?;
        let tenant = self.tenancy.tenant(headers)?;
        let limit = self.config.max_request_bytes;
        let (framed, room) = match self.read(Transport::Grpc, body, limit.saturating_add(PREFIX)).await {
            Err(Failure::TooLarge { .. }) => return Err(Failure::TooLarge { limit }),
            other => other?,
        };
        let (compressed, bytes) = unframe(framed)?;
        let encoding = if compressed { encoding } else { Encoding::Identity };
        self.store(tenant, Payload { bytes, encoding, transport: Transport::Grpc }, room).await
    }
}

/// The one message of a unary request, and whether it is compressed.
fn unframe(mut body: Bytes) -> Result<(bool, Bytes), Failure> {
    let early = || Failure::Interrupted("no whole grpc message".to_owned());
    let (flag, length) = match body.first_chunk::<PREFIX>() {
        Some([flag, length @ ..]) => (*flag, u32::from_be_bytes(*length) as usize),
        None => return Err(early()),
    };
    let message = body.split_off(PREFIX);
    if message.len() < length {
        return Err(early());
    }
    Ok((flag != 0, message.slice(..length)))
}

/// A response with one message.
fn message(body: &[u8]) -> Response<Body> {
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
fn refused(failure: &Failure) -> Response<Body> {
    let mut response = failure.grpc_status().into_http();
    if matches!(failure, Failure::UnsupportedEncoding(_)) {
        let supported = HeaderValue::from_static(crate::compression::SUPPORTED);
        response.headers_mut().insert("grpc-accept-encoding", supported);
    }
    response
}

fn unimplemented(path: &str) -> Response<Body> {
    Status::new(Code::Unimplemented, format!("there is no method {path}")).into_http()
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

#[derive(Debug, Clone)]
struct TraceService(Arc<Collector>);

impl NamedService for TraceService {
    const NAME: &'static str = TRACES;
}

impl Service<Request<Body>> for TraceService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let collector = Arc::clone(&self.0);
        Box::pin(async move {
            let (parts, mut body) = request.into_parts();
            if parts.uri.path().rsplit('/').next() != Some("Export") {
                return Ok(unimplemented(parts.uri.path()));
            }
            let outcome = collector.export(&parts.headers, &mut body).await;
            collector.answered(Transport::Grpc, &outcome);
            Ok(match outcome {
                Ok(response) => message(&response.to_protobuf()),
                Err(failure) => refused(&failure),
            })
        })
    }
}

/// Says SERVING for as long as there is somebody to say it, for the server as a whole and for the trace service.
#[derive(Debug, Clone)]
struct HealthService(Arc<Collector>);

impl NamedService for HealthService {
    const NAME: &'static str = HEALTH;
}

impl Service<Request<Body>> for HealthService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let collector = Arc::clone(&self.0);
        Box::pin(async move {
            let (parts, mut body) = request.into_parts();
            if parts.uri.path().rsplit('/').next() != Some("Check") {
                return Ok(unimplemented(parts.uri.path()));
            }
            let read = collector.read(Transport::Grpc, &mut body, HEALTH_REQUEST).await;
            Ok(match read.and_then(|(framed, _)| unframe(framed)) {
                Ok((_, asked)) if knows(&asked) => message(&SERVING),
                Ok(_) => Status::new(Code::NotFound, "unknown service").into_http(),
                Err(failure) => refused(&failure),
            })
        })
    }
}

/// `HealthCheckResponse { status: SERVING }`.
const SERVING: [u8; 2] = [0x08, 1];

/// Whether a `HealthCheckRequest` asks for the server (no name) or for the trace service.
fn knows(request: &[u8]) -> bool {
    let service = match request {
        [0x0a, length, name @ ..] if usize::from(*length) == name.len() => name,
        other => other,
    };
    service.is_empty() || service == TRACES.as_bytes()
}
