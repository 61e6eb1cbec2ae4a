//! Where hoptrail listens: one row for each listener.
//!
//! Everything that has to know the listeners reads this table: settings and flags, the check that no two share a port, binding, the
//! lines that a start prints, what is served, and the answer to a client at the wrong port. So a receiver for another protocol is a
//! row here, a row in `docs/configuration.md`, and its router.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use hoptrail_collector::{Audience, Collector, Port, Transport};
use hoptrail_query::{Service, tempo};
use hoptrail_ui::Sources;

use crate::admin::Admin;
use crate::input::EndOfInput;

/// One listener.
#[derive(Debug)]
pub struct Endpoint {
    /// Its name in flags (`--otlp-grpc`), metrics, logs and on stdout.
    pub name: &'static str,
    /// Its setting in the section `listen`: the name with `_`.
    pub key: &'static str,
    /// The port unless another address is set; always on the loopback interface.
    pub default_port: u16,
    /// What it serves, as people say it.
    pub serves: &'static str,
    /// What carries the requests.
    pub transport: Transport,
    /// The gRPC service that is served beside HTTP; empty for none.
    pub calls: &'static str,
    /// Who comes here.
    pub audience: Audience,
    /// Who answers.
    pub router: fn(&Handlers) -> Router,
}

/// Every listener, in the order in which they are bound and printed.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        name: "otlp-grpc",
        key: "otlp_grpc",
        default_port: 4317,
        serves: "OTLP over gRPC",
        transport: Transport::Grpc,
        calls: "",
        audience: Audience::Senders,
        router: |handlers| handlers.collector.grpc_router(),
    },
    Endpoint {
        name: "otlp-http",
        key: "otlp_http",
        default_port: 4318,
        serves: "OTLP over HTTP (POST /v1/traces)",
        transport: Transport::Http,
        calls: "",
        audience: Audience::Senders,
        router: |handlers| handlers.collector.router(),
    },
    Endpoint {
        name: "tempo",
        key: "tempo",
        default_port: 3200,
        serves: "the Tempo API",
        transport: Transport::Http,
        calls: tempo::STREAMING_SERVICE,
        audience: Audience::Queries,
        router: |handlers| {
            let beside = handlers.admin.router().merge(handlers.status.clone()).merge(handlers.prometheus.clone());
            tempo::router(Arc::clone(&handlers.service), beside)
        },
    },
    Endpoint {
        name: "ui",
        key: "ui",
        default_port: 16686,
        serves: "the web UI",
        transport: Transport::Http,
        calls: "",
        audience: Audience::Browsers,
        router: Handlers::web_ui,
    },
];

/// What the routers need.
#[derive(Clone)]
pub struct Handlers {
    /// Takes spans in.
    pub collector: Arc<Collector>,
    /// Answers queries.
    pub service: Arc<Service>,
    /// Answers operators.
    pub admin: Arc<Admin>,
    /// Tells them about versions and settings.
    pub status: Router,
    /// Answers what Prometheus and its clients ask.
    pub prometheus: Router,
    /// Settings of the web UI.
    pub ui: hoptrail_ui::Config,
    /// What the web UI tells beside the spans.
    pub sources: Sources,
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handlers").finish_non_exhaustive()
    }
}

impl Handlers {
    fn web_ui(&self) -> Router {
        let pages = hoptrail_ui::router(Arc::clone(&self.service), &self.ui, self.sources.clone());
        pages.merge(self.admin.router())
    }
}

impl Endpoint {
    /// What the end of a client's bytes means. A sender may close its half and wait for the answer; a query whose client leaves is
    /// given up.
    #[must_use]
    pub fn end_of_input(&self) -> EndOfInput {
        match self.audience {
            Audience::Senders => EndOfInput::Awaits,
            Audience::Queries | Audience::Browsers => EndOfInput::Leaves,
        }
    }

    /// What a client at the wrong port learns of this endpoint.
    #[must_use]
    pub fn port(&self, address: SocketAddr) -> Port {
        let Self { serves, transport, calls, audience, .. } = *self;
        Port { serves, transport, calls, audience, port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn keys_follow_from_names() {
        for Endpoint { name, key, .. } in ENDPOINTS {
            assert_eq!(name.replace('-', "_"), *key);
        }
    }

    #[test]
    fn every_endpoint_is_documented_with_its_port_and_what_it_serves() {
        let documented = keys();
        for Endpoint { key, default_port, serves, .. } in ENDPOINTS {
            let doc = documented.iter().find(|doc| doc.path == format!("listen.{key}")).expect(key);
            assert_eq!(doc.default, format!("127.0.0.1:{default_port}"));
            let meaning = doc.meaning.to_lowercase();
            assert!(meaning.starts_with(&serves.to_lowercase()), "{key}: {meaning:?} does not begin with {serves:?}");
        }
    }
}
