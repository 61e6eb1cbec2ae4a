//! OTLP's two formats: protobuf and JSON.

use bytes::Bytes;
use hoptrail_proto::otlp::{ExportResponse, Limits, MalformedRequest, Signal, Status, json, service_name, validate};

use crate::format::{Decoded, Format};

/// A byte of JSON costs about as much as 16 of protobuf, which is checked in place at 2 to 3 GB/s.
const JSON_COST: usize = 16;

/// What an OTLP body is written in. The answer is written in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otlp {
    Protobuf,
    Json,
}

impl Format for Otlp {
    fn name(&self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Protobuf => 1,
            Self::Json => JSON_COST,
        }
    }

    fn memory(&self, body: &[u8]) -> usize {
        match self {
            Self::Protobuf => 0,
            Self::Json => json::memory(body),
        }
    }

    fn decode(&self, body: Bytes, limits: &Limits) -> Result<Decoded, MalformedRequest> {
        match self {
            Self::Protobuf => Ok(Decoded { otlp: body.clone(), checked: validate(body, limits) }),
            Self::Json => {
                let request = json::read(&body, limits)?;
                Ok(Decoded { otlp: request.body.clone(), checked: request.validate(limits) })
            }
        }
    }
}

impl Otlp {
    /// As a format that lives as long as the program.
    pub(crate) fn format(self) -> &'static dyn Format {
        match self {
            Self::Protobuf => &Self::Protobuf,
            Self::Json => &Self::Json,
        }
    }

    /// Reads metrics, logs or profiles far enough to know that they are; the service that sends them.
    pub(crate) fn check_signal(self, signal: Signal, body: &[u8]) -> Result<Option<String>, MalformedRequest> {
        if self == Self::Json {
            return json::check_signal(signal, body);
        }
        signal.check(body)?;
        Ok(service_name(body))
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// The body of an answer of success.
    pub(crate) fn success(self, response: &ExportResponse) -> Vec<u8> {
        match self {
            Self::Protobuf => response.to_protobuf(),
            Self::Json => response.to_json().into_bytes(),
        }
    }

    /// The body of any other answer.
    pub(crate) fn failure(self, status: &Status) -> Vec<u8> {
        match self {
            Self::Protobuf => status.to_protobuf(),
            Self::Json => status.to_json().into_bytes(),
        }
    }
}
