//! What a receiver answers: `ExportTraceServiceResponse`, and `google.rpc.Status` with its details, in both encodings.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::{WireValue, put_field, signed};

/// An `ExportTraceServiceResponse`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportResponse {
    /// Spans that were not accepted.
    pub rejected_spans: u32,
    /// Why; empty when all is well.
    pub error_message: String,
}

impl ExportResponse {
    /// Whether the request was taken in full: `partial_success` stays unset then, as the specification demands.
    fn is_full_success(&self) -> bool {
        self.rejected_spans == 0 && self.error_message.is_empty()
    }

    /// The message in protobuf.
    #[must_use]
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.is_full_success() {
            let mut partial = Vec::new();
            put_field(&mut partial, 1, WireValue::Varint(u64::from(self.rejected_spans)));
            put_text(&mut partial, 2, &self.error_message);
            put_field(&mut out, 1, WireValue::Bytes(&partial));
        }
        out
    }

    /// The message in OTLP/JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        if self.is_full_success() {
            return "{}".to_owned();
        }
        let rejected = self.rejected_spans.to_string();
        json!({"partialSuccess": {"rejectedSpans": rejected, "errorMessage": self.error_message}}).to_string()
    }
}

/// A `google.rpc.Status`, the body of every HTTP error of OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// A gRPC code, for example 3 for INVALID_ARGUMENT.
    pub code: i32,
    /// What went wrong, for developers.
    pub message: String,
    /// More of it, for programs.
    pub details: Vec<Detail>,
}

/// One detail of a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// `google.rpc.RetryInfo`: the request may be sent again after this time.
    RetryInfo(Duration),
    /// `google.rpc.BadRequest` with one violation.
    BadRequest {
        /// The path in the request.
        field: String,
        /// What is wrong there.
        description: String,
    },
}

impl Status {
    /// The message in protobuf, also the value of gRPC's `grpc-status-details-bin`.
    #[must_use]
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_field(&mut out, 1, signed(self.code));
        put_text(&mut out, 2, &self.message);
        for detail in &self.details {
            let mut any = Vec::new();
            put_text(&mut any, 1, detail.type_url());
            put_field(&mut any, 2, WireValue::Bytes(&detail.to_protobuf()));
            put_field(&mut out, 3, WireValue::Bytes(&any));
        }
        out
    }

    /// The message in protobuf's JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let details: Vec<Value> = self.details.iter().map(Detail::to_json).collect();
        let status = match details.as_slice() {
            [] => json!({"code": self.code, "message": self.message}),
            details => json!({"code": self.code, "message": self.message, "details": details}),
        };
        status.to_string()
    }
}

impl Detail {
    fn type_url(&self) -> &'static str {
        match self {
            Self::RetryInfo(_) => "type.googleapis.com/google.rpc.RetryInfo",
            Self::BadRequest { .. } => "type.googleapis.com/google.rpc.BadRequest",
        }
    }

    fn to_protobuf(&self) -> Vec<u8> {
        let mut inner = Vec::new();
        match self {
            Self::RetryInfo(delay) => {
                put_field(&mut inner, 1, WireValue::Varint(delay.as_secs()));
                put_field(&mut inner, 2, WireValue::Varint(u64::from(delay.subsec_nanos())));
            }
            Self::BadRequest { field, description } => {
                put_text(&mut inner, 1, field);
                put_text(&mut inner, 2, description);
            }
        }
        let mut out = Vec::new();
        put_field(&mut out, 1, WireValue::Bytes(&inner));
        out
    }

    fn to_json(&self) -> Value {
        match self {
            Self::RetryInfo(delay) => {
                json!({"@type": self.type_url(), "retryDelay": format!("{}.{:09}s", delay.as_secs(), delay.subsec_nanos())})
            }
            Self::BadRequest { field, description } => {
                let violation = json!({"field": field, "description": description});
                json!({"@type": self.type_url(), "fieldViolations": [violation]})
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        put_field(out, number, WireValue::Bytes(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use prost::Message;

    use super::*;

    #[test]
    fn full_success_is_an_empty_message() {
        let response = ExportResponse::default();
        assert_eq!((response.to_protobuf(), response.to_json().as_str()), (vec![], "{}"));
    }

    #[test]
    fn partial_success_has_count_and_reason() {
        let response = ExportResponse { rejected_spans: 300, error_message: "no \"id\"".to_owned() };
        let partial = ExportTracePartialSuccess { rejected_spans: 300, error_message: "no \"id\"".to_owned() };
        let decoded = ExportTraceServiceResponse::decode(response.to_protobuf().as_slice()).expect("protobuf");
        assert_eq!(decoded.partial_success, Some(partial));
        let json = r#"{"partialSuccess":{"errorMessage":"no \"id\"","rejectedSpans":"300"}}"#;
        assert_eq!(serde_json::from_str::<Value>(&response.to_json()).ok(), serde_json::from_str(json).ok());
    }

    /// `google.rpc.Status`, as published.
    #[derive(Clone, PartialEq, Message)]
    struct WireStatus {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<WireAny>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct WireAny {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }

    #[test]
    fn a_status_carries_its_details_in_both_encodings() {
        let status = Status {
            code: 8,
            message: "busy".to_owned(),
            details: vec![
                Detail::RetryInfo(Duration::from_millis(1500)),
                Detail::BadRequest { field: "a".to_owned(), description: "b".to_owned() },
            ],
        };
        let decoded = WireStatus::decode(status.to_protobuf().as_slice()).expect("protobuf");
        assert_eq!((decoded.code, decoded.message.as_str()), (8, "busy"));
        assert_eq!(decoded.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!(decoded.details[0].value, [0x0a, 8, 0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
        assert_eq!(decoded.details[1].value, [0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b']);
        let json: Value = serde_json::from_str(&status.to_json()).expect("json");
        assert_eq!(json["details"][0]["retryDelay"], "1.500000000s");
        assert_eq!(json["details"][1]["fieldViolations"][0]["description"], "b");
    }
}
