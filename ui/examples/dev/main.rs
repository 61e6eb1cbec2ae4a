//! The pages over made-up traces, for work on the pages: `cargo run --example dev [ADDRESS [empty|many]]`, then open the address it names.

mod days;
mod reader;
mod shop;

use std::sync::Arc;

use hoptrail_query::{Clock, Service, SystemClock};
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
    let router = hoptrail_ui::router(service, &hoptrail_ui::Config::default(), hoptrail_ui::Sources::default());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("http://{}/", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}
