use std::sync::Arc;

use bytes::Bytes;
use hoptrail_proto::model::{Tenancy, TenantId};
use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceRequest;
use hoptrail_proto::otlp::types::collector::trace::v1::trace_service_client::TraceServiceClient;
use http_body_util::{BodyExt, Full};
use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{Failing, Running, gated, request, span, write_errors};
use crate::Config;

pub(super) const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Names and values.
pub(super) type Headers = &'static [(&'static str, &'static str)];

async fn channel(running: &Running) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", running.grpc)).expect("an address");
    endpoint.connect().await.expect("the server listens")
}

async fn client(running: &Running) -> TraceServiceClient<Channel> {
    TraceServiceClient::new(channel(running).await)
}

pub(super) async fn export(
    running: &Running,
    message: ExportTraceServiceRequest,
) -> Result<Option<(i64, String)>, Status> {
    let response = client(running).await.export(message).await?.into_inner();
    Ok(response.partial_success.map(|partial| (partial.rejected_spans, partial.error_message)))
}

/// Sends the bytes of a gRPC body as they are; answers the status and the bytes that came back.
pub(super) async fn raw(running: &Running, path: &str, headers: Headers, body: &[u8]) -> (Code, Bytes) {
    let mut channel = channel(running).await;
    let mut request = http::Request::post(format!("http://{}{path}", running.grpc))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body)).map_err(|never| match never {});
    let request = request.body(tonic::body::Body::new(body)).expect("a request");
    std::future::poll_fn(|cx| tower::Service::<http::Request<_>>::poll_ready(&mut channel, cx)).await.expect("ready");
    let response = tower::Service::call(&mut channel, request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.expect("the whole answer");
    let trailers = collected.trailers().cloned().unwrap_or(parts.headers);
    let code = trailers.get("grpc-status").expect("a status").as_bytes();
    (Code::from_bytes(code), collected.to_bytes())
}

pub(super) fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], (message.len() as u32).to_be_bytes().as_slice(), message].concat()
}

