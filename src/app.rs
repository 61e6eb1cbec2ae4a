//! Joins the crates to one program: binds, opens the store, serves, and on shutdown stops, drains and flushes.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hoptrail_collector::{Collector, Port};
use hoptrail_query::Service;
use hoptrail_storage::{Room, Store, SystemClock, Watch, clock};
use hoptrail_ui::{NoticeSource, Notices, Sources, Views};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::config::{Address, Config, hidden_spans};
use crate::control::Control;
use crate::endpoints::{Endpoint, Handlers};
use crate::prometheus::of_prometheus;
use crate::remote_write::Writers;
use crate::serve::{Bounds, Connections, Server};
use crate::{status, system};

/// Everything bound and open, not yet serving.
#[derive(Debug)]
pub struct App {
    config: Config,
    listeners: Vec<Listener>,
    store: Arc<Store>,
    control: Option<Control>,
    handlers: Handlers,
    connections: Connections,
    writers: Writers,
}

/// An endpoint that is bound.
#[derive(Debug)]
struct Listener {
    endpoint: &'static Endpoint,
    socket: TcpListener,
    /// Where it really listens.
    address: SocketAddr,
}

impl App {
    /// Binds every address, then opens the store. Nothing is left behind when one of them fails.
    /// `watch` hears of the store's steps.
    pub async fn start(config: Config, watch: Arc<dyn Watch>) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for (endpoint, address) in config.listen.endpoints() {
            listeners.push(Listener::bind(endpoint, address).await?);
        }
        let mut registry = Registry::default();
        let mut storage = config.storage.clone();
        storage.rollup_dimensions.clone_from(&config.metrics.dimensions);
        let store = Store::open_watched(&config.data, &storage, Arc::new(SystemClock), watch, &mut registry)
            .with_context(|| format!("cannot open the store in {}", config.data.display()))?;
        if let Some(warning) = hidden_spans(&config, &store.tenants()) {
            tracing::warn!("{warning}");
        }
        let control = Control::bind(&config.data).inspect_err(
            |error| tracing::warn!(%error, "cannot listen in the data folder; `hoptrail backup` will not work"),
        );
        let collector = Collector::new(&config.collector, store.clone(), &mut registry);
        let service = Service::new(&config.query, store.clone(), &mut registry);
        let (prometheus, writers) = of_prometheus(&config, &service, &mut registry)?;
        let connections = Connections::register(&mut registry);
        let of_store = Arc::clone(&store);
        let admin = Admin::new(registry, Arc::new(move || of_store.room()));
        let sources = Sources {
            notices: notices(Arc::clone(&store), Arc::clone(&collector)),
            system: system::source(Arc::clone(&store), Arc::clone(&collector), &config),
            views: Arc::new(Views::open(&config.data.join("views.json"))),
        };
        let status = status::router(&config);
        let handlers = Handlers { collector, service, admin, status, prometheus, ui: config.ui.clone(), sources };
        Ok(Self { config, listeners, store, control: control.ok(), handlers, connections, writers })
    }

    /// Each endpoint, and where it really listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<(&'static Endpoint, SocketAddr)> {
        self.listeners.iter().map(|listener| (listener.endpoint, listener.address)).collect()
    }

    /// Serves until `stop` is cancelled; then drains and flushes within the grace period.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let grace = self.config.shutdown_grace;
        // Before anything is served: a script that reads `ready` on stdout and asks at once must find it ready.
        self.handlers.admin.set_ready();
        let mut tasks = self.spawn_tasks(&stop);
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = tasks.join_next() => {
                ended.context("a listener failed")?;
                if !stop.is_cancelled() {
                    return Err(anyhow!("a listener ended by itself"));
                }
            }
        }
        self.handlers.admin.set_stopping();
        let started = Instant::from_std(clock::instant());
        let drain = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::warn!(%error, "a listener did not end well");
                }
            }
        };
        if tokio::time::timeout_at(started + grace * 3 / 4, drain).await.is_err() {
            tracing::warn!("requests are still open near the end of the grace period: cutting them off");
            tasks.shutdown().await;
        }
        self.handlers.collector.report_rest();
        flush(self.store, started + grace).await;
        Ok(())
    }

    fn spawn_tasks(&mut self, stop: &CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if let Some(control) = self.control.take() {
            tasks.spawn(control.serve(Arc::clone(&self.store), stop.clone()));
        }
        tasks.spawn(Arc::clone(&self.handlers.collector).keep_reporting(stop.clone()));
        std::mem::take(&mut self.writers).spawn(&mut tasks, stop);
        let bounds = self.bounds();
        let listeners = std::mem::take(&mut self.listeners);
        let ports: Arc<[Port]> = listeners.iter().map(Listener::port).collect();
        for listener in listeners {
            let here = listener.port();
            let Listener { endpoint, socket, .. } = listener;
            let router = (endpoint.router)(&self.handlers);
            let router = self.handlers.collector.behind_signpost(router, here, Arc::clone(&ports));
            let server =
                Server { name: endpoint.name, end_of_input: endpoint.end_of_input(), router, listener: socket };
            tasks.spawn(server.run(bounds, self.connections.clone(), stop.clone()));
        }
        tasks
    }

    fn bounds(&self) -> Bounds {
        let listen = &self.config.listen;
        // A few connections can fill what may be in flight, and many do not hold much more.
        let window = (self.config.collector.max_in_flight / 32).clamp(128 << 10, 8 << 20) as u32;
        let idle = listen.idle_timeout.max(Duration::from_secs(1));
        Bounds { connections: listen.max_connections, idle, window }
    }
}

/// What the web UI says to those who send.
fn notices(store: Arc<Store>, collector: Arc<Collector>) -> NoticeSource {
    Arc::new(move || {
        let Room { refused, misfits, .. } = store.room();
        Notices { refused, warnings: misfits, notices: collector.notices() }
    })
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

impl Listener {
    async fn bind(endpoint: &'static Endpoint, address: &Address) -> Result<Self, BindError> {
        let bound = TcpListener::bind(address.to_string()).await;
        let named = bound.and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) =
            named.map_err(|source| BindError { name: endpoint.name, address: address.clone(), source })?;
        Ok(Self { endpoint, socket, address })
    }

    fn port(&self) -> Port {
        self.endpoint.port(self.address)
    }
}

/// An address that cannot be listened on, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {name} ({}choose another address with --{name} HOST:PORT)", self.reason())]
struct BindError {
    name: &'static str,
    address: Address,
    source: io::Error,
}

impl BindError {
    fn reason(&self) -> &'static str {
        match self.source.kind() {
            ErrorKind::AddrInUse => {
                "another program listens there, perhaps a second hoptrail or an OpenTelemetry Collector: stop it, or "
            }
            ErrorKind::PermissionDenied => "ports below 1024 need privileges: ",
            ErrorKind::AddrNotAvailable => "this machine has no such address: ",
            _ => "",
        }
    }
}
