//! The benchmark behind every performance figure of hoptrail: drives the real binary over real sockets, reads what it cost from the
//! kernel, and checks every answer, so that a wrong one fails the bench.
//!
//! A library so that the tests can run a short form of it.

mod account;
mod http;
mod ingest;
mod progress;
mod queries;
mod report;
mod run;
mod server;
mod shape;
mod spool;
mod truth;
mod unit;

pub use report::Report;
pub use run::{Options, run};
pub use server::sibling;
