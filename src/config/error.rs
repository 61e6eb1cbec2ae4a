//! What is wrong with the settings. Every text names the file and line, the variable or the flag, because the reader must find it.
//! Causes stand in the source, not in the text: print the whole chain.

use std::fmt;
use std::path::PathBuf;

/// A mistake in the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("{}:{line}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong.
        source: Box<YamlError>,
    },
    /// An environment variable or a flag sets a key that does not exist.
    #[error("{origin}: unknown setting {key:?}; `hoptrail config` prints every key{hint}")]
    UnknownKey {
        /// Name of the variable or of the flag.
        origin: String,
        /// The key.
        key: String,
        /// What the key is called now, where it has been renamed.
        hint: String,
    },
    /// A value is none of its key.
    #[error("{origin}: {text:?} does not fit")]
    Unfit {
        /// Name of the variable or of the flag.
        origin: String,
        /// The value.
        text: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A value is not possible, alone or beside the others.
    #[error("{origin}: {message}")]
    Value {
        /// The key, the variable or the flag.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// `log.level` has directives that are not understood.
    #[error("log.level")]
    LogLevel(#[from] tracing_subscriber::filter::ParseError),
}

/// What the YAML parser says, on one line and without the position, which the caller shows.
#[derive(Debug)]
pub struct YamlError {
    pub(super) parser: serde_saphyr::Error,
    /// The new names of keys in the file that have been renamed.
    pub(super) hints: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.parser.without_snippet().to_string();
        let first = text.lines().next().unwrap_or_default();
        write!(f, "{}{}", first.trim_start_matches("error: "), self.hints)
    }
}

impl std::error::Error for YamlError {}
