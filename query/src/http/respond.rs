//! Answers in the form that the client accepts.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prost::Message;
use serde::Serialize;

use super::error::ApiError;
use crate::Error;

/// Says that an answer is cut, and by what. The messages have no field for it.
const TRUNCATED: HeaderName = HeaderName::from_static("hoptrail-truncated");

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/json`
    Json,
    /// `application/protobuf`
    Protobuf,
    /// JSON for language models. Most answers have no such form, and are JSON then.
    Llm,
}

/// What is named first in this list is sent, if an `Accept` header names it anywhere.
const FORMATS: [(&str, Format); 3] = [
    ("application/protobuf", Format::Protobuf),
    ("application/json", Format::Json),
    ("application/vnd.grafana.llm", Format::Llm),
];

impl Format {
    /// JSON, unless another one is accepted.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepted = || headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let found = FORMATS.into_iter().find(|(name, _)| accepted().any(|value| value.contains(name)));
        found.map_or(Self::Json, |(_, format)| format)
    }
}

/// An answer of both forms.
pub(crate) fn message(format: Format, message: &(impl Message + Serialize)) -> Result<Response, ApiError> {
    match format {
        Format::Json | Format::Llm => json(message),
        Format::Protobuf => Ok(protobuf(message)),
    }
}

/// An answer in JSON.
pub(crate) fn json(message: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(message).map_err(Error::internal)?;
    Ok(typed("application/json", body))
}

/// An answer in JSON for language models.
pub(crate) fn llm(message: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(message).map_err(Error::internal)?;
    Ok(typed("application/vnd.grafana.llm+json", body))
}

/// An answer in protobuf.
pub(crate) fn protobuf(message: &impl Message) -> Response {
    typed("application/protobuf", message.encode_to_vec())
}

fn typed(kind: &'static str, body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// The answer, with a note when `cut` says what cut it.
pub(crate) fn truncated(mut response: Response, cut: Option<String>) -> Response {
    if let Some(cut) = cut.and_then(|cut| HeaderValue::try_from(cut).ok()) {
        response.headers_mut().insert(TRUNCATED, cut);
    }
    response
}

/// The answer, with a warning when something is missing in it. Clients read JSON strictly, so no message gets a field for it.
pub(crate) fn warned(mut response: Response, notice: Option<String>) -> Response {
    let warning = notice.map(|notice| format!("199 hoptrail \"{}\"", notice.replace(['"', '\\'], "'")));
    if let Some(warning) = warning.and_then(|warning| HeaderValue::try_from(warning).ok()) {
        response.headers_mut().insert(header::WARNING, warning);
    }
    response
}
