//! The binary under real clients: unmodified OpenTelemetry SDKs, a browser, load, and kill -9.
//!
//! `scripts/setup-clients.sh` installs the clients. A test whose client is missing says so and passes, except with `CI=true`.

mod api;
mod clients;
mod compat;
pub(crate) mod export;
mod h2;
mod json;
mod repeated;
mod settings;
mod spans;

mod browser;
mod capture;
mod care;
mod content;
mod explain;
mod journey;
mod journeys;
mod life;
mod listeners;
mod matrix;
mod numbers;
mod prometheus;
mod streaming;
mod torture;
mod trace;
