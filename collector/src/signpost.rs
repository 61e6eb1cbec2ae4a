//! A signpost for clients at the wrong port. The answer says, in the client's own protocol, which port is right.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Version};

use crate::collector::Collector;
use crate::error::Failure;
use crate::metrics::Transport;
use crate::sender::Sender;
use crate::target::Target;
use crate::{grpc, http as over_http};

/// Who comes to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Programs that send spans.
    Senders,
    /// Programs that ask for traces.
    Queries,
    /// People with a browser.
    Browsers,
}

/// What a client at another port learns of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// What is there: `OTLP over gRPC`, `the web UI`.
    pub serves: &'static str,
    /// What carries the requests.
    pub transport: Transport,
    /// Who comes there.
    pub audience: Audience,
    /// The gRPC service that it has beside HTTP; empty for none.
    pub calls: &'static str,
    /// Its number.
    pub port: u16,
}

struct Signpost {
    collector: Arc<Collector>,
    here: Port,
    all: Arc<[Port]>,
}

impl Collector {
    /// `router` as it is served at the port `here`, for those who came to the right port. `all`: every port of the process.
    pub fn behind_signpost(self: &Arc<Self>, router: Router, here: Port, all: Arc<[Port]>) -> Router {
        let signpost = Signpost { collector: Arc::clone(self), here, all };
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
        let (grpc, http2) = (is_grpc(request.headers()), request.version() == Version::HTTP_2);
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_export = Target::at_path(request.uri().path()).is_some();
        let Port { serves, transport, audience, calls, .. } = self.here;
        let method = request.uri().path().trim_start_matches('/');
        let is_its_call = !calls.is_empty() && method.split('/').next() == Some(calls);
        match (transport, audience) {
            (Transport::Grpc, _) if grpc && http2 => None,
            (Transport::Http, _) if grpc && http2 && is_its_call => None,
            _ if grpc && (transport == Transport::Grpc || is_its_call) => {
                Some("gRPC needs HTTP/2 and came as HTTP/1: a proxy on the way must pass HTTP/2 on".to_owned())
            }
            (Transport::Grpc, _) => {
                let others = self.others(|port| {
                    port.audience == Audience::Browsers || is_for_senders(port) && port.transport == Transport::Http
                });
                Some(format!("this port takes {serves}; {others}"))
            }
            (Transport::Http, _) if grpc => {
                let others = self.others(|port| port.transport == Transport::Grpc);
                let own = if calls.is_empty() { String::new() } else { format!(" but {calls}") };
                Some(format!("this port takes no gRPC{own}; {others}"))
            }
            (Transport::Http, Audience::Senders) if reads && !is_export => {
                let others = self.others(|port| !is_for_senders(port));
                Some(format!("this port takes {serves}; {others}"))
            }
            (Transport::Http, Audience::Queries | Audience::Browsers) if is_export && !reads => {
                Some(format!("this port takes no spans; {}", self.others(is_for_senders)))
            }
            (Transport::Http, _) => None,
        }
    }

    /// Says what is at some of the ports: `OTLP over gRPC is on port 4317, the web UI is on port 16686`.
    fn others(&self, wanted: impl Fn(&Port) -> bool) -> String {
        let ports = self.all.iter().filter(|port| wanted(port));
        let named: Vec<_> = ports.map(|Port { serves, port, .. }| format!("{serves} is on port {port}")).collect();
        named.join(", ")
    }
}

fn is_for_senders(port: &Port) -> bool {
    port.audience == Audience::Senders
}

/// Whether the client waits for an answer in gRPC. gRPC-Web reads plain HTTP.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| !rest.starts_with(b"-web"))
}
