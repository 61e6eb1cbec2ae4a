//! What the HTTP APIs over [`Service`] have in common: what a request says, how it fails, and the forms of an answer.
//!
//! Nothing here is one product's own. Tempo's addresses, parameters and messages are in [`tempo`](crate::tempo).

mod ask;
mod error;
mod params;
mod respond;
mod slashes;

use std::sync::Arc;

use hoptrail_storage::Clock;

use crate::Service;

pub(crate) use ask::{Ask, Named};
pub(crate) use error::{ApiError, shown};
pub(crate) use params::Params;
pub(crate) use respond::{Format, json, llm, message, protobuf, truncated, warned};
pub(crate) use slashes::with_one_slash;

/// What every handler works with.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<dyn Clock>,
}
