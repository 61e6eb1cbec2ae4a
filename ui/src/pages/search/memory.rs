//! What a browser keeps of searches: the last ones, and the zone of times.

use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::form::Form;
use crate::context::Visit;
use crate::format;
use crate::recent::{self, Recent};
use crate::url::{Params, href};

/// A month, in seconds.
const KEPT: u32 = 30 * 86_400;
/// Most characters of a label.
const SHORT: usize = 90;

/// The last searches but for this one: what they ask, and their links.
pub(super) fn labelled(visit: &Visit, here: &str) -> Vec<(String, String)> {
    let others = visit.recent.iter().filter(|search| *search != here);
    others.filter_map(|search| Some((label(search, visit)?, search.to_owned()))).collect()
}

/// What a search asks, in a line.
pub(crate) fn label(search: &str, visit: &Visit) -> Option<String> {
    let form = Form::read(&Params::of(&search.parse().ok()?), &visit.zone);
    let at_least = Some(&form.min).filter(|min| !min.is_empty()).map(|min| format!("≥ {min}"));
    let at_most = Some(&form.max).filter(|max| !max.is_empty()).map(|max| format!("≤ {max}"));
    let time = match form.lookback.as_str() {
        "custom" => [form.from.as_str(), form.to.as_str()].join(" … "),
        lookback => lookback.to_owned(),
    };
    let texts = [form.service, form.name, form.query, form.status, form.kind, form.rows, form.sort];
    let texts = texts.into_iter().chain(at_least).chain(at_most).chain([time]).filter(|text| !text.is_empty());
    let text = texts.collect::<Vec<_>>().join(" · ").replace('\n', " ");
    Some(format::shortened(&text, SHORT))
}

/// The zone to see times in instead, and the page that does.
pub(super) fn other_zone(visit: &Visit, here: &str) -> (&'static str, String) {
    let link = |zone| href("/zone", [("zone", zone), ("back", here)]);
    let is_utc = visit.zone.iana_name() == Some("UTC");
    match (visit.chose_zone, is_utc) {
        (true, _) => ("the browser’s zone", link("")),
        (false, false) => ("UTC", link("UTC")),
        (false, true) => ("", String::new()),
    }
}

/// The answer, with which the browser gets its searches.
pub(super) fn keeping(mut answer: Response, recent: Option<Recent>) -> Response {
    let cookie = recent
        .map(|recent| format!("{}={recent}; Path=/search; Max-Age={KEPT}; SameSite=Lax; HttpOnly", recent::COOKIE));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}
