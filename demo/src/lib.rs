//! An imaginary shop that sends traces: for first impressions, screenshots, tests and load.
//!
//! Three parts, each usable without the others:
//! - [`Shop`] makes traces. It is pure: no clock, no network, and the same seed makes the same traces. Nineteen services on Kubernetes
//!   report spans; databases, partners and an ERP of the nineties do not.
//! - [`send`] is an OTLP exporter over gRPC and HTTP. It sends encoded requests, so the bench measures with it as well.
//! - [`Runner`] lets the shop's time run with the clock and sends what the shop makes.

mod runner;
pub mod send;
mod shop;

pub use runner::{Clock, Progress, Runner};
pub use shop::{Incident, Shop, incidents};
