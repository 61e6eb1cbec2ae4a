//! Joins the parts and owns their end: bind, open the store, serve, and on shutdown stop, drain, flush.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hoptrail_collector::{Collector, Listener, Ports};
use hoptrail_query::{Service, tempo};
use hoptrail_storage::{Room, Store, SystemClock, Watch};
use hoptrail_ui::Notices;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::config::{Address, Config, out_of_reach};
use crate::control::Control;
use crate::input::EndOfInput;
use crate::serve::{Bounds, Connections, Server};

/// Everything bound and open, not yet serving.
#[derive(Debug)]
pub struct App {
    config: Config,
    listeners: Option<Listeners>,
    addresses: Addresses,
    store: Arc<Store>,
    control: Option<Control>,
    collector: Arc<Collector>,
    service: Arc<Service>,
    admin: Arc<Admin>,
    connections: Connections,
}

#[derive(Debug)]
struct Listeners {
    otlp_grpc: TcpListener,
    otlp_http: TcpListener,
    tempo: TcpListener,
    ui: TcpListener,
}

/// Each listener's flag without the dashes, and where it really listens.
pub type Addresses = [(&'static str, SocketAddr); 4];

impl Listeners {
    fn addresses(&self) -> std::io::Result<Addresses> {
        Ok([
            ("otlp-grpc", self.otlp_grpc.local_addr()?),
            ("otlp-http", self.otlp_http.local_addr()?),
            ("tempo", self.tempo.local_addr()?),
            ("ui", self.ui.local_addr()?),
        ])
    }
}

impl App {
    /// Binds every address, then opens the store. Nothing is left behind when one of them fails.
    /// `watch` is told of the store's steps.
    pub async fn start(config: Config, watch: Arc<dyn Watch>) -> anyhow::Result<Self> {
        let listen = &config.listen;
        let listeners = Listeners {
            otlp_grpc: bind("otlp-grpc", &listen.otlp_grpc).await?,
            otlp_http: bind("otlp-http", &listen.otlp_http).await?,
            tempo: bind("tempo", &listen.tempo).await?,
            ui: bind("ui", &listen.ui).await?,
        };
        let addresses = listeners.addresses()?;
        let mut registry = Registry::default();
        let clock = Arc::new(SystemClock);
        let store = Store::open_watched(&config.data, &config.storage, clock, watch, &mut registry)
            .with_context(|| format!("cannot open the store in {}", config.data.display()))?;
        if let Some(told) = out_of_reach(&config, &store.tenants()) {
            tracing::warn!("{told}");
        }
        let control = Control::bind(&config.data).inspect_err(
            |error| tracing::warn!(%error, "cannot listen in the data folder; `hoptrail backup` will not work"),
        );
        let collector = Collector::new(&config.collector, store.clone(), &mut registry);
        let service = Service::new(&config.query, store.clone(), &mut registry);
        let listeners = Some(listeners);
        let connections = Connections::register(&mut registry);
        let admin = Admin::new(registry, Box::new(limits(Arc::clone(&store))));
        Ok(Self { config, listeners, addresses, store, control: control.ok(), collector, service, admin, connections })
    }

    /// What it listens on, by the names of the flags.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `stop` is cancelled; then drains and flushes within the grace period.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let grace = Duration::from_secs(self.config.shutdown_grace_seconds);
        // Before anything is served: who reads `ready` on stdout and asks at once must not be told otherwise.
        self.admin.set_ready();
        let mut parts = self.spawn_parts(&stop);
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = parts.join_next() => {
                ended.context("a listener failed")?;
                if !stop.is_cancelled() {
                    return Err(anyhow!("a listener ended by itself"));
                }
            }
        }
        self.admin.set_stopping();
        let started = Instant::now();
        let drain = async {
            while let Some(ended) = parts.join_next().await {
                if let Err(error) = ended {
                    tracing::warn!(%error, "a listener did not end well");
                }
            }
        };
        if tokio::time::timeout_at(started + grace * 3 / 4, drain).await.is_err() {
            tracing::warn!("requests are still open near the end of the grace period: cutting them off");
            parts.shutdown().await;
        }
        self.collector.report_rest();
        flush(self.store, started + grace).await;
        Ok(())
    }

    fn spawn_parts(&mut self, stop: &CancellationToken) -> JoinSet<()> {
        let mut parts = JoinSet::new();
        let Some(listeners) = self.listeners.take() else { return parts };
        if let Some(control) = self.control.take() {
            parts.spawn(control.serve(Arc::clone(&self.store), stop.clone()));
        }
        parts.spawn(Arc::clone(&self.collector).keep_reporting(stop.clone()));
        let tempo = tempo::router(Arc::clone(&self.service), self.admin.router());
        let (collector, store) = (Arc::clone(&self.collector), Arc::clone(&self.store));
        let notices = Arc::new(move || {
            let Room { refused, misfits } = store.room();
            Notices { refused, warnings: misfits, notices: collector.notices() }
        });
        let pages = hoptrail_ui::router(Arc::clone(&self.service), &self.config.ui, notices).merge(self.admin.router());
        let served = [
            ("otlp-grpc", Listener::OtlpGrpc, self.collector.grpc_router(), listeners.otlp_grpc),
            ("otlp-http", Listener::OtlpHttp, self.collector.router(), listeners.otlp_http),
            ("tempo", Listener::Queries, tempo, listeners.tempo),
            ("ui", Listener::Queries, pages, listeners.ui),
        ];
        let listen = &self.config.listen;
        let idle = Duration::from_secs(listen.idle_seconds.max(1));
        // A few connections can fill what may be in flight, and many do not hold much more.
        let window = (self.config.collector.max_in_flight_bytes / 32).clamp(128 << 10, 8 << 20) as u32;
        let bounds = Bounds { connections: listen.max_connections, idle, window };
        let [otlp_grpc, otlp_http, tempo, ui] = self.addresses.map(|(_, address)| address.port());
        let ports = Ports { otlp_grpc, otlp_http, tempo, ui };
        for (name, kind, router, listener) in served {
            let router = self.collector.behind_signpost(router, kind, ports);
            let end_of_input = if kind == Listener::Queries { EndOfInput::Leaves } else { EndOfInput::Awaits };
            let server = Server { name, end_of_input, router, listener };
            parts.spawn(server.run(bounds, self.connections.clone(), stop.clone()));
        }
        parts
    }
}