#[tokio::test]
async fn every_compression_reaches_the_store() {
    let running = Running::start(Config::default()).await;
    let encodings = [CompressionEncoding::Gzip, CompressionEncoding::Zstd, CompressionEncoding::Deflate];
    let encodings = [None].into_iter().chain(encodings.map(Some));
    for (trace, encoding) in (1..).zip(encodings) {
        let mut client = client(&running).await;
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        for id in 1..=3 {
            let answer = client.export(request(vec![span(trace, id)])).await.expect("taken").into_inner();
            assert_eq!(answer.partial_success, None);
        }
        assert_eq!(running.stored(&TenantId::single(), trace), 3, "{encoding:?}");
    }
    assert_eq!(running.metric(r#"hoptrail_spans_received_total{transport="grpc"}"#), "12");
    running.stop().await;
}

#[tokio::test]
async fn empty_requests_are_taken_and_bad_spans_refused_singly() {
    let running = Running::start(Config::default()).await;
    assert_eq!(export(&running, ExportTraceServiceRequest::default()).await.expect("taken"), None);
    let (rejected, message) =
        export(&running, request(vec![span(1, 1), span(1, 0)])).await.expect("taken").expect("a partial success");
    assert_eq!((rejected, running.stored(&TenantId::single(), 1)), (1, 1));
    assert!(message.contains("span id of only zeros"), "{message}");
    running.stop().await;
}

#[tokio::test]
async fn large_requests_are_taken_up_to_the_limit_and_then_refused_for_good() {
    let running = Running::start(Config { max_request_size: 6 << 20, ..Config::default() }).await;
    let sized = |length: usize| {
        let mut span = span(1, 1);
        span.name = "x".repeat(length);
        request(vec![span])
    };
    for encoding in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let mut client = client(&running).await;
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        client.export(sized(5 << 20)).await.expect("taken");
        let error = client.export(sized(7 << 20)).await.expect_err("too large");
        assert_eq!((error.code(), error.details().len()), (Code::ResourceExhausted, 0), "{encoding:?}: {error}");
        assert!(error.message().contains("larger than 6291456 bytes"), "{error}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_for_good() {
    let running = Running::start(Config::default()).await;
    let fine = request(vec![span(1, 1)]).encode_to_vec();
    let cases: [(Headers, Vec<u8>, Code); 8] = [
        (&[], framed(0, b"<html>"), Code::InvalidArgument),
        (&[], vec![], Code::Cancelled),
        (&[], vec![0, 0, 0], Code::Cancelled),
        (&[], framed(0, &fine)[..20].to_vec(), Code::Cancelled),
        (&[("grpc-encoding", "gzip")], framed(1, b"no gzip"), Code::InvalidArgument),
        (&[("grpc-encoding", "br")], framed(1, &fine), Code::Unimplemented),
        (&[("grpc-encoding", "gzip")], framed(0, &fine), Code::Ok),
        (&[], framed(0, &fine), Code::Ok),
    ];
    for (headers, body, code) in cases {
        assert_eq!(raw(&running, EXPORT, headers, &body).await.0, code, "{headers:?} {body:?}");
    }
    for path in ["/opentelemetry.proto.collector.trace.v1.TraceService/Import", "/x.MetricsService/Export"] {
        assert_eq!(raw(&running, path, &[], &framed(0, &fine)).await.0, Code::Unimplemented, "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_the_store_says_becomes_a_code_and_a_delay() {
    for (error, _, code, seconds) in write_errors() {
        let text = error.to_string();
        let running = Running::start_with(Arc::new(Failing(error))).await;
        let status = export(&running, request(vec![span(1, 1)])).await.expect_err("refused");
        assert_eq!((status.code(), status.message()), (code, text.as_str()));
        let details = String::from_utf8_lossy(status.details()).into_owned();
        assert_eq!(details.contains("google.rpc.RetryInfo"), seconds.is_some(), "{text}");
        assert_eq!(details.contains("google.rpc.BadRequest"), seconds.is_none(), "{text}");
        running.stop().await;
    }
}

#[tokio::test]
async fn tenants_come_as_metadata() {
    let running = Running::start(Config { tenancy: Tenancy::Multi, ..Config::default() }).await;
    let mut client = client(&running).await;
    let mut send = async |tenant: Option<&'static str>| {
        let mut message = Request::new(request(vec![span(1, 1)]));
        if let Some(tenant) = tenant {
            message.metadata_mut().insert("x-scope-orgid", tenant.parse().expect("ascii"));
        }
        client.export(message).await.map_or_else(|status| status.code(), |_| Code::Ok)
    };
    assert_eq!(send(None).await, Code::Unauthenticated);
    assert_eq!(send(Some("a/b")).await, Code::InvalidArgument);
    assert_eq!(send(Some("team-a")).await, Code::Ok);
    assert_eq!(running.stored(&TenantId::new("team-a").expect("a name"), 1), 1);
    running.stop().await;
}

#[tokio::test]
async fn health_checks_are_answered_for_the_server_and_the_trace_service() {
    let running = Running::start(Config::default()).await;
    let service = b"opentelemetry.proto.collector.trace.v1.TraceService";
    let ours = [&[0x0a, service.len() as u8], service.as_slice()].concat();
    for asked in [vec![], ours] {
        let (code, body) = raw(&running, CHECK, &[], &framed(0, &asked)).await;
        assert_eq!((code, body.as_ref()), (Code::Ok, framed(0, &[0x08, 1]).as_slice()));
    }
    assert_eq!(raw(&running, CHECK, &[], &framed(0, &[0x0a, 1, b'x'])).await.0, Code::NotFound);
    assert_eq!(raw(&running, "/grpc.health.v1.Health/Watch", &[], &framed(0, &[])).await.0, Code::Unimplemented);
    running.stop().await;
}

#[tokio::test]
async fn shutdown_waits_for_the_answer_of_requests_in_flight() {
    let (store, called, open) = gated();
    let running = Running::start_with(store).await;
    let mut client = client(&running).await;
    let answer = tokio::spawn(async move { client.export(request(vec![span(1, 1)])).await.map(|_| ()) });
    called.acquire().await.expect("never closed").forget();

    running.shutdown.cancel();
    open.add_permits(1);
    answer.await.expect("no panic").expect("taken");
    running.stop().await;
}
