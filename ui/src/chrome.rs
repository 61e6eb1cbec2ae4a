//! What surrounds every page, and turning templates into answers.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::assets;

/// What `base.html` needs.
#[derive(Debug, Clone)]
pub(crate) struct Chrome {
    pub(crate) css: String,
    pub(crate) js: String,
    pub(crate) icon: String,
    pub(crate) version: &'static str,
}

impl Chrome {
    pub(crate) fn new() -> Self {
        Self {
            css: assets::url("hoptrail.css"),
            js: assets::url("hoptrail.js"),
            icon: assets::url("icon.svg"),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The template as a page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "internal error: the page could not be rendered").into_response()
        }
    }
}
