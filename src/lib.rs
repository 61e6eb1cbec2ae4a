//! The program hoptrail: joins the collector, the store, the queries and the web UI into one process.
//!
//! It is a library only so that tests and bench can use its modules. Nothing here is a promise to other programs.

pub mod admin;
pub mod app;
pub mod client;
pub mod commands;
pub mod config;
pub mod control;
pub mod copy;
pub mod endpoints;
pub mod input;
#[cfg(test_hooks)]
pub mod kill_at;
pub mod machine;
pub mod output;
pub mod progress;
pub mod prometheus;
pub mod remote_write;
pub mod serve;
pub mod status;
mod system;
pub mod telemetry;
pub mod terminal;
pub mod version;
