//! Where a form comes from: what changes something is taken from pages of this server only.

use axum::http::HeaderMap;

use crate::error::PageError;

/// Refuses a form that a page of another site sent.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), PageError> {
    if is_ours(headers) { Ok(()) } else { Err(PageError::Foreign) }
}

/// Whether a page of this server sent the form, or a program. A browser says where its page is from.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => text("origin").is_none_or(|origin| {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn forms_of_other_sites_are_known() {
        let ours = |pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
            is_ours(&headers.collect())
        };
        assert!(ours(&[]) && ours(&[("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("origin", "http://a:1"), ("host", "a:1")]));
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "http://evil"), ("host", "a:1")],
            &[("origin", "null"), ("host", "a:1")],
        ] {
            assert!(!ours(foreign), "{foreign:?}");
        }
    }
}
