//! Addresses that begin with more than one slash.

use axum::Router;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use tower::ServiceExt;

/// The router, which then takes paths that begin with several slashes as well. Clients put `/api/…` behind the URL that they were
/// given, and that may end in a slash.
pub(crate) fn with_one_slash(router: Router) -> Router {
    Router::new().fallback(move |mut request: Request| {
        if let Some(uri) = one_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        router.clone().oneshot(request)
    })
}

/// The address with one slash where it begins with several.
fn one_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str();
    let rest = path.strip_prefix("//")?.trim_start_matches('/');
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/{rest}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slashes_at_the_beginning_are_one() {
        let changed = |text: &str| one_slash(&text.parse().expect("a URI")).map(|uri| uri.to_string());
        assert_eq!(changed("//api/echo?a=//b").as_deref(), Some("/api/echo?a=//b"));
        assert_eq!(changed("////").as_deref(), Some("/"));
        assert_eq!(changed("http://host:3200//api/echo").as_deref(), Some("http://host:3200/api/echo"));
        for same in ["/api/search/tag/a//b/values", "/", "/x?y=//", "*"] {
            assert_eq!(changed(same), None, "{same}");
        }
    }
}
