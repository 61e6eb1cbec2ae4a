//! OTLP over HTTP: `POST /v1/traces` in protobuf and JSON, and the other signals.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use hoptrail_proto::otlp::ExportResponse;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::collector::{Collector, Payload};
use crate::compression::{Encoding, SUPPORTED};
use crate::error::Failure;
use crate::intake;
use crate::metrics::{Protocol, Transport};
use crate::otlp::Otlp;
use crate::sender::Sender;
use crate::target::{TRACES_PATH, Target};

/// The format of a `content-type`, whose parameters do not matter.
fn format_of(headers: &HeaderMap) -> Result<Otlp, Failure> {
    let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let text = value.unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-protobuf" => Ok(Otlp::Protobuf),
        // What `navigator.sendBeacon` sends of a string is text.
        "application/json" | "text/plain" => Ok(Otlp::Json),
        _ => Err(Failure::UnsupportedType(essence)),
    }
}

impl Collector {
    /// The routes of OTLP over HTTP, with CORS. Everything else is answered 404.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(serve).layer(cors(&self.config.cors_origins)).with_state(Arc::clone(self))
    }

    /// What a request exports, and in what form.
    fn admitted(&self, parts: &Parts) -> Result<(Target, Otlp), Failure> {
        let path = parts.uri.path();
        let target =
            Target::at_path(path).ok_or_else(|| Failure::NotFound { path: path.to_owned(), traces: TRACES_PATH })?;
        if let Target::Other(signal) = target {
            self.admits(signal)?;
        }
        if parts.method != Method::POST {
            return Err(Failure::Method(parts.method.clone()));
        }
        Ok((target, format_of(&parts.headers)?))
    }

    async fn http_request(
        self: &Arc<Self>,
        target: Target,
        format: Otlp,
        headers: &HeaderMap,
        body: &mut Body,
        sender: &mut Sender,
    ) -> Result<ExportResponse, Failure> {
        let encoding = Encoding::parse(headers.get(CONTENT_ENCODING))?;
        let tenant = self.tenant(headers)?;
        let protocol = Protocol::new(Transport::Http, &format);
        let (bytes, room) = self.read(protocol, body, self.config.max_request_size).await?;
        let payload = Payload { bytes, encoding, format: format.format(), protocol };
        self.export(target, format, tenant, payload, room, sender).await
    }
}

/// Any page of the allowed origins may POST with any headers, such as `content-type` and `x-scope-orgid`, and with credentials, which
/// browsers add to beacons by themselves. With credentials they refuse `*` as an answer, so the answer names the origin.
fn cors(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::mirror_request()
    } else {
        let allowed: Vec<Vec<u8>> = origins.iter().map(|origin| origin.clone().into_bytes()).collect();
        AllowOrigin::predicate(move |origin, _| allowed.iter().any(|allowed| allowed == origin.as_bytes()))
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_credentials(true)
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(3600))
}

async fn serve(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    let (target, format) = match collector.admitted(&parts) {
        Ok(known) => known,
        Err(failure) => return failed(&collector, &parts, body, &failure).await,
    };
    let mut sender = Sender::of(&parts);
    let outcome = collector.http_request(target, format, &parts.headers, &mut body, &mut sender).await;
    collector.answered(Protocol::new(Transport::Http, &format), &sender, &outcome);
    match outcome {
        Ok(response) => answer(format, &response),
        Err(failure) => {
            intake::drain(&mut body, collector.config.max_request_size).await;
            refusal(format, &failure)
        }
    }
}

/// Answers a request that is not an export.
pub(crate) async fn failed(collector: &Collector, parts: &Parts, mut body: Body, failure: &Failure) -> Response {
    collector.refused(&Sender::of(parts), failure);
    intake::drain(&mut body, collector.config.max_request_size).await;
    let format = format_of(&parts.headers).unwrap_or(Otlp::Json);
    refusal(format, failure)
}

fn answer(format: Otlp, response: &ExportResponse) -> Response {
    with_type(format, format.success(response))
}

fn with_type(format: Otlp, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}

/// An error with a `google.rpc.Status` in the request's format.
fn refusal(format: Otlp, failure: &Failure) -> Response {
    let mut response = with_type(format, format.failure(&failure.status()));
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
