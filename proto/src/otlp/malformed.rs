//! Requests of which nothing is kept.

use std::sync::Arc;

use super::wire::WireError;

/// A request that cannot be taken apart into spans: nothing of it is kept.
#[derive(Debug, Clone, thiserror::Error)]
#[error("malformed request: {path}: {reason}")]
pub struct MalformedRequest {
    /// The message where reading stopped, and the byte inside it where that is known.
    pub path: String,
    /// What is wrong there.
    #[source]
    pub reason: Malformation,
}

impl MalformedRequest {
    /// A request that is malformed at `path`.
    pub fn new(path: impl Into<String>, reason: impl Into<Malformation>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// What makes a request malformed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Malformation {
    /// The bytes are no protobuf message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The text is no JSON.
    #[error(transparent)]
    Json(Arc<serde_json::Error>),
    /// It is protobuf or JSON, but no such request.
    #[error("{0}")]
    Content(String),
}

impl From<serde_json::Error> for Malformation {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(Arc::new(error))
    }
}

impl From<String> for Malformation {
    fn from(text: String) -> Self {
        Self::Content(text)
    }
}
