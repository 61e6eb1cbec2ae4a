//! Files with traces in the forms that tools write: OTLP as JSON or protobuf, Jaeger's JSON, Zipkin's JSON of version 2.

mod jaeger;
mod zipkin;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::model::TraceSpan;
use crate::otlp::{self, Limits, json};

/// Why a file has no spans for us.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It has another form.
    #[error(
        "the file has none of the forms that are read: OTLP (JSON or protobuf), Jaeger (JSON), Zipkin v2 (JSON); {0}"
    )]
    Unknown(String),
    /// It begins like a form that is known.
    #[error("the file looks like {form}, but cannot be read: {reason}")]
    Malformed {
        /// Which form.
        form: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is nothing in it.
    #[error("the file looks like {0}, but has no spans")]
    Empty(&'static str),
}

/// The spans of a file, and how many of its spans could not be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileSpans {
    /// Those that could be.
    pub spans: Vec<TraceSpan>,
    /// Which form the file has.
    pub form: &'static str,
    /// How many were left out: without ids, for example.
    pub refused: u64,
}

/// Names of the forms.
const OTLP_JSON: &str = "OTLP/JSON";
const OTLP: &str = "OTLP protobuf";
const JAEGER: &str = "Jaeger’s JSON";
const ZIPKIN: &str = "Zipkin’s JSON";

/// What tells the forms of JSON objects apart.
#[derive(Debug, Deserialize)]
struct Keys {
    #[serde(rename = "resourceSpans", alias = "resource_spans")]
    resource_spans: Option<IgnoredAny>,
    /// What Jaeger's API of version 3 puts around OTLP.
    result: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
    processes: Option<IgnoredAny>,
    #[serde(rename = "traceId")]
    trace_id: Option<IgnoredAny>,
}

/// Reads a file of any of the forms. Never panics; time and memory are linear in the file's length.
///
/// # Errors
/// It has none of the forms, or nothing of it can be read.
pub fn read(file: &[u8]) -> Result<FileSpans, FileError> {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii();
    let found = match text.first() {
        None => return Err(FileError::Unknown("it is empty".to_owned())),
        Some(b'{') => object(text)?,
        Some(b'[') => zipkin::read(text).map_err(malformed(ZIPKIN))?,
        Some(_) => protobuf(file)?,
    };
    if found.spans.is_empty() { Err(FileError::Empty(found.form)) } else { Ok(found) }
}

fn object(text: &[u8]) -> Result<FileSpans, FileError> {
    let keys: Keys = serde_json::from_slice(text).map_err(|error| FileError::Unknown(format!("as JSON: {error}")))?;
    match keys {
        Keys { resource_spans: Some(_), .. } => otlp_json(text),
        Keys { result: Some(_), .. } => {
            #[derive(Deserialize)]
            struct Around<'a> {
                #[serde(borrow)]
                result: &'a serde_json::value::RawValue,
            }
            let around: Around<'_> = serde_json::from_slice(text).map_err(malformed(OTLP_JSON))?;
            otlp_json(around.result.get().as_bytes())
        }
        Keys { data: Some(_), .. } => jaeger::read(text, true).map_err(malformed(JAEGER)),
        Keys { processes: Some(_), .. } => jaeger::read(text, false).map_err(malformed(JAEGER)),
        Keys { trace_id: Some(_), .. } => zipkin::read(text).map_err(malformed(ZIPKIN)),
        _ => Err(FileError::Unknown("the object has no resourceSpans, data or traceId".to_owned())),
    }
}

fn malformed<E: std::fmt::Display>(form: &'static str) -> impl Fn(E) -> FileError {
    move |error| FileError::Malformed { form, reason: error.to_string() }
}

fn otlp_json(text: &[u8]) -> Result<FileSpans, FileError> {
    let limits = Limits::default();
    let request = json::read(text, &limits).map_err(malformed(OTLP_JSON))?;
    decoded(&request.validate(&limits).map_err(malformed(OTLP_JSON))?, OTLP_JSON)
}

fn protobuf(file: &[u8]) -> Result<FileSpans, FileError> {
    let validated = otlp::validate(Bytes::copy_from_slice(file), &Limits::default());
    let unknown = |error: otlp::MalformedRequest| FileError::Unknown(format!("as protobuf: {error}"));
    let validated = validated.map_err(unknown)?;
    if validated.is_no_request() {
        return Err(FileError::Unknown("it is no text, and no protobuf with spans".to_owned()));
    }
    decoded(&validated, OTLP)
}

fn decoded(validated: &otlp::Validated, form: &'static str) -> Result<FileSpans, FileError> {
    let spans = otlp::decode(&validated.body).map_err(malformed(form))?;
    Ok(FileSpans { spans, form, refused: validated.refused.total().into() })
}

#[cfg(test)]
mod tests;
