//! The pages over made-up traces, for work on the pages: `cargo run --example dev [ADDRESS [empty|many]]`, then open the address it
//! names. `/components` has every part that pages are made of.

mod days;
mod reader;
mod shop;

use std::sync::Arc;
use std::time::Duration;

use axum::response::Html;
use axum::routing::get;
use hoptrail_query::{Clock, Service, SystemClock};
use hoptrail_ui::{Attributes, Intake, Refused, Sources, Stored, System};
use prometheus_client::registry::Registry;
use reader::Shop;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:16686".to_owned());
    let mut shop = Shop::default();
    let now = SystemClock.now_unix_nano();
    let traces = match std::env::args().nth(2).as_deref() {
        Some("empty") => vec![],
        Some("many") => days::many(now),
        _ => days::with_incident(now, shop::traces(now)).into_iter().chain(days::earlier(now)).collect(),
    };
    for (number, trace) in traces.into_iter().enumerate() {
        if number < 6 {
            eprintln!("http://{address}/trace/{} {} spans", trace[0].span.trace_id, trace.len());
        }
        shop.add(trace).await?;
    }
    let mut registry = Registry::default();
    let service = Service::new(&hoptrail_query::Config::default(), Arc::new(shop), &mut registry);
    let router = hoptrail_ui::router(service, &hoptrail_ui::Config::default(), sources());
    let components = get(async || Html(hoptrail_ui::components()));
    let router = router.route("/components", components);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("http://{}/", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

/// A server that refuses a few spans.
fn sources() -> Sources {
    let refused = Refused {
        reason: "span without an id".to_owned(),
        service: "cart".to_owned(),
        address: "10.0.7.12".to_owned(),
        agent: "OTel-OTLP-Exporter-Java/1.49.0".to_owned(),
        requests: 14,
        spans: 212,
        example: "resource_spans[0].scope_spans[0].spans[3]: the span id is all zero".to_owned(),
    };
    let dropped =
        Refused { reason: "metrics".to_owned(), service: "frontend".to_owned(), requests: 1_204, ..Refused::default() };
    let stored = Stored {
        rollups: 3_600_000,
        spans: 48_211_904,
        bytes: 1_948_000_000,
        segments: 41,
        in_memory: 91_204,
        memory: 66_000_000,
        disk: Some((81_400_000_000, 5_000_000_000)),
        retention: Duration::from_secs(14 * 86_400),
        retention_bytes: 0,
    };
    let intake = Intake {
        spans: 48_303_108,
        repaired: 18,
        in_flight: 1_400_000,
        refused: vec![refused],
        dropped: vec![dropped],
    };
    let keys =
        [("span.db.query.text", 5_200_000), ("span.http.route", 310_000), ("event.exception.stacktrace", 90_000)];
    let keys = keys.map(|(key, bytes)| (key.to_owned(), bytes)).into();
    let attributes = Attributes { keys, bytes: 37_000_000, spans: 1_000_000 };
    let running = Duration::from_secs(190_000);
    let system = System { running, stored: Some(stored), intake: Some(intake), attributes };
    Sources { system: Arc::new(move || system.clone()), ..Sources::default() }
}
