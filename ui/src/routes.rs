//! Which URL is which page, and what every answer carries.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hoptrail_query::{Clock, Service, SystemClock};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::context::{App, Sources};
use crate::error::PageError;
use crate::url::Named;
use crate::{Config, adapt, assets, opened, pages};

/// Nothing from elsewhere, nothing inline: what an attribute's value says can never run.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors";

/// The web UI over `service`. Pages also show what `sources` give.
pub fn router(service: Arc<Service>, config: &Config, sources: Sources) -> Router {
    router_with_clock(service, config, sources, Arc::new(SystemClock))
}

/// The web UI over `service`, with the time of day from `clock`.
pub fn router_with_clock(service: Arc<Service>, config: &Config, sources: Sources, clock: Arc<dyn Clock>) -> Router {
    let base = adapt::base(&config.base_path);
    let pages = pages_below(base, config, Arc::new(App::new(service, config, sources, clock)));
    if base.is_empty() {
        return pages;
    }
    // A proxy may keep the path or strip it.
    Router::new().nest_service(base, pages.clone()).merge(pages)
}

fn pages_below(base: &str, config: &Config, app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/search", get(pages::search::show))
        .route("/search/complete", get(pages::search::complete::show))
        .route("/search/csv", get(pages::search::csv))
        .route("/search/json", get(pages::search::json))
        .route("/search/tail", get(pages::search::tail::show))
        .route("/dependencies", get(pages::map::show))
        .route("/services", get(pages::services::show))
        .route("/services/{name}", get(pages::service::show))
        .route("/aggregate", get(pages::aggregate::show))
        .route("/compare", get(pages::compare::open))
        .route("/exceptions", get(pages::exceptions::show))
        .route("/why", get(pages::why::show))
        .route("/system", get(pages::system::show))
        .route("/trace", get(pages::trace::open))
        .route("/trace/{id}", get(pages::trace::show))
        .route("/trace/{id}/json", get(pages::trace::as_json))
        .route("/trace/{id}/otlp", get(pages::trace::as_protobuf))
        .route("/trace/{id}/jaeger", get(pages::trace::as_jaeger))
        .route("/trace/{id}/html", get(pages::trace::as_html))
        .route("/trace/{id}/value", get(pages::trace::raw_value))
        .route("/help", get(pages::start::show))
        .route("/zone", get(pages::zone::choose))
        .route("/theme", get(pages::theme::choose))
        .merge(views())
        .merge(files())
        .route("/assets/{hash}/{name}", get(asset))
        .route("/favicon.ico", get(assets::favicon))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
        .layer(DefaultBodyLimit::max(0))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, policy(&config.frame_ancestors)))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(fixed(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .layer(fixed(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")))
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .layer(from_fn_with_state(Arc::from(base), adapt::adapt))
        .layer(CompressionLayer::new().gzip(true))
}

/// What a page may do, and where it may be shown.
fn policy(frame_ancestors: &[String]) -> HeaderValue {
    let origin = |origin: &String| if origin == "self" { "'self'".to_owned() } else { origin.clone() };
    let mut origins: Vec<String> = frame_ancestors.iter().map(origin).collect();
    if origins.is_empty() {
        origins.push("'none'".to_owned());
    }
    let policy = format!("{CONTENT_SECURITY_POLICY} {}", origins.join(" "));
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// Pages that keep something.
fn views() -> Router<Arc<App>> {
    Router::new()
        .route("/views", get(pages::views::show).post(pages::views::save))
        .route("/views/delete", post(pages::views::delete))
        .route("/views/json", get(pages::views::json))
        .layer(DefaultBodyLimit::max(pages::views::MOST_BYTES))
}

/// Files that are looked at without being stored.
fn files() -> Router<Arc<App>> {
    let limit = DefaultBodyLimit::max(opened::MOST_BYTES);
    Router::new().route("/file", get(pages::file::show).post(pages::file::open)).layer(limit)
}

fn fixed(name: HeaderName, value: HeaderValue) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, value)
}

async fn home() -> Redirect {
    Redirect::temporary("/services")
}

/// `GET /assets/{hash}/{name}`.
async fn asset(uri: Uri, Named((hash, name)): Named<(String, String)>) -> Result<Response, PageError> {
    assets::answer(&hash, &name).ok_or_else(|| PageError::NoSuchPage(uri.path().to_owned()))
}

async fn not_found(uri: Uri) -> PageError {
    PageError::NoSuchPage(uri.path().to_owned())
}

async fn wrong_method() -> PageError {
    PageError::WrongMethod
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("unknown"), "a page panicked");
    PageError::Panicked.into_response()
}
