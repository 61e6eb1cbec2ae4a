//! The shop on other days, what happens to it today, and a much larger shop.

use std::sync::Arc;

use hoptrail_proto::model::{Attribute, SpanKind, Status, StatusCode, TraceSpan};

use super::shop::{Maker, Random, browse, checkout};

const MINUTE: u64 = 60_000_000_000;
const DAY: u64 = 1_440 * MINUTE;
/// When the new version of payment came, before now.
const RELEASE: u64 = 22 * MINUTE;
/// Services of the larger shop, and the layers in which they call each other.
const SERVICES: u64 = 200;
const LAYERS: u64 = 7;

/// The same hour yesterday and a week ago.
pub(crate) fn earlier(now: u64) -> Vec<Vec<TraceSpan>> {
    let mut random = Random(11);
    let mut all = Vec::new();
    for (days, many) in [(1, 200), (7, 150)] {
        for number in 0..many {
            let start = now - days * DAY - random.below(58) * MINUTE;
            let number = days * 10_000 + number;
            all.push(if number % 4 == 0 { checkout(start, number) } else { browse(start, number, &mut random) });
        }
    }
    all
}

/// Since the release, payment is slow and often fails.
pub(crate) fn with_incident(now: u64, mut traces: Vec<Vec<TraceSpan>>) -> Vec<Vec<TraceSpan>> {
    for (number, trace) in traces.iter_mut().enumerate() {
        let is_new = trace.iter().any(|span| span.span.start_unix_nano > now - RELEASE) && number % 5 > 0;
        for span in trace.iter_mut().filter(|span| is_new && span.resource.service_name() == "payment") {
            let mut resource = (*span.resource).clone();
            resource.attributes.retain(|attribute| attribute.key != "service.version");
            resource.attributes.push(Attribute::new("service.version", "1.15.0"));
            span.resource = Arc::new(resource);
            span.span.end_unix_nano += span.span.end_unix_nano - span.span.start_unix_nano;
            if number % 3 == 0 {
                span.span.status = Status { code: StatusCode::Error, message: "mainframe does not answer".into() };
            }
        }
    }
    traces
}

/// A shop of 200 services.
pub(crate) fn many(now: u64) -> Vec<Vec<TraceSpan>> {
    let mut random = Random(5);
    (0..900).map(|number| large(now - random.below(55) * MINUTE, number, &mut random)).collect()
}

/// A request that goes down the layers.
fn large(start: u64, number: u64, random: &mut Random) -> Vec<TraceSpan> {
    let mut maker = Maker::new(50_000 + number, start);
    let root = maker.span(None, &service(0, random.below(4)), "GET /", SpanKind::Server, 0, 90_000);
    let mut parents = vec![(root, 0)];
    for layer in 1..LAYERS {
        let mut next = Vec::new();
        for (parent, place) in parents.iter().take(5) {
            for _ in 0..=random.below(3) {
                let target = (place * 3 + random.below(5)) % per_layer(layer);
                let (from, to) = (layer * 2_000, 90_000 - layer * 5_000 - random.below(3_000));
                let call = maker.span(Some(*parent), &service(layer - 1, *place), "call", SpanKind::Client, from, to);
                let callee = service(layer, target);
                let served = maker.span(Some(call), &callee, "serve", SpanKind::Server, from + 500, to - 500);
                if target % 17 == 3 && random.below(4) == 0 {
                    maker.fail("too slow");
                }
                next.push((served, target));
            }
        }
        parents = next;
    }
    if let Some((last, place)) = parents.first() {
        maker.span(Some(*last), &service(LAYERS - 1, *place), "SELECT", SpanKind::Client, 20_000, 40_000);
        maker.with(&[("db.system.name", "postgresql".into()), ("db.namespace", format!("db-{}", place % 9).into())]);
    }
    maker.spans
}

fn per_layer(layer: u64) -> u64 {
    if layer == 0 { 4 } else { (SERVICES - 4) / (LAYERS - 1) }
}

fn service(layer: u64, place: u64) -> String {
    let areas = ["edge", "gateway", "orders", "catalog", "pricing", "warehouse", "ledger"];
    format!("{}-service-{place}", areas[layer as usize])
}
