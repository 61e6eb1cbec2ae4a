//! The answer of `/api/v2/traces/{id}` as a client reads it: what the store keeps can be nested deeper than generated readers go.

use crate::model::TraceSpan;
use crate::otlp::decode;
use crate::otlp::view::Malformed;
use crate::otlp::wire::{Fields, WireValue};

/// A trace as a server answered it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TraceAnswer {
    /// Its spans; none when the server does not know it.
    pub spans: Vec<TraceSpan>,
    /// What is missing, when the server did not send all of it.
    pub partial: Option<String>,
}

impl TraceAnswer {
    /// Reads the protobuf of a `TraceByIDResponse`.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let (mut answer, mut is_partial, mut message) = (Self::default(), false, String::new());
        for field in Fields::new(body) {
            match field? {
                (1, WireValue::Bytes(trace)) => answer.spans.extend(decode(trace)?),
                (3, WireValue::Varint(status)) => is_partial = status != 0,
                (4, WireValue::Bytes(text)) => message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
        answer.partial = is_partial.then_some(message);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::model::{Span, SpanId, TraceId};
    use crate::tempo::{PartialStatus, Trace, TraceByIdResponse};

    #[test]
    fn what_is_sent_is_read() {
        let span = Span { trace_id: TraceId([1; 16]), span_id: SpanId([2; 8]), name: "a".into(), ..Span::default() };
        let spans = vec![TraceSpan { span, resource: Default::default(), scope: Default::default() }];
        let mut sent = TraceByIdResponse { trace: Some(Trace::new(&spans)), ..TraceByIdResponse::default() };
        let read = TraceAnswer::read(&sent.encode_to_vec()).expect("read");
        assert_eq!((read.spans, read.partial), (spans, None));
        sent.status = PartialStatus::Partial.into();
        sent.message = "cut".into();
        let read = TraceAnswer::read(&sent.encode_to_vec()).expect("read");
        assert_eq!(read.partial.as_deref(), Some("cut"));
    }

    #[test]
    fn an_unknown_trace_has_no_spans_and_other_bytes_are_an_error() {
        assert_eq!(TraceAnswer::read(&[0x0a, 0]), Ok(TraceAnswer::default()));
        assert_eq!(TraceAnswer::read(&[]), Ok(TraceAnswer::default()));
        assert!(TraceAnswer::read(b"<html>").is_err());
    }
}
