//! Pages as they go out. Templates write links for the root of a window; here they are fitted to where a page stands: below the path
//! of a proxy, in a frame of another page, in a theme that the reader chose.

mod markup;
mod settings;
mod wishes;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;

pub(crate) use settings::base;
pub use settings::{check_base_path, check_frame_ancestors};
pub(crate) use wishes::THEME;

use crate::error::PageError;
use wishes::Wishes;

/// Fits the answer to what the request wishes.
pub(crate) async fn adapt(State(base): State<Arc<str>>, request: Request, next: Next) -> Result<Response, PageError> {
    let wishes = Wishes::of(&base, request.uri(), request.headers());
    let answer = next.run(request).await;
    let Some(wishes) = wishes else { return Ok(answer) };
    fitted(answer, wishes).await
}

async fn fitted(answer: Response, wishes: Wishes) -> Result<Response, PageError> {
    let (mut head, body) = answer.into_parts();
    redirected(&mut head.headers, &wishes);
    if is_kind(&head.headers, "text/event-stream") {
        let parts = body.into_data_stream().map(move |part| part.map(|bytes| wishes.links_of(&bytes)));
        return Ok(Response::from_parts(head, Body::from_stream(parts)));
    }
    // A file that is kept has no links here.
    if !is_kind(&head.headers, "text/html") || head.headers.contains_key(header::CONTENT_DISPOSITION) {
        return Ok(Response::from_parts(head, body));
    }
    // Pages are whole in memory already.
    let page = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| PageError::Panicked)?;
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(wishes.page(&page))))
}

fn is_kind(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|found| found.as_bytes().starts_with(kind.as_bytes()))
}

fn redirected(headers: &mut HeaderMap, wishes: &Wishes) {
    let place = headers.get(header::LOCATION).and_then(|place| place.to_str().ok());
    let place = place.filter(|place| markup::is_local(place)).map(|place| wishes.address(place, "&"));
    if let Some(place) = place.and_then(|place| HeaderValue::from_str(&place).ok()) {
        headers.insert(header::LOCATION, place);
    }
}

impl Wishes {
    fn links_of(&self, part: &Bytes) -> Bytes {
        std::str::from_utf8(part).map_or_else(|_| part.clone(), |text| Bytes::from(markup::links(text, self)))
    }

    fn page(&self, page: &Bytes) -> Bytes {
        std::str::from_utf8(page).map_or_else(|_| page.clone(), |text| Bytes::from(markup::page(text, self)))
    }
}
