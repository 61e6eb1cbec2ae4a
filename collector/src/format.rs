//! The seam between what spans are written in and what carries them: a format knows nothing of HTTP or gRPC, and the servers know
//! nothing of what is inside a body.

use std::fmt;

use bytes::Bytes;
use hoptrail_proto::otlp::{Limits, MalformedRequest, Validated};

/// A format in which spans arrive.
///
/// Whoever adds one implements this, and serves it in a router that hands the body to `Collector::store`. Everything else is the
/// same for all formats: bounds on memory, compression, tenants, what is counted and logged, and the order of events (checked, then
/// durable, then answered).
///
/// # Contract
///
/// - [`decode`](Self::decode) is a function of the bytes and the limits alone: no clock, no I/O, no state.
/// - It never panics and ends in time proportional to the length of the body, whatever the bytes are.
/// - Beside the body and the result it holds at most [`memory`](Self::memory) bytes. These are reserved before it is called.
/// - One bad span never costs another one. It is left out and counted in `refused`, with a reason that its sender understands.
/// - What it cannot say in OTLP, it keeps as attributes; nothing is lost silently. What is not read is counted in `warnings`.
/// - `Err` means that nothing of the body is kept, and that sending it again is of no use.
pub(crate) trait Format: fmt::Debug + Send + Sync {
    /// The name in metrics: `protobuf`, `json`.
    fn name(&self) -> &'static str;

    /// What a byte costs to decode, where a byte of OTLP in protobuf costs 1. Work of more than about a millisecond leaves the async
    /// threads.
    fn cost(&self) -> usize;

    /// Bytes that decoding such a body holds besides it, about.
    fn memory(&self, body: &[u8]) -> usize;

    /// The spans of a body that is no longer compressed.
    fn decode(&self, body: Bytes, limits: &Limits) -> Result<Decoded, MalformedRequest>;
}

/// A body as OTLP.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// An `ExportTraceServiceRequest`, not checked yet. It says who sends, also where the check fails.
    pub(crate) otlp: Bytes,
    /// The same, checked: what is kept, and what is refused with its reasons.
    pub(crate) checked: Result<Validated, MalformedRequest>,
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::otlp::Reason;

    use super::*;
    use crate::otlp::Otlp;
    use crate::tests::http::{json, protobuf};

    /// Each format with a request of these span ids in it; 0 is an invalid one.
    fn formats(ids: &[u64]) -> [(&'static dyn Format, Vec<u8>); 2] {
        [(Otlp::Protobuf.format(), protobuf(1, ids)), (Otlp::Json.format(), json(1, ids))]
    }

    fn decode(format: &dyn Format, body: &[u8]) -> Result<Validated, MalformedRequest> {
        format.decode(Bytes::copy_from_slice(body), &Limits::default())?.checked
    }

    #[test]
    fn the_same_spans_are_the_same_request_in_every_format() {
        let [first, second] = formats(&[1, 2, 3]).map(|(format, body)| decode(format, &body).expect("valid"));
        assert_eq!((first.accepted, first.refused.total()), (3, 0));
        let decoded = [first, second].map(|validated| hoptrail_proto::otlp::decode(&validated.body).expect("OTLP"));
        assert_eq!(decoded[0], decoded[1]);
    }

    #[test]
    fn a_bad_span_costs_only_itself() {
        for (format, body) in formats(&[1, 0, 2]) {
            let validated = decode(format, &body).expect("two are good");
            assert_eq!((validated.accepted, validated.refused.total()), (2, 1), "{format:?}");
            let reasons: Vec<_> = validated.refused.counts().collect();
            assert_eq!(reasons, [(Reason::SpanId, 1)], "{format:?}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for (format, body) in formats(&[1, 2]) {
            for end in 0..body.len() {
                _ = decode(format, &body[..end]);
                let mut changed = body.clone();
                changed[end] ^= 0x55;
                _ = decode(format, &changed);
                assert!(format.memory(&changed) < 64 + 16 * changed.len(), "{format:?}");
            }
        }
    }
}
