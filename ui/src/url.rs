//! URLs: what a path names; query strings, read with every repetition and written with every unusual character escaped.

#![expect(clippy::disallowed_types, reason = "our extractors are made of axum's")]

use std::convert::Infallible;
use std::fmt::Write;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::PageError;

/// The parameters of a URL, in its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn of(uri: &Uri) -> Self {
        // Bytes that are not UTF-8 become replacement characters, so this does not fail on any query string.
        Self(Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default())
    }

    /// The first value of `name`, trimmed; empty when absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default().trim()
    }

    /// The first of these parameters that is present and not empty.
    pub(crate) fn first(&self, names: &[&str]) -> &str {
        names.iter().map(|name| self.text(name)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri))
    }
}

/// The part of a path that names something.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(PageError::BadPath)
    }
}

/// A path with a query string of the pairs whose value is not empty.
pub(crate) fn href<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut url = path.to_owned();
    let mut separator = '?';
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        url.push(separator);
        url.push_str(name);
        url.push('=');
        escape(value, &mut url);
        separator = '&';
    }
    url
}

/// An address on this server; `None` for one that leads elsewhere.
pub(crate) fn local_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('/')?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && !rest.starts_with(['/', '\\'])).then_some(text)
}

/// Text as one part of a path.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    // What is plain in a query string divides a path, or stands for itself there.
    out.replace('/', "%2F").replace('+', "%20")
}

/// Percent-encodes everything but what is plain in a query string.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b',' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let unusual = "a b+c&d=e%ü\"<>#?~\n";
        let url = href("/search", [("q", unusual), ("empty", ""), ("x", "1")]);
        assert!(url.is_ascii() && !url.contains(['"', '<', ' ', '#']), "{url}");
        let params = Params::of(&url.parse().expect("uri"));
        assert_eq!(params.all("q").next(), Some(unusual));
        assert_eq!((params.text("x"), params.text("empty"), params.first(&["empty", "x"])), ("1", "", "1"));
    }

    #[test]
    fn any_query_string_is_read() {
        for uri in ["/?%ff%00=%zz&&=&a", "/?", "/?a=1&a=2"] {
            Params::of(&uri.parse().expect("uri"));
        }
    }
}
