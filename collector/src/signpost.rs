//! OTLP that came to the wrong port is answered in its own protocol with the port that is right.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Version};

use crate::collector::Collector;
use crate::error::Failure;
use crate::sender::Sender;
use crate::target::{TRACES_PATH, Target};
use crate::{grpc, http as over_http};

/// What is served on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// OTLP over gRPC.
    OtlpGrpc,
    /// OTLP over HTTP.
    OtlpHttp,
    /// Something that takes no spans.
    Queries,
}

/// The ports of this process.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// OTLP over gRPC.
    pub otlp_grpc: u16,
    /// OTLP over HTTP.
    pub otlp_http: u16,
    /// Tempo's API.
    pub tempo: u16,
    /// The pages.
    pub ui: u16,
}

struct Signpost {
    collector: Arc<Collector>,
    listener: Listener,
    ports: Ports,
}

impl Collector {
    /// `router` as it is served on `listener`, for those who came to the right port.
    pub fn behind_signpost(self: &Arc<Self>, router: Router, listener: Listener, ports: Ports) -> Router {
        let signpost = Signpost { collector: Arc::clone(self), listener, ports };
        router.layer(from_fn_with_state(Arc::new(signpost), point))
    }
}

async fn point(State(signpost): State<Arc<Signpost>>, request: Request, next: Next) -> Response {
    let Some(direction) = signpost.direction(&request) else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    let (collector, failure) = (&signpost.collector, Failure::WrongPort(direction));
    if is_grpc(&parts.headers) && parts.version == Version::HTTP_2 {
        collector.refused(&Sender::of(&parts), &failure);
        return grpc::refused(&failure);
    }
    over_http::failed(collector, &parts, body, &failure).await
}

impl Signpost {
    /// Where a request should have gone, when that is not here.
    fn direction(&self, request: &Request) -> Option<String> {
        let Ports { otlp_grpc, otlp_http, tempo, ui } = self.ports;
        let (grpc, http2) = (is_grpc(request.headers()), request.version() == Version::HTTP_2);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_export = Target::at_path(request.uri().path()).is_some();
        match self.listener {
            Listener::OtlpGrpc if grpc && http2 => None,
            Listener::OtlpGrpc if grpc => {
                Some("gRPC needs HTTP/2 and came as HTTP/1: a proxy on the way must pass HTTP/2 on".to_owned())
            }
            Listener::OtlpGrpc => Some(format!(
                "this port takes OTLP over gRPC; OTLP over HTTP is taken on port {otlp_http} (POST {TRACES_PATH}), \
                 the pages are on port {ui}"
            )),
            _ if grpc => Some(format!("this port takes no gRPC; OTLP over gRPC is taken on port {otlp_grpc}")),
            Listener::OtlpHttp if reads && !is_export => Some(format!(
                "this port takes OTLP over HTTP (POST {TRACES_PATH}); the pages are on port {ui}, \
                 Tempo's API is on port {tempo}"
            )),
            Listener::Queries if is_export && !reads => Some(format!(
                "this port takes no spans; OTLP over HTTP is taken on port {otlp_http}, over gRPC on port {otlp_grpc}"
            )),
            Listener::OtlpHttp | Listener::Queries => None,
        }
    }
}

/// Whether who sent this waits for an answer in gRPC. gRPC-Web reads plain HTTP.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| !rest.starts_with(b"-web"))
}
