//! Serves a router on a listener until it is stopped. What clients may hold is bounded: the number of connections is, and a
//! connection on which nothing is asked is closed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::input::{EndOfInput, Input};

/// A client that has not sent a whole head by then is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often connections whose peer is gone are found.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// After a failed accept (out of file handles) the others get time to finish.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Large frames let a batch arrive in one piece; with large windows they save, measured, a third of the transport's CPU.
const FRAME: u32 = 1 << 20;

/// What the clients of a listener may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections open at once; the next one is closed at once.
    pub connections: usize,
    /// A connection on which nothing is asked for so long is closed after its open requests.
    pub idle: Duration,
    /// Bytes that may be on their way on an HTTP/2 connection, and lie in memory until somebody takes them; half of it for a request.
    pub window: u32,
}

/// A router and where it is served.
#[derive(Debug)]
pub struct Server {
    /// The listener's name in logs and metrics.
    pub name: &'static str,
    /// What the end of a client's bytes means.
    pub end_of_input: EndOfInput,
    /// What answers.
    pub router: Router,
    /// Where it is served.
    pub listener: TcpListener,
}

/// Connections by listener.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    open: Family<ByListener, Gauge>,
    refused: Family<ByListener, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByListener {
    listener: &'static str,
}

impl Connections {
    /// Counts in `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let Self { open, refused } = Self::default();
        registry.register("hoptrail_connections", "Connections open, by listener", open.clone());
        registry.register(
            "hoptrail_connections_refused",
            "Connections closed at once because too many were open, by listener",
            refused.clone(),
        );
        Self { open, refused }
    }
}

impl Server {
    /// Serves until `stop` is cancelled, then lets open requests finish and returns.
    ///
    /// Dropping the future cuts off what is still open.
    pub async fn run(self, bounds: Bounds, connections: Connections, stop: CancellationToken) {
        let Self { name, end_of_input, router, listener } = self;
        let label = ByListener { listener: name };
        let open = connections.open.get_or_create_owned(&label);
        let refused = connections.refused.get_or_create_owned(&label);
        let (tasks, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(bounds.connections)));
        let cut = CancellationToken::new();
        let _cut_when_dropped = cut.clone().drop_guard();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, listener = name, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                if refused.inc() == 0 {
                    let most = bounds.connections;
                    tracing::warn!(
                        listener = name,
                        most,
                        "connections are closed at once: too many (listen.max_connections)"
                    );
                }
                continue;
            };
            open.inc();
            let (open, cut) = (open.clone(), cut.clone());
            _ = stream.set_nodelay(true);
            let client = (Input::new(stream, end_of_input), peer);
            let builder = builder(end_of_input, bounds);
            let connection = connection(client, builder, router.clone(), bounds.idle, stop.clone());
            tasks.spawn(async move {
                _ = cut.run_until_cancelled(connection).await;
                open.dec();
                drop(slot);
            });
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }
}

async fn connection(
    (input, peer): (Input<TcpStream>, SocketAddr),
    builder: Builder<TokioExecutor>,
    router: Router,
    idle: Duration,
    stop: CancellationToken,
) {
    let asked = Arc::new(AtomicU64::new(0));
    let service = hyper::service::service_fn({
        let asked = Arc::clone(&asked);
        move |request| {
            asked.fetch_add(1, Ordering::Relaxed);
            answer(router.clone(), peer, request)
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(input), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = falls_idle(&asked, idle) => {
            connection.as_mut().graceful_shutdown();
            // A client that then does not take an answer either is cut off.
            tokio::time::timeout(idle, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

/// HTTP/1.1 and HTTP/2 (h2c).
fn builder(end_of_input: EndOfInput, bounds: Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT.min(bounds.idle))
        .half_close(end_of_input == EndOfInput::Awaits);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .initial_stream_window_size(bounds.window / 2)
        .initial_connection_window_size(bounds.window)
        .max_frame_size(FRAME.min(bounds.window / 2));
    builder
}

async fn answer(
    mut router: Router,
    peer: SocketAddr,
    mut request: hyper::Request<hyper::body::Incoming>,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    router.call(request).await
}

/// Returns when nothing was asked for that long. A client that has never asked anything gets the time of a head.
async fn falls_idle(asked: &AtomicU64, idle: Duration) {
    let mut before = 0;
    let mut timeout = HEAD_TIMEOUT.min(idle);
    loop {
        tokio::time::sleep(timeout).await;
        let now = asked.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        (before, timeout) = (now, idle);
    }
}
