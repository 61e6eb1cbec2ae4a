//! `tempopb.StreamingQuerier`: the questions of the HTTP API over gRPC, answered piece by piece.
//!
//! A question becomes the parameters that the HTTP API reads. So both have the same defaults, bounds and texts.

mod answers;
mod fitting;
mod metrics;
mod search;
mod status;
mod tags;

use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use prost::Message;
use tokio::sync::mpsc::Sender;
use tonic::codec::CompressionEncoding;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use crate::http::{Api, ApiError, Ask, Named, Params, shown};
use answers::Answers;

/// The service.
pub const SERVICE: &str = "tempopb.StreamingQuerier";

/// Most bytes of a question, after decompression.
const MOST_ASKED: usize = 1 << 20;

/// The methods of the service.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(&path("Search"), post(|api, ask, request| call(api, ask, request, search::search)))
        .route(&path("SearchTags"), post(|api, ask, request| call(api, ask, request, tags::names)))
        .route(&path("SearchTagsV2"), post(|api, ask, request| call(api, ask, request, tags::names_v2)))
        .route(&path("SearchTagValues"), post(|api, ask, request| call(api, ask, request, tags::values)))
        .route(&path("SearchTagValuesV2"), post(|api, ask, request| call(api, ask, request, tags::values_v2)))
        .route(&path("MetricsQueryRange"), post(|api, ask, request| call(api, ask, request, metrics::range)))
        .route(&path("MetricsQueryInstant"), post(|api, ask, request| call(api, ask, request, metrics::instant)))
        .route(&path("{method}"), post(unknown))
}

fn path(method: &str) -> String {
    format!("/{SERVICE}/{method}")
}

/// Reads the one message of a call, and sends what `method` answers until it has ended or the client has left.
async fn call<Q, A, W>(
    State(api): State<Api>,
    ask: Result<Ask, ApiError>,
    request: Request,
    method: fn(Api, Ask, Q, Sender<A>) -> W,
) -> Response
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
    W: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    let ask = match ask {
        Ok(ask) => ask,
        Err(error) => return status::of(&error).into_http(),
    };
    let answers = tower::service_fn(move |asked: tonic::Request<Q>| {
        let answers = Answers::new(|messages| method(api.clone(), ask.clone(), asked.into_inner(), messages));
        std::future::ready(Ok(tonic::Response::new(answers)))
    });
    let mut grpc = Grpc::new(ProstCodec::<A, Q>::default())
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MOST_ASKED);
    grpc.server_streaming(answers, request).await.map(Body::new)
}

async fn unknown(Named(method): Named) -> Response {
    tonic::Status::unimplemented(format!("{SERVICE} has no method {}", shown(&method))).into_http()
}

/// Parameters as the HTTP API gets them; an empty one counts as missing.
fn params<const N: usize>(pairs: [(&str, String); N]) -> Params {
    Params::new(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A number as a parameter; 0 means that there is none.
fn number(number: u64, unit: &str) -> String {
    if number == 0 { String::new() } else { format!("{number}{unit}") }
}
