//! How to send the first span.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::chrome::{Chrome, page};
use crate::context::Visit;

/// The way from nothing to a first trace.
#[derive(Debug, Template)]
#[template(path = "start.html")]
pub(crate) struct StartPage {
    chrome: Chrome,
    /// Whether the store has no spans, so that the page waits for them.
    empty: bool,
}

impl StartPage {
    pub(crate) fn empty_store() -> Self {
        Self { chrome: Chrome::new(), empty: true }
    }
}

/// `GET /help`.
pub(crate) async fn show(_: Visit) -> Response {
    page(StatusCode::OK, &StartPage { chrome: Chrome::new(), empty: false })
}
