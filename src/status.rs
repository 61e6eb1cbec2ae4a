//! `/status` and what is below it: what Tempo tells operators. Texts that do not change while the process runs.

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hoptrail_proto::model::TenantId;
use hoptrail_query::{prom, tempo};

use crate::config::{Config, to_yaml, to_yaml_changed};
use crate::endpoints::ENDPOINTS;
use crate::version;

/// Pages that the process itself can answer: their path, and what they say.
const PAGES: [&str; 5] = ["version", "services", "endpoints", "config", "runtime_config"];
const NO_OVERRIDES: &str = "no tenant has limits of its own: the settings of the server hold for all\n";

/// `/status`, its pages, `/status/overrides` and `/status/usage-stats`.
pub fn router(config: &Config) -> Router {
    let [whole, changed, defaults] = [to_yaml(config), to_yaml_changed(config), to_yaml(&Config::default())];
    let pages = PAGES.map(|name| {
        let text = match name {
            "version" => format!("hoptrail {}\n", version::long()),
            "services" => services(),
            "endpoints" => endpoints(),
            "runtime_config" => "# nothing changes at run time\n".to_owned(),
            _ => whole.clone(),
        };
        (name, text)
    });
    let all: String = pages.iter().map(|(name, text)| format!("--- {name}\n{text}\n")).collect();
    let of_mode = move |request: &Request| match mode(request) {
        None => plain(StatusCode::OK, whole.clone()),
        Some("diff") => plain(StatusCode::OK, changed.clone()),
        Some("defaults") => plain(StatusCode::OK, defaults.clone()),
        Some(other) => invalid_mode(other, "diff and defaults"),
    };
    let mut router = Router::new()
        .route("/status", any(move || async move { plain(StatusCode::OK, all) }))
        .route("/status/overrides", any(|| async { plain(StatusCode::OK, NO_OVERRIDES) }))
        .route("/status/overrides/{tenant}", any(overrides))
        .route("/status/usage-stats", any(|| async { ([(header::CONTENT_TYPE, "application/json")], "{}\n") }));
    for (name, text) in pages {
        let of_mode = of_mode.clone();
        let page = move |request: Request| async move {
            match (name, mode(&request)) {
                ("config", _) => of_mode(&request),
                ("runtime_config", Some(other)) if other != "diff" => invalid_mode(other, "diff"),
                _ => plain(StatusCode::OK, text),
            }
        };
        router = router.route(&format!("/status/{name}"), any(page));
    }
    router
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text.into()).into_response()
}

/// The parameter `mode`.
fn mode(request: &Request) -> Option<&str> {
    let mut parameters = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    parameters.find(|(name, _)| *name == "mode").map(|(_, mode)| mode).filter(|mode| !mode.is_empty())
}

fn invalid_mode(given: &str, allowed: &str) -> Response {
    plain(StatusCode::BAD_REQUEST, format!("invalid mode {given:?}; there are {allowed}, or none\n"))
}

fn services() -> String {
    let names = ENDPOINTS.iter().map(|endpoint| endpoint.name);
    ["storage"].into_iter().chain(names).map(|name| format!("{name}: Running\n")).collect()
}

fn endpoints() -> String {
    let own = PAGES.iter().map(|name| format!("/status/{name}"));
    let own = own.chain(
        ["/status", "/status/overrides", "/status/overrides/{tenant}", "/status/usage-stats"].map(str::to_owned),
    );
    let admin = ["/health", "/metrics", "/metrics/spans", "/ready"].map(str::to_owned);
    let apis = tempo::ADDRESSES.iter().chain(&prom::ADDRESSES).map(|address| (*address).to_owned());
    let mut all: Vec<String> = apis.chain(own).chain(admin).collect();
    all.sort();
    all.join("\n") + "\n"
}

async fn overrides(request: Request) -> Response {
    match TenantId::new(request.uri().path().trim_start_matches("/status/overrides/")) {
        Ok(_) => plain(StatusCode::OK, NO_OVERRIDES),
        Err(error) => plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str) -> (u16, String) {
        let mut config = Config::default();
        config.query.waiting = 77;
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router(&config).oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn every_page_says_what_it_is_about() {
        for (path, status, text) in [
            ("/status", 200, "--- config\n# hoptrail"),
            ("/status/version", 200, version::VERSION),
            ("/status/services", 200, "storage: Running\n"),
            ("/status/endpoints", 200, "\n/api/search\n"),
            ("/status/config", 200, "\n  waiting: 77\n"),
            ("/status/config?mode=diff", 200, "\n  waiting: 77\n"),
            ("/status/config?mode=defaults", 200, "\n  waiting: 200\n"),
            ("/status/config?mode=all", 400, "invalid mode \"all\"; there are diff and defaults, or none"),
            ("/status/runtime_config", 200, "nothing changes"),
            ("/status/runtime_config?mode=diff", 200, "nothing changes"),
            ("/status/runtime_config?mode=defaults", 400, "invalid mode \"defaults\"; there are diff, or none"),
            ("/status/overrides", 200, "no tenant has limits"),
            ("/status/overrides/team-a", 200, "no tenant has limits"),
            ("/status/overrides/a%2Fb", 400, "tenant \"a%2Fb\" is not valid"),
            ("/status/usage-stats", 200, "{}"),
        ] {
            let (found, said) = get(path).await;
            assert_eq!(found, status, "{path}: {said}");
            assert!(said.contains(text), "{path}: {said}");
        }
        let (_, changed) = get("/status/config?mode=diff").await;
        assert_eq!(
            changed.lines().filter(|line| line.trim_start().starts_with(char::is_alphabetic)).count(),
            2,
            "{changed}"
        );
    }
}
