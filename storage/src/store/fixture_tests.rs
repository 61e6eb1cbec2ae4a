//! `fixtures/` has a data folder of each format version, and each must open for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hoptrail_proto::model::{
    AnyValue, Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status,
    StatusCode, TenantId, TraceId, TraceSpan,
};
use prometheus_client::registry::Registry;

use super::tests::copy_folder;
use super::{Config, Store};
use crate::conformance::write;
use crate::{FakeClock, QueryContext, TraceReader};

const NOW: u64 = 1_700_000_000_000_000_000;
/// Traces in the segment; one more is in the log.
const SEALED: u64 = 150;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1")
}

fn open(folder: &Path) -> Arc<Store> {
    let config = Config { cache_size: 8 << 20, retention: Duration::ZERO, ..Config::default() };
    Store::open(folder, &config, Arc::new(FakeClock::at(NOW)), &mut Registry::default()).expect("opens")
}

fn tenants() -> [TenantId; 2] {
    [TenantId::single(), TenantId::new("team-b").expect("a tenant")]
}

fn id(trace: u64) -> TraceId {
    TraceId((u128::from(trace + 1) * 0x0123_4567_89ab_cdef_0f1e_2d3c).to_be_bytes())
}

/// A value of each type.
fn attributes(number: u64) -> Vec<Attribute> {
    let list = vec![Attribute::new("depth", 1i64), Attribute::new("kind", "inner")];
    vec![
        Attribute::new("http.route", format!("/users/{}/cart", number * 7919 % 1000)),
        Attribute::new("request.id", format!("{number:08x}-0000-4000-8000-{:012x}", number * 77)),
        Attribute::new("retries", number as i64 - 100),
        Attribute::new("ratio", number as f64 / 8.0),
        Attribute::new("cached", number.is_multiple_of(3)),
        Attribute::new("nothing", AnyValue::Empty),
        Attribute::new("raw", AnyValue::Bytes(vec![0xff, number as u8])),
        Attribute::new("parts", AnyValue::Array(vec![1i64.into(), "two".into()])),
        Attribute::new("inner", AnyValue::KvList(list)),
        Attribute::new("cached", true),
    ]
}

/// Four spans: a root, a child, a child of an unknown span, and one that ends before it starts.
fn trace(tenant: usize, trace: u64) -> Vec<TraceSpan> {
    let resource = Resource {
        attributes: vec![Attribute::new("service.name", format!("shop-{tenant}"))],
        schema_url: "https://opentelemetry.io/schemas/1.26.0".to_owned(),
        ..Resource::default()
    };
    let scope =
        InstrumentationScope { name: "lib".to_owned(), version: "1.0".to_owned(), ..InstrumentationScope::default() };
    let (resource, scope) = (Arc::new(resource), Arc::new(scope));
    let start = NOW + trace * 1_000_000;
    let span = |number: u64| {
        let event = SpanEvent {
            time_unix_nano: start + 5,
            name: "exception".to_owned(),
            attributes: vec![Attribute::new("exception.message", format!("no item {trace}"))],
            dropped_attributes_count: 1,
        };
        let link = SpanLink { trace_id: id(trace + 1), span_id: SpanId([9; 8]), flags: 1, ..SpanLink::default() };
        let has = |only: u64| usize::from(number == only);
        let span = Span {
            trace_id: id(trace),
            span_id: SpanId((trace * 16 + number + 1).to_be_bytes()),
            parent_span_id: [None, Some(trace * 16 + 1), Some(u64::MAX), Some(trace * 16 + 2)][number as usize]
                .map(|parent| SpanId(parent.to_be_bytes())),
            trace_state: "a=b".repeat(has(1)),
            flags: 1,
            name: ["GET /users", "SELECT", "charge", "flush"][number as usize].to_owned(),
            kind: SpanKind::from_otlp(number as i32 + 1),
            start_unix_nano: start + number * 1000,
            end_unix_nano: if number == 3 { start } else { start + 500_000 + trace },
            attributes: attributes(trace * 4 + number),
            dropped_attributes_count: has(2) as u32,
            events: vec![event; has(2)],
            links: vec![link; has(3)],
            status: Status { code: StatusCode::from_otlp(has(2) as i32 * 2), message: "failed".repeat(has(2)) },
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::clone(&resource), scope: Arc::clone(&scope) }
    };
    (0..4).map(span).collect()
}

#[test]
fn a_folder_of_format_version_1_opens_and_holds_its_spans() {
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(&folder(), copy.path());
    let store = open(copy.path());
    let sizes = store.sizes();
    assert_eq!((sizes.segments, sizes.segment_spans, sizes.head_spans), (2, SEALED * 8, 8));
    for round in ["as found", "sealed again"] {
        for (number, tenant) in tenants().iter().enumerate() {
            for at in 0..=SEALED {
                let found = store.trace(tenant, id(at), &QueryContext::unbounded()).expect("an answer");
                let mut spans = found.map(|trace| trace.spans).unwrap_or_default();
                spans.sort_by_key(|span| span.span.start_unix_nano);
                assert_eq!(spans, trace(number, at), "{round}: trace {at} of {tenant}");
            }
        }
        store.settle().expect("settled");
    }
}

#[test]
#[ignore = "makes the fixture again; see fixtures/README.md"]
fn write_the_fixture() {
    let folder = folder();
    let _ = std::fs::remove_dir_all(&folder);
    let store = open(&folder);
    for (number, tenant) in tenants().iter().enumerate() {
        (0..SEALED).for_each(|at| write(&*store, tenant, &trace(number, at)));
    }
    store.settle().expect("settled");
    for (number, tenant) in tenants().iter().enumerate() {
        write(&*store, tenant, &trace(number, SEALED));
    }
    drop(store);
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        // RocksDB needs none of these to open; they say where and when the folder was made.
        if name.starts_with("LOG") || name.starts_with("LOCK") || name.starts_with("OPTIONS") || name == "IDENTITY" {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
}
