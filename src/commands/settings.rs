//! The flags that change settings: all of them for `serve` and `config`, the data folder for commands that work on it.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{self, Config, LogFormat, Sources};
use crate::endpoints::{ENDPOINTS, Endpoint};

/// Where settings come from. Flags win over `HOPTRAIL_*` variables, those over the file, the file over the defaults.
#[derive(Debug, Args)]
pub(super) struct SettingFlags {
    /// YAML file with settings; `hoptrail config` prints one
    #[arg(long, value_name = "FILE", env = "HOPTRAIL_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the trace store [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    #[command(flatten)]
    listen: ListenFlags,
    /// Log level: error, warn, info, debug, trace, or directives [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Form of log lines [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Set any key, for example --set query.timeout=60s; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// A flag for each row of the endpoint table, and the address that it was given.
#[derive(Debug, Clone, Default)]
struct ListenFlags(Vec<(&'static Endpoint, String)>);

impl Args for ListenFlags {
    fn augment_args(command: Command) -> Command {
        ENDPOINTS.iter().fold(command, |command, endpoint| {
            let Endpoint { name, serves, default_port, .. } = endpoint;
            let help = format!("Listen here for {serves} [default: 127.0.0.1:{default_port}]");
            command.arg(Arg::new(*name).long(*name).value_name("ADDR").help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ListenFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = ENDPOINTS.iter().filter_map(|endpoint| Some((endpoint, matches.get_one::<String>(endpoint.name)?)));
        Ok(Self(given.map(|(endpoint, address)| (endpoint, address.clone())).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
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
        for (endpoint, address) in &self.listen.0 {
            out.push((format!("--{}", endpoint.name), format!("listen.{}", endpoint.key), address.clone()));
        }
        let format = self.log_format.map(|format| if format == LogFormat::Json { "json" } else { "text" }.to_owned());
        let named = [
            ("--data", "data", &self.data),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &format),
        ];
        for (flag, key, value) in named {
            out.extend(value.iter().map(|value| (flag.to_owned(), key.to_owned(), value.clone())));
        }
        Ok(out)
    }
}
