//! The flags of commands that ask a server, and of commands that show what they found.

use std::time::Duration;

use clap::{Args, ValueEnum};
use hoptrail_demo::send::Header;
use hoptrail_proto::model::TENANT_HEADER;
use http::{HeaderName, HeaderValue};

use super::times::span;
use crate::client::{Address, Client, Failure};
use crate::terminal::Screen;

/// Which server to ask.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerFlags {
    /// Address of the Tempo API of hoptrail, or of Grafana Tempo; with http://NAME:PASSWORD@HOST for basic authentication
    #[arg(
        long,
        value_name = "URL",
        env = "HOPTRAIL_ADDRESS",
        hide_env_values = true,
        default_value = "http://127.0.0.1:3200"
    )]
    address: Address,
    /// The tenant to read from, where the server keeps several (X-Scope-OrgID)
    #[arg(long, env = "HOPTRAIL_TENANT")]
    tenant: Option<String>,
    /// Header to send with each request, for example Authorization="Bearer x"; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<Header>,
    /// Give up when an answer takes longer
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span)]
    timeout: Duration,
}

impl ServerFlags {
    /// A client of the server.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let tenant = self.tenant.as_ref().map(|tenant| {
            let value = HeaderValue::try_from(tenant);
            value.map_err(|_| Failure::Mistake(format!("--tenant {tenant:?} cannot be sent in a header")))
        });
        let name = HeaderName::try_from(TENANT_HEADER).map_err(|error| Failure::Mistake(error.to_string()))?;
        let mut headers: Vec<_> = tenant.transpose()?.map(|value| (name, value)).into_iter().collect();
        headers.extend(self.header.iter().map(Header::pair));
        Ok(Client::new(self.address.clone(), headers, self.timeout))
    }
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// The server's answer, as it is
    Json,
    /// An object of JSON on each line
    Ndjson,
    /// Comma-separated values
    Csv,
    /// A table of Markdown
    Md,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How to show what was found.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct ShowFlags {
    /// Form of the output
    #[arg(long, default_value = "table")]
    format: Format,
    /// Print the server's answer as it is: the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Colour,
    /// Columns to fill [default: as wide as the terminal; in a pipe nothing is cut]
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(20..))]
    width: Option<u16>,
}

impl ShowFlags {
    /// The form of the output.
    pub(super) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// Where it is shown.
    pub(super) fn screen(&self) -> Screen {
        let found = Screen::of_stdout();
        Screen {
            width: self.width.map(usize::from).or(found.width),
            colours: match self.color {
                Colour::Auto => found.colours,
                Colour::Always => true,
                Colour::Never => false,
            },
        }
    }
}
