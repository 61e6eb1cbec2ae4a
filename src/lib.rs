//! The program hoptrail: joins the collector, the store, the queries and the pages into one process.
//!
//! A library only so that the tests and the bench can use its parts; nothing here is a promise to other programs.

#![allow(clippy::disallowed_methods, reason = "not every one asks the clock yet")]

pub mod admin;
pub mod app;
pub mod commands;
pub mod config;
pub mod control;
pub mod copy;
pub mod input;
#[cfg(test_hooks)]
pub mod kill_at;
pub mod machine;
pub mod output;
pub mod progress;
pub mod serve;
pub mod telemetry;
pub mod version;
