//! What is wrong with the settings. Every text names the place, because the reader must find it.

use std::path::PathBuf;

/// A mistake in the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("{}:{line}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// An environment variable or a flag says something that is not understood.
    #[error("{origin}: {message}")]
    Value {
        /// Name of the variable or of the flag.
        origin: String,
        /// What is wrong.
        message: String,
    },
}
