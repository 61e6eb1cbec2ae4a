//! `GET /zone`: in which time zone this browser sees times.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::tz::TimeZone;

use crate::context::CHOSEN_ZONE;
use crate::error::PageError;
use crate::url::{Params, local_path};

/// How long a browser keeps what a reader chose: a year, in seconds.
pub(super) const KEPT: u32 = 365 * 86_400;

/// Keeps the zone in a cookie, or without one forgets it, and goes back to the page that asked.
pub(crate) async fn choose(params: Params) -> Result<Response, PageError> {
    let name = params.text("zone");
    let age = if name.is_empty() { 0 } else { KEPT };
    if !name.is_empty() && (!is_plain(name) || TimeZone::get(name).is_err()) {
        let name = crate::format::shortened(name, 100);
        let message = format!(
            "zone={name:?} is no time zone: write a name such as UTC or Europe/Berlin, or none for that of the browser"
        );
        return Err(PageError::BadParameter(message));
    }
    let back = local_path(params.text("back")).unwrap_or("/search");
    let cookie = format!("{CHOSEN_ZONE}={name}; Path=/; Max-Age={age}; SameSite=Lax; HttpOnly");
    let mut response = Redirect::to(back).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn is_plain(name: &str) -> bool {
    name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c))
}
