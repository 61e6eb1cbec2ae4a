//! Settings: flags before environment before file before defaults.
//!
//! [`load`] layers them, [`to_yaml`] prints them with a comment for each key. The comments come from `docs/configuration.md`.

mod address;
mod check;
mod docs;
mod error;
mod listen;
mod load;
mod print;
mod renamed;

use std::path::PathBuf;
use std::time::Duration;

use hoptrail_proto::model::Tenancy;
use hoptrail_proto::units;
use serde::{Deserialize, Serialize};

use crate::remote_write::Target;

pub use address::Address;
pub use check::{hidden_spans, warnings};
pub use docs::{KeyDoc, keys};
pub use error::{Error, YamlError};
pub use listen::Listen;
pub use load::{Sources, environment_name, load};
pub use print::{to_yaml, to_yaml_changed};

/// Every setting of `hoptrail serve`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of the store.
    pub data: PathBuf,
    /// Time that open requests and the last flush have after SIGTERM.
    #[serde(with = "units::duration")]
    pub shutdown_grace: Duration,
    /// Where it listens.
    pub listen: Listen,
    /// Whether there are tenants.
    pub tenancy: Tenants,
    /// What it logs.
    pub log: Log,
    /// Taking spans in.
    pub collector: hoptrail_collector::Config,
    /// Keeping them.
    pub storage: hoptrail_storage::Config,
    /// Answering queries.
    pub query: hoptrail_query::Config,
    /// Span metrics for Prometheus.
    pub metrics: hoptrail_query::prom::export::Config,
    /// Receivers of span metrics.
    pub remote_write: Vec<Target>,
    /// The web UI.
    pub ui: hoptrail_ui::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./data"),
            shutdown_grace: Duration::from_secs(10),
            listen: Listen::default(),
            tenancy: Tenants::default(),
            log: Log::default(),
            collector: hoptrail_collector::Config::default(),
            storage: hoptrail_storage::Config::default(),
            query: hoptrail_query::Config::default(),
            metrics: hoptrail_query::prom::export::Config::default(),
            remote_write: Vec::new(),
            ui: hoptrail_ui::Config::default(),
        }
    }
}

/// Whether there are tenants: the section `tenancy`. Collector and queries get the mode from here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tenants {
    /// One tenant, or many.
    pub mode: Tenancy,
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
