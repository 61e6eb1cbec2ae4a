//! Signs of life, and what is said where nothing is.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::{ApiError, json, shown};

/// `/api/echo`: Grafana's health check.
pub(super) async fn echo() -> &'static str {
    "echo\n"
}

/// The version of Tempo whose API this is: older Grafanas ask for it before they offer features.
const TEMPO_VERSION: &str = "2.10.0";

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

/// The answer for an address where nothing is.
pub(super) async fn not_here(request: Request) -> impl IntoResponse {
    let text = format!(
        "there is nothing at {}: this is the Tempo API, with /api/search, /api/search/tags, /api/search/tag/{{name}}/values \
         and /api/traces/{{id}}, the last four also as /api/v2/..., and /api/echo, /ready, /health and /metrics\n",
        shown(request.uri().path())
    );
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}
