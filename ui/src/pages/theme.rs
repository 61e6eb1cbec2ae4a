//! `GET /theme`: whether this browser sees pages light, dark, or as its system is.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::zone::KEPT;
use crate::adapt::{THEME, base};
use crate::context::Visit;
use crate::error::PageError;
use crate::format;
use crate::url::{Params, local_path};

/// Keeps the theme in a cookie, or without one forgets it, and goes back to the page that asked.
pub(crate) async fn choose(visit: Visit, params: Params, headers: HeaderMap) -> Result<Response, PageError> {
    let theme = params.text("theme");
    let age = match theme {
        "" => 0,
        "light" | "dark" => KEPT,
        other => {
            let other = format::shortened(other, 100);
            let message =
                format!("theme={other:?} is no theme: write light or dark, or nothing for that of the system");
            return Err(PageError::BadParameter(message));
        }
    };
    let back = asking(&headers, base(&visit.app.config.base_path)).unwrap_or_else(|| "/".to_owned());
    let mut response = Redirect::to(&back).into_response();
    let cookie = format!("{THEME}={theme}; Path=/; Max-Age={age}; SameSite=Lax; HttpOnly");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The page that asked, as this server knows it.
fn asking(headers: &HeaderMap, base: &str) -> Option<String> {
    let uri: Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    let path = uri.path_and_query()?.as_str();
    let path = path.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    local_path(path).map(str::to_owned)
}
