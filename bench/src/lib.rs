//! The benchmark behind every performance figure of hoptrail: drives the real binary over real sockets, reads what it cost from the
//! kernel, and checks every answer, so that a wrong one fails the bench.
//!
//! A library so that the tests can run a short form of it.

#![expect(clippy::disallowed_methods, reason = "a bench measures time, and needs none that can be set")]

mod account;
mod all;
mod chart;
mod cold;
mod crash;
mod dashboards;
mod growth;
mod half_full;
mod http;
mod ingest;
#[cfg(test)]
mod late_calls;
mod pages;
mod progress;
mod queries;
mod report;
mod run;
mod series;
mod server;
mod shape;
mod side_by_side;
mod spool;
mod transport;
mod truth;
mod unit;

pub use all::all;
pub use growth::{Growth, growth};
pub use report::{Matrix, Report};
pub use run::{Options, run};
pub use server::sibling;
pub use shape::Kind;
pub use transport::Transport;

/// Requests of this kind of data for the benches of parts: always the same bytes.
#[doc(hidden)]
#[must_use]
pub fn requests(kind: Kind, spans: u64) -> Vec<Vec<u8>> {
    let shape = shape::Shape { kind, seed: 1, spans, end_unix_nano: 1_800_000_000_000_000_000 };
    let mut batches = shape::Batches::new(shape, 512);
    let (mut made, mut requests) = (0, Vec::new());
    for trace in shape.traces_from(0) {
        if made >= spans {
            break;
        }
        made += trace.spans.len() as u64;
        requests.extend(batches.add(trace));
    }
    requests.extend(batches.finish());
    requests.into_iter().map(|batch| batch.body).collect()
}
