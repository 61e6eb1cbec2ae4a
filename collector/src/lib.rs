//! OTLP in: receives spans over gRPC and HTTP, checks them, and hands them to the store before it answers.
//!
//! What is accepted, refused and repaired, and every code of every answer, stands in `docs/otlp.md`. This crate keeps no span:
//! an answer of success means that the [`SpanWriter`](hoptrail_storage::SpanWriter) has said that the spans are durable.

mod admission;
mod collector;
mod compression;
mod config;
mod error;
mod format;
mod grpc;
mod http;
mod intake;
mod log;
mod metrics;
mod origins;
mod other;
mod otlp;
mod reports;
mod sender;
mod signpost;
mod target;
mod totals;

pub use collector::Collector;
pub use config::{Config, OtherSignals};
pub use metrics::Transport;
pub use signpost::{Audience, Port};
pub use totals::{Tallied, Totals};

#[cfg(test)]
mod tests;
