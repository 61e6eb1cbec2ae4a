//! Files with traces, opened without being stored.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use hoptrail_proto::file;
use hoptrail_proto::model::Trace;

use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::format;
use crate::opened::MOST_BYTES;
use crate::origin;

/// Most traces of a file that are listed.
const MOST: usize = 500;

/// The form, and what was in a file.
#[derive(Debug, Template)]
#[template(path = "file.html")]
struct FilePage {
    chrome: Chrome,
    /// Why the file was not opened.
    fault: Option<String>,
    /// What was in it, in a sentence.
    found: String,
    /// Links to its traces, and how many spans each has.
    traces: Vec<(String, String, String)>,
    more: usize,
    most: String,
}

impl FilePage {
    fn new() -> Self {
        let most = hoptrail_proto::units::Size(MOST_BYTES as u64).to_string();
        Self { chrome: Chrome::at(Place::Elsewhere), fault: None, found: String::new(), traces: vec![], more: 0, most }
    }
}

/// `GET /file`.
pub(crate) async fn show() -> Response {
    page(StatusCode::OK, &FilePage::new())
}

/// `POST /file`: a file as it is, or a form with a file or a text. One trace is shown, several are listed.
pub(crate) async fn open(visit: Visit, headers: HeaderMap, request: Request) -> Result<Response, PageError> {
    origin::check(&headers)?;
    // Files are large, and reading one takes several times its size.
    let app = Arc::clone(&visit.app);
    let _turn = app.opened.turns.try_acquire().map_err(|_| PageError::Busy)?;
    let file = match content(request).await {
        Ok(file) if file.trim_ascii().is_empty() => {
            return Ok(refused(StatusCode::BAD_REQUEST, "choose a file, or paste its text"));
        }
        Ok(file) => file,
        Err((status, reason)) => return Ok(refused(status, &reason)),
    };
    let work = tokio::task::spawn_blocking(move || opened(&visit, &file));
    work.await.map_err(PageError::NotDrawn)
}

fn refused(status: StatusCode, reason: &str) -> Response {
    page(status, &FilePage { fault: Some(format::sentence(reason)), ..FilePage::new() })
}

/// The file itself, or the first part of a form that has any content.
async fn content(request: Request) -> Result<Bytes, (StatusCode, String)> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data")) {
        let read = Bytes::from_request(request, &()).await;
        return read.map_err(|rejection| fault(rejection.status(), &rejection.body_text()));
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|rejection| fault(rejection.status(), &rejection.body_text()))?;
    let wrong = |error: MultipartError| fault(error.status(), &error.body_text());
    while let Some(part) = form.next_field().await.map_err(wrong)? {
        let content = part.bytes().await.map_err(wrong)?;
        if !content.trim_ascii().is_empty() {
            return Ok(content);
        }
    }
    Ok(Bytes::new())
}

fn fault(status: StatusCode, reason: &str) -> (StatusCode, String) {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => (status, format!("the file has more than {}", FilePage::new().most)),
        _ => (status, format!("the file cannot be read: {reason}")),
    }
}

fn opened(visit: &Visit, content: &[u8]) -> Response {
    let found = match file::read(content) {
        Ok(found) => found,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (form, without) = (found.form, found.refused);
    let traces = visit.app.opened.keep(&visit.tenant, found.spans, content.len(), visit.now);
    if let ([trace], 0) = (traces.as_slice(), without) {
        return Redirect::to(&format!("/trace/{}", trace.id)).into_response();
    }
    let left_out = match without {
        0 => String::new(),
        without => format!(", without {} that cannot be read", format::counted(without as usize, "span", "spans")),
    };
    let link = |trace: &Arc<Trace>| {
        let spans = format::counted(trace.spans.len(), "span", "spans");
        (format!("/trace/{}", trace.id), trace.id.to_string(), spans)
    };
    let listed = FilePage {
        found: format!("{form}: {}{left_out}", format::counted(traces.len(), "trace", "traces")),
        traces: traces.iter().take(MOST).map(link).collect(),
        more: traces.len().saturating_sub(MOST),
        ..FilePage::new()
    };
    page(StatusCode::OK, &listed)
}
