//! Named searches: the list, and what adds to it and takes from it.

use askama::Template;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::filters;
use crate::origin;
use crate::pages::search::label;
use crate::url::{Params, local_path};
use crate::views::{View, ViewError};

/// Longest body of a form.
pub(crate) const MOST_BYTES: usize = 16 << 10;

/// The list.
#[derive(Debug, Template)]
#[template(path = "views.html")]
struct ViewsPage {
    chrome: Chrome,
    /// Name, address, what it asks.
    views: Vec<(String, String, String)>,
}

/// `GET /views`.
pub(crate) async fn show(visit: Visit) -> Response {
    let views = visit.app.views.of(visit.tenant.as_str()).into_iter();
    let views = views.map(|view| {
        let asks = label(&view.search, &visit).unwrap_or_default();
        (view.name, view.search, asks)
    });
    page(StatusCode::OK, &ViewsPage { chrome: Chrome::at(Place::Elsewhere), views: views.collect() })
}

/// `GET /views/json`: all of them, to keep or to load elsewhere.
pub(crate) async fn json(visit: Visit) -> Response {
    let name = (header::CONTENT_DISPOSITION, "attachment; filename=\"views.json\"");
    ([name], axum::Json(visit.app.views.of(visit.tenant.as_str()))).into_response()
}

/// `POST /views`: `name` and `search`.
pub(crate) async fn save(visit: Visit, headers: HeaderMap, body: Bytes) -> Result<Redirect, PageError> {
    let fields = fields(&headers, &body)?;
    let search = local_path(fields.text("search")).unwrap_or_default().to_owned();
    let view = View { name: fields.text("name").to_owned(), search: search.clone() };
    change(visit, move |visit| visit.app.views.save(visit.tenant.as_str(), view)).await?;
    Ok(Redirect::to(&search))
}

/// `POST /views/delete`: `name`.
pub(crate) async fn delete(visit: Visit, headers: HeaderMap, body: Bytes) -> Result<Redirect, PageError> {
    let name = fields(&headers, &body)?.text("name").to_owned();
    change(visit, move |visit| visit.app.views.delete(visit.tenant.as_str(), &name)).await?;
    Ok(Redirect::to("/views"))
}

/// Changes the file, which takes a sync of the disk.
async fn change(
    visit: Visit,
    change: impl FnOnce(&Visit) -> Result<(), ViewError> + Send + 'static,
) -> Result<(), PageError> {
    let changed = tokio::task::spawn_blocking(move || change(&visit)).await.map_err(PageError::NotDrawn)?;
    changed.map_err(|error| match error {
        ViewError::File(error) => PageError::Views(error),
        other => PageError::BadParameter(other.to_string()),
    })
}

/// The fields of a form of ours.
fn fields(headers: &HeaderMap, body: &[u8]) -> Result<Params, PageError> {
    origin::check(headers)?;
    let uri = std::str::from_utf8(body).ok().and_then(|text| format!("/?{text}").parse::<Uri>().ok());
    uri.map(|uri| Params::of(&uri)).ok_or_else(|| PageError::BadParameter("the body is no form".to_owned()))
}
