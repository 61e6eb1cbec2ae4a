//! OTLP over HTTP: `POST /v1/traces` in protobuf and JSON.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use hoptrail_proto::otlp::ExportResponse;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::collector::{Collector, Payload};
use crate::compression::{Encoding, SUPPORTED};
use crate::error::Failure;
use crate::intake;
use crate::metrics::Transport;

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

impl Format {
    /// The format of a `content-type`, whose parameters do not matter.
    fn parse(headers: &HeaderMap) -> Result<Self, Failure> {
        let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let text = value.unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(Failure::UnsupportedType(essence)),
        }
    }

    fn transport(self) -> Transport {
        match self {
            Self::Protobuf => Transport::HttpProtobuf,
            Self::Json => Transport::HttpJson,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

impl Collector {
    /// The routes of OTLP over HTTP, with CORS. Everything else is answered 404.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/traces", any(traces))
            .fallback(not_found)
            .layer(cors(&self.config.cors_origins))
            .with_state(Arc::clone(self))
    }

    async fn http_request(
        self: &Arc<Self>,
        format: Format,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<ExportResponse, Failure> {
        let encoding = Encoding::parse(headers.get(CONTENT_ENCODING))?;
        let tenant = self.tenancy.tenant(headers)?;
        let transport = format.transport();
        let (bytes, room) = self.read(transport, body, self.config.max_request_bytes).await?;
        self.store(tenant, Payload { bytes, encoding, transport }, room).await
    }
}

/// Any page of the allowed origins may POST with any headers, such as `content-type` and `x-scope-orgid`.
fn cors(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let allowed: Vec<Vec<u8>> = origins.iter().map(|origin| origin.clone().into_bytes()).collect();
        AllowOrigin::predicate(move |origin, _| allowed.iter().any(|allowed| allowed == origin.as_bytes()))
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(3600))
}

async fn traces(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    let post = parts.method == Method::POST;
    let known = if post { Format::parse(&parts.headers) } else { Err(Failure::Method(parts.method.to_string())) };
    let format = match known {
        Ok(format) => format,
        Err(failure) => return failed(&collector, &parts.headers, body, &failure).await,
    };
    let outcome = collector.http_request(format, &parts.headers, &mut body).await;
    collector.answered(format.transport(), &outcome);
    match outcome {
        Ok(response) => answer(format, &response),
        Err(failure) => {
            intake::drain(&mut body, collector.config.max_request_bytes).await;
            refusal(format, &failure)
        }
    }
}

async fn not_found(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    failed(&collector, &parts.headers, body, &Failure::NotFound(parts.uri.path().to_owned())).await
}

/// Answers a request that is not an export.
async fn failed(collector: &Collector, headers: &HeaderMap, mut body: Body, failure: &Failure) -> Response {
    intake::drain(&mut body, collector.config.max_request_bytes).await;
    let format = Format::parse(headers).unwrap_or(Format::Json);
    refusal(format, failure)
}

fn answer(format: Format, response: &ExportResponse) -> Response {
    let body = match format {
        Format::Protobuf => response.to_protobuf(),
        Format::Json => response.to_json().into_bytes(),
    };
    with_type(format, body)
}

fn with_type(format: Format, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, format.content_type());
    response
}

/// An error with a `google.rpc.Status` in the request's format.
fn refusal(format: Format, failure: &Failure) -> Response {
    let status = failure.status();
    let body = match format {
        Format::Protobuf => status.to_protobuf(),
        Format::Json => status.to_json().into_bytes(),
    };
    let mut response = with_type(format, body);
    *response.status_mut() = failure.http_status();
    let headers = response.headers_mut();
    if let Some(seconds) = failure.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match failure {
        Failure::Method(_) => _ = headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS")),
        Failure::UnsupportedEncoding(_) => _ = headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(SUPPORTED)),
        _ => {}
    }
    response
}
