//! Settings: flags before environment before file before defaults.
//!
//! [`load`] layers them, [`to_yaml`] prints them with a comment for each key. What a key means stands in
//! `docs/configuration.md` alone; the printed comments come from there.

mod address;
mod check;
mod docs;
mod error;
mod load;
mod print;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use address::Address;
pub use check::{doubts, out_of_reach};
pub use docs::{KeyDoc, keys};
pub use error::Error;
pub use load::{Sources, environment_name, load};
pub use print::to_yaml;

/// Every setting of `hoptrail serve`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the store.
    pub data: PathBuf,
    /// Seconds that open requests and the last flush have after SIGTERM.
    pub shutdown_grace_seconds: u64,
    /// Where it listens.
    pub listen: Listen,
    /// What it logs.
    pub log: Log,
    /// Taking spans in.
    pub collector: hoptrail_collector::Config,
    /// Keeping them.
    pub storage: hoptrail_storage::Config,
    /// Answering queries.
    pub query: hoptrail_query::Config,
    /// The pages.
    pub ui: hoptrail_ui::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./data"),
            shutdown_grace_seconds: 10,
            listen: Listen::default(),
            log: Log::default(),
            collector: hoptrail_collector::Config::default(),
            storage: hoptrail_storage::Config::default(),
            query: hoptrail_query::Config::default(),
            ui: hoptrail_ui::Config::default(),
        }
    }
}

/// Addresses to listen on. Port 0 takes any free port.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// OTLP over gRPC.
    pub otlp_grpc: Address,
    /// OTLP over HTTP.
    pub otlp_http: Address,
    /// Tempo API.
    pub tempo: Address,
    /// Pages.
    pub ui: Address,
    /// Most connections open at once on each of them; one more is closed at once.
    pub max_connections: usize,
    /// Seconds after which a connection on which nothing is asked is closed.
    pub idle_seconds: u64,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            otlp_grpc: Address::loopback(4317),
            otlp_http: Address::loopback(4318),
            tempo: Address::loopback(3200),
            ui: Address::loopback(16686),
            max_connections: 1024,
            idle_seconds: 300,
        }
    }
}

/// What is logged, to stderr.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A level, or tracing-subscriber's directives, for example `info,hoptrail_storage=debug`.
    pub level: String,
    /// Form of a line.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