/// What of the store's disk belongs into `/ready`.
fn limits(store: Arc<Store>) -> impl Fn() -> Vec<String> {
    move || {
        let Room { refused, misfits } = store.room();
        refused.map(|reason| format!("spans are refused: {reason}")).into_iter().chain(misfits).collect()
    }
}

/// Closes the store on a thread of its own. What the log holds is safe also when the deadline comes first.
async fn flush(store: Arc<Store>, deadline: Instant) {
    let close = tokio::task::spawn_blocking(move || store.close());
    match tokio::time::timeout_at(deadline, close).await {
        Ok(Ok(())) => tracing::info!("store closed"),
        Ok(Err(error)) => tracing::error!(%error, "closing the store failed; its log is replayed at the next start"),
        Err(_) => {
            tracing::warn!("the grace period is over before the last flush; the log is replayed at the next start")
        }
    }
}

async fn bind(name: &str, address: &Address) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address.to_string()).await.map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => format!(
                "another program listens there, perhaps a second hoptrail or an OpenTelemetry Collector: stop it, or choose another address with --{name} HOST:PORT"
            ),
            ErrorKind::PermissionDenied => format!("ports below 1024 need privileges: choose another with --{name} HOST:PORT"),
            ErrorKind::AddrNotAvailable => format!("this machine has no such address: choose another with --{name} HOST:PORT"),
            _ => format!("choose another address with --{name} HOST:PORT"),
        };
        anyhow!("cannot listen on {address} for {name}: {error}; {advice}")
    })
}
