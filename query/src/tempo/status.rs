//! Signs of life, and what is said where nothing is.

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::{ApiError, Ask, json, shown};

/// `/api/echo`: Grafana's health check.
pub(super) async fn echo() -> &'static str {
    "echo\n"
}

/// The version of Tempo whose API this is: older Grafanas ask for it before they offer features.
const TEMPO_VERSION: &str = "3.0.3";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

/// `/api/status/buildinfo`.
pub(super) async fn build_info() -> Result<Response, ApiError> {
    json(&BuildInfo {
        version: TEMPO_VERSION,
        revision: concat!("hoptrail-", env!("CARGO_PKG_VERSION")),
        branch: "",
        build_user: "",
        build_date: "",
        go_version: "",
    })
}

/// `/api/overrides`: limits of the tenant.
pub(super) async fn overrides(ask: Ask) -> Result<Response, ApiError> {
    if let Some(scope) = ask.params.get("scope").filter(|scope| !["api", "merged"].contains(scope)) {
        return Err(ApiError::invalid(format!("invalid scope {}; there are api and merged", shown(scope))));
    }
    Err(ApiError::NotFound("the tenant has no limits of its own: the settings of the server hold for all".to_owned()))
}

/// Whoever wants to change them.
pub(super) async fn no_overrides(method: Method) -> Response {
    not_allowed(&method, "GET", "limits of single tenants cannot be set; see the settings of the server")
}

/// Another method would be answered here.
pub(super) fn not_allowed(method: &Method, allowed: &'static str, reason: &str) -> Response {
    let headers = [(header::ALLOW, allowed), (header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (StatusCode::METHOD_NOT_ALLOWED, headers, format!("{method} is not allowed here: {reason}\n")).into_response()
}

/// The answer for an address where nothing is.
pub(super) async fn not_here(request: Request) -> impl IntoResponse {
    let text = format!(
        "there is nothing at {}: this is the Tempo API, with /api/search, /api/search/tags, /api/search/tag/{{name}}/values, \
         /api/traces/{{id}} and /api/metrics/query_range; /status/endpoints has all addresses\n",
        shown(request.uri().path())
    );
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}
