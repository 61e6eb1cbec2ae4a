//! The page that says why there is no page.

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hoptrail_proto::model::NoTenant;

use crate::chrome::{Chrome, page};
use crate::error::PageError;
use crate::filters;
use crate::format::sentence;

/// What happened and what to do about it.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    chrome: Chrome,
    status: u16,
    title: &'static str,
    text: String,
    advice: Vec<&'static str>,
}

impl ErrorPage {
    pub(crate) fn new(error: &PageError) -> Self {
        let (title, advice) = say(error);
        Self {
            chrome: Chrome::new(),
            status: error.status().as_u16(),
            title,
            text: sentence(&error.to_string()),
            advice: advice.to_vec(),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.log();
        let mut response = page(self.status(), &ErrorPage::new(&self));
        if matches!(self, Self::Busy | Self::Cancelled) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if matches!(self, Self::WrongMethod) {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

fn say(error: &PageError) -> (&'static str, &'static [&'static str]) {
    match error {
        PageError::NoSuchPage(_) => ("No such page", &["Check the address, or start from the search."]),
        PageError::WrongMethod => ("Wrong method", &["Open the address in a browser, or send GET."]),
        PageError::BadTraceId { .. } => (
            "Not a trace ID",
            &[
                "A trace ID has 32 hex digits, for example 4bf92f3577b34da6a3ce929d0e0e4736. Leading zeros may be left out.",
                "Its first 8 digits or more will do. So will base64, a UUID, a traceparent or b3 header, a log line, or an address with one of these.",
                "Copy it from a log line (trace_id), from the traceparent header (its second part), or from the search.",
            ],
        ),
        PageError::UnknownTrace(..) => (
            "Trace not found",
            &[
                "It may still be on its way: SDKs send in batches, usually within 5 seconds. Reload in a moment.",
                "It may not have been sampled: look for a sampler in the SDK or Collector (OTEL_TRACES_SAMPLER).",
                "It may be past the retention time, or belong to another tenant.",
                "Check that all digits were copied.",
                "A trace from a file can be opened on the page /file, for an hour.",
            ],
        ),
        PageError::NoTenant(NoTenant::Missing) => (
            "No tenant",
            &["This server keeps tenants apart: the proxy in front of it must send the header X-Scope-OrgID."],
        ),
        PageError::BadPath(_) | PageError::BadParameter(_) | PageError::NoTenant(_) => {
            ("The request cannot be understood", &["Change what is named above and try again."])
        }
        PageError::Foreign => ("Not from here", &["Open the page on this server and send the form from there."]),
        PageError::Views(_) => (
            "Views cannot be kept",
            &["Nothing is wrong with your request. The server’s log says what is wrong with the file views.json."],
        ),
        PageError::Busy => (
            "Too busy right now",
            &[
                "Other queries fill the server. Try again in a few seconds.",
                "If this happens often, raise query.concurrency or query.waiting in the configuration.",
            ],
        ),
        PageError::TooSlow(_) => (
            "The query took too long",
            &["Search a shorter time range, or add a service.", "query.timeout in the configuration is the limit."],
        ),
        PageError::TooLarge(_) => (
            "The query needs too much memory",
            &[
                "Search a shorter time range, or ask for fewer traces.",
                "query.memory in the configuration is the limit.",
            ],
        ),
        PageError::Cancelled => ("Cancelled", &["Try again."]),
        PageError::Damaged | PageError::Store(_) => (
            "Stored data cannot be read",
            &["Nothing is wrong with your request. The server's log says which file is at fault."],
        ),
        PageError::Query(_) | PageError::NotDrawn(_) | PageError::Panicked => (
            "That is our fault",
            &["The server's log has the details. Please report them together with the address of this page."],
        ),
    }
}
