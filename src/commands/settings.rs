//! The flags that change settings: all of them for `serve` and `config`, the data folder for commands that care for it.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Config, LogFormat, Sources};

/// Where settings come from. Flags win over `HOPTRAIL_*` variables, those over the file, the file over the defaults.
#[derive(Debug, Args)]
pub(super) struct SettingFlags {
    /// YAML file with settings; `hoptrail config` prints one
    #[arg(long, value_name = "FILE", env = "HOPTRAIL_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the trace store [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Listen here for OTLP over gRPC [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR")]
    otlp_grpc: Option<String>,
    /// Listen here for OTLP over HTTP [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDR")]
    otlp_http: Option<String>,
    /// Listen here for the Tempo API that Grafana asks [default: 127.0.0.1:3200]
    #[arg(long, value_name = "ADDR")]
    tempo: Option<String>,
    /// Listen here for the pages [default: 127.0.0.1:16686]
    #[arg(long, value_name = "ADDR")]
    ui: Option<String>,
    /// Log level: error, warn, info, debug, trace, or directives [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Form of log lines [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Set any key, for example --set query.timeout_seconds=60; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Where the data folder is.
#[derive(Debug, Args)]
pub(super) struct DataFlags {
    /// YAML file with settings
    #[arg(long, value_name = "FILE", env = "HOPTRAIL_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the trace store [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

impl DataFlags {
    /// The data folder of the effective settings.
    pub(super) fn folder(&self) -> Result<PathBuf, config::Error> {
        let flags = self.data.iter().map(|value| ("--data".to_owned(), "data".to_owned(), value.clone())).collect();
        let sources = Sources { file: self.config.clone(), environment: std::env::vars_os().collect(), flags };
        Ok(config::load(&sources)?.0.data)
    }

    /// The same, when it is there.
    pub(super) fn existing(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder()?;
        anyhow::ensure!(folder.is_dir(), "there is no data folder {}: name it with --data DIR", folder.display());
        Ok(folder)
    }
}

impl SettingFlags {
    /// The effective settings, and the `HOPTRAIL_*` variables that set nothing.
    pub(super) fn load(&self) -> Result<(Config, Vec<String>), config::Error> {
        let environment = std::env::vars_os().collect();
        config::load(&Sources { file: self.config.clone(), environment, flags: self.overrides()? })
    }

    fn overrides(&self) -> Result<Vec<(String, String, String)>, config::Error> {
        let mut out = Vec::new();
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                let message = format!("{pair:?} is not KEY=VALUE");
                return Err(config::Error::Value { origin: "--set".to_owned(), message });
            };
            out.push(("--set".to_owned(), key.trim().to_owned(), value.to_owned()));
        }
        let format = self.log_format.map(|format| if format == LogFormat::Json { "json" } else { "text" }.to_owned());
        let named = [
            ("--data", "data", &self.data),
            ("--otlp-grpc", "listen.otlp_grpc", &self.otlp_grpc),
            ("--otlp-http", "listen.otlp_http", &self.otlp_http),
            ("--tempo", "listen.tempo", &self.tempo),
            ("--ui", "listen.ui", &self.ui),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &format),
        ];
        for (flag, key, value) in named {
            out.extend(value.iter().map(|value| (flag.to_owned(), key.to_owned(), value.clone())));
        }
        Ok(out)
    }
}
