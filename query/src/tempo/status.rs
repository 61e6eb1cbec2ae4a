//! Signs of life.

use axum::Json;
use serde::Serialize;

/// `/api/echo`: Grafana's health check.
pub(super) async fn echo() -> &'static str {
    "echo\n"
}

/// The version of Tempo whose API this is: older Grafanas ask for it before they offer features.
const TEMPO_VERSION: &str = "2.10.0";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

/// `/api/status/buildinfo`.
pub(super) async fn build_info() -> Json<BuildInfo> {
    Json(BuildInfo {
        version: TEMPO_VERSION,
        revision: concat!("hoptrail-", env!("CARGO_PKG_VERSION")),
        branch: "",
        build_user: "",
        build_date: "",
        go_version: "",
    })
}
