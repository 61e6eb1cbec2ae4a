//! How to send the first span.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::chrome::{Chrome, Place, page};
use crate::context::{Notices, Visit};

/// The way from nothing to a first trace.
#[derive(Debug, Template)]
#[template(path = "start.html")]
pub(crate) struct StartPage {
    chrome: Chrome,
    /// Whether the store has no spans, so that the page waits for them.
    empty: bool,
    /// What the reader should know of what arrives.
    notices: Notices,
}

impl StartPage {
    pub(crate) fn empty_store(visit: &Visit) -> Self {
        Self { chrome: Chrome::new(), empty: true, notices: (visit.app.notices)() }
    }
}

/// `GET /help`.
pub(crate) async fn show(visit: Visit) -> Response {
    let notices = (visit.app.notices)();
    page(StatusCode::OK, &StartPage { chrome: Chrome::at(Place::Help), empty: false, notices })
}
