//! What an exporter needs: requests as bytes, and the meaning of answers. For our own clients (the demo, tests).

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use crate::model::TraceSpan;

/// The bytes of an `ExportTraceServiceRequest` that holds these spans.
#[must_use]
pub fn encode(spans: &[TraceSpan]) -> Vec<u8> {
    super::to_request(spans).encode_to_vec()
}

/// What a server did not take of a request that it answered with success (OTLP specification, "Partial Success").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialSuccess {
    /// Spans refused; they must not be sent again.
    pub rejected_spans: u64,
    /// Why, or a warning when nothing was refused; may be empty.
    pub message: String,
}

impl From<ExportTraceServiceResponse> for PartialSuccess {
    fn from(response: ExportTraceServiceResponse) -> Self {
        let partial = response.partial_success.unwrap_or_default();
        Self { rejected_spans: partial.rejected_spans.max(0).unsigned_abs(), message: partial.error_message }
    }
}

impl PartialSuccess {
    /// Reads the protobuf body of a successful answer over HTTP.
    pub fn decode(body: &[u8]) -> Result<Self, prost::DecodeError> {
        ExportTraceServiceResponse::decode(body).map(Self::from)
    }
}

/// `google.rpc.Status`, as far as an exporter reads it.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The pause that a server asks for in the details of a gRPC status (`google.rpc.RetryInfo`); `None` when it asks for none.
#[must_use]
pub fn retry_delay(status_details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(status_details).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn the_pause_is_found_among_the_details() {
        let info = RetryInfo { retry_delay: Some(Delay { seconds: 1, nanos: 500_000_000 }) };
        let detail = |name: &str, value| Detail { type_url: format!("type.googleapis.com/google.rpc.{name}"), value };
        let details = vec![detail("DebugInfo", vec![1, 2]), detail("RetryInfo", info.encode_to_vec())];
        let status = RpcStatus { code: 8, message: "full".to_owned(), details };
        assert_eq!(retry_delay(&status.encode_to_vec()), Some(Duration::from_millis(1_500)));
        assert_eq!(retry_delay(&RpcStatus::default().encode_to_vec()), None);
        assert_eq!(retry_delay(b"\xff\xff"), None);
    }

    #[test]
    fn what_our_receiver_writes_is_understood() {
        let pause = Duration::from_millis(1_234);
        let detail = crate::otlp::Detail::RetryInfo(pause);
        let status = crate::otlp::Status { code: 8, message: String::new(), details: vec![detail] };
        assert_eq!(retry_delay(&status.to_protobuf()), Some(pause));
        let response = crate::otlp::ExportResponse { rejected_spans: 3, error_message: "no id".to_owned() };
        assert_eq!(PartialSuccess::decode(&response.to_protobuf()).expect("valid").rejected_spans, 3);
    }

    #[test]
    fn an_empty_answer_means_that_all_was_taken() {
        assert_eq!(PartialSuccess::decode(b"").expect("valid"), PartialSuccess::default());
        let partial = ExportTracePartialSuccess { rejected_spans: 2, error_message: "no id".to_owned() };
        let body = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        let read = PartialSuccess::decode(&body).expect("valid");
        assert_eq!(read, PartialSuccess { rejected_spans: 2, message: "no id".to_owned() });
    }
}
