//! What surrounds every page, and turning templates into answers.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::assets;

/// What `base.html` needs.
#[derive(Debug, Clone)]
pub(crate) struct Chrome {
    pub(crate) css: String,
    /// The style sheet of pages of numbers.
    pub(crate) numbers_css: String,
    /// The style sheet of pages of one trace.
    pub(crate) trace_css: String,
    pub(crate) js: String,
    pub(crate) icon: String,
    pub(crate) version: &'static str,
    pub(crate) pages: [Link; 6],
}

/// A page that every page leads to.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    /// `page` when it is this one, `true` when this one is below it, else empty.
    pub(crate) current: &'static str,
}

/// Where a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Search,
    Services,
    /// Below the services.
    Service,
    Map,
    Exceptions,
    System,
    Help,
    Elsewhere,
}

impl Place {
    /// The page of the navigation, and how this place is on it.
    fn current(self) -> (&'static str, &'static str) {
        match self {
            Self::Search => ("/search", "page"),
            Self::Services => ("/services", "page"),
            Self::Service => ("/services", "true"),
            Self::Map => ("/dependencies", "page"),
            Self::Exceptions => ("/exceptions", "page"),
            Self::System => ("/system", "page"),
            Self::Help => ("/help", "page"),
            Self::Elsewhere => ("", ""),
        }
    }
}

/// The navigation.
const PAGES: [(&str, &str); 6] = [
    ("/search", "Search"),
    ("/services", "Services"),
    ("/dependencies", "Map"),
    ("/exceptions", "Exceptions"),
    ("/system", "System"),
    ("/help", "Send spans"),
];

impl Chrome {
    pub(crate) fn new() -> Self {
        Self::at(Place::Elsewhere)
    }

    pub(crate) fn at(place: Place) -> Self {
        let (here, how) = place.current();
        let link = |(href, label)| Link { href, label, current: if href == here { how } else { "" } };
        Self {
            css: assets::url("hoptrail.css"),
            numbers_css: assets::url("numbers.css"),
            trace_css: assets::url("trace.css"),
            js: assets::url("hoptrail.js"),
            icon: assets::url("icon.svg"),
            version: env!("CARGO_PKG_VERSION"),
            pages: PAGES.map(link),
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
