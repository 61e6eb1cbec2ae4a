//! Routes for operators: is it ready, is it alive, what does it measure. Merged into the routers for queries and the web UI.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hoptrail_storage::Room;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::version;

/// Says whether the store takes spans, and how much room its disk has.
pub type RoomSource = Arc<dyn Fn() -> Room + Send + Sync>;

/// Shared by the routes.
pub struct Admin {
    registry: Registry,
    ready: Arc<AtomicBool>,
    room: RoomSource,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl Admin {
    /// Serves the metrics in `registry`, to which it adds those of the process. `/ready` and the metrics show `room` as well.
    #[must_use]
    pub fn new(mut registry: Registry, room: RoomSource) -> Arc<Self> {
        let build = [
            ("version", version::VERSION.to_owned()),
            ("commit", version::COMMIT.to_owned()),
            ("build_date", version::build_date()),
        ];
        registry.register("hoptrail_build", "What the running binary was built from", Info::new(build.to_vec()));
        registry.register_collector(Box::new(ProcessMetrics));
        let ready = Arc::new(AtomicBool::new(false));
        let state = StateMetrics { ready: Arc::clone(&ready), room: Arc::clone(&room) };
        registry.register_collector(Box::new(state));
        Arc::new(Self { registry, ready, room })
    }

    /// Answers `/ready` with 200 from now on.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Answers `/ready` with 503 from now on, so that load balancers stop sending requests.
    pub fn set_stopping(&self) {
        self.ready.store(false, Ordering::Release);
    }

    /// `/ready`, `/health` and `/metrics`.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/ready", get(ready))
            .route("/health", get(|| async { "ok\n" }))
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(self))
    }
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    if admin.ready.load(Ordering::Acquire) {
        // Also while spans are refused: queries are answered, and senders learn it from their answers.
        let Room { refused, misfits, .. } = (admin.room)();
        let refused = refused.map(|reason| format!("spans are refused: {reason}"));
        let lines = std::iter::once("ready".to_owned()).chain(refused).chain(misfits);
        lines.map(|line| line + "\n").collect::<String>().into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "starting or stopping\n").into_response()
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What `/ready` says, as numbers.
struct StateMetrics {
    ready: Arc<AtomicBool>,
    room: RoomSource,
}

impl fmt::Debug for StateMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateMetrics").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl Collector for StateMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Room { refused, disk, .. } = (self.room)();
        let ready = self.ready.load(Ordering::Acquire);
        gauge(&mut encoder, "hoptrail_ready", "1 while /ready answers 200", Some(ready.into()))?;
        gauge(&mut encoder, "hoptrail_refusing", "1 while new spans are refused", Some(refused.is_some().into()))?;
        gauge(&mut encoder, "hoptrail_disk_free_bytes", "Free room on the disk", disk.map(|disk| disk.free))?;
        let least = disk.map(|disk| disk.least);
        gauge(&mut encoder, "hoptrail_disk_min_free_bytes", "With less room, spans are refused", least)
    }
}

/// Writes a number that is read at this moment; nothing when it is not known.
fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<u64>,
) -> Result<(), std::fmt::Error> {
    let Some(value) = value else { return Ok(()) };
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

/// What the kernel counts for this process, read at each scrape. Absent when there is no /proc.
#[derive(Debug)]
struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut gauge = |name, help, value| gauge(&mut encoder, name, help, value);
        gauge("process_resident_memory_bytes", "Memory in use", status_bytes("VmRSS:"))?;
        gauge("process_resident_memory_peak_bytes", "Most memory ever in use", status_bytes("VmHWM:"))?;
        gauge("process_open_fds", "Open file handles", open_files())?;
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "CPU time used, in user and kernel mode";
            counter.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

/// A `kB` line of /proc/self/status, in bytes.
fn status_bytes(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn open_files() -> Option<u64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

/// User and system time of /proc/self/stat; its unit, USER_HZ, is 100 on every Linux architecture in use.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11).map(|field| field.parse::<u64>().ok());
    let ticks = fields.next()?? + fields.next()??;
    Some(ticks as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use hoptrail_storage::DiskSpace;

    use super::*;

    #[test]
    fn the_process_counts_itself() {
        assert!(status_bytes("VmRSS:").expect("linux") > 1 << 20);
        assert!(status_bytes("VmHWM:").expect("linux") > 1 << 20);
        assert!(open_files().expect("linux") > 2);
        assert!(cpu_seconds().expect("linux") >= 0.0);
    }

    #[test]
    fn metrics_are_valid_open_metrics() {
        let disk = DiskSpace { free: 7, least: 5 };
        let room = move || Room { refused: Some("why".to_owned()), misfits: Vec::new(), disk: Some(disk) };
        let admin = Admin::new(Registry::default(), Arc::new(room));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &admin.registry).expect("encodes");
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("# TYPE process_resident_memory_bytes gauge\n"), "{text}");
        assert!(text.contains("hoptrail_build_info{version=\""), "{text}");
        assert!(text.contains("process_cpu_seconds_total "), "{text}");
        for number in ["ready 0", "refusing 1", "disk_free_bytes 7", "disk_min_free_bytes 5"] {
            assert!(text.contains(&format!("\nhoptrail_{number}\n")), "{number}: {text}");
        }
    }
}
