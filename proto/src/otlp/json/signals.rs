//! Requests of other signals in JSON: looked at as far as their protobuf is, and not kept.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::read::utf8;
use crate::otlp::malformed::MalformedRequest;
use crate::otlp::schema::is_camel_case;
use crate::otlp::signals::Signal;

/// Looks at a request of `signal` in JSON; the `service.name` of its first resource, where it has one.
pub fn check_signal(signal: Signal, body: &[u8]) -> Result<Option<String>, MalformedRequest> {
    let text = utf8(body);
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut json = serde_json::Deserializer::from_str(&text);
    let read = Request(signal).deserialize(&mut json).and_then(|service| json.end().map(|()| service));
    read.map_err(|error| MalformedRequest::new("json", error))
}

struct Request(Signal);

impl<'de> DeserializeSeed<'de> for Request {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Request {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.0.field())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (wanted, mut service, mut other) = (self.0.field(), None, None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == wanted || is_camel_case(wanted, &name) {
                service = Some(map.next_value::<Option<First<Group>>>()?.and_then(|groups| groups.found));
            } else {
                map.next_value::<IgnoredAny>()?;
                other = Some(name);
            }
        }
        match (service, other) {
            (None, Some(name)) => {
                let name: String = name.chars().take(40).collect();
                Err(A::Error::custom(format!("there are no {wanted} in it, but {name:?}")))
            }
            (service, _) => Ok(service.flatten()),
        }
    }
}

/// What may name the service.
trait NamesService {
    fn service(self) -> Option<String>;
}

/// A list, of which the first item that names the service counts. No item is kept.
struct First<T> {
    found: Option<String>,
    item: PhantomData<T>,
}

impl<'de, T: NamesService + Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(Self { found: None, item: PhantomData })
    }
}

impl<'de, T: NamesService + Deserialize<'de>> Visitor<'de> for First<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(item) = list.next_element::<Option<T>>()? {
            self.found = self.found.or_else(|| item.and_then(T::service));
        }
        Ok(self)
    }
}

/// `ResourceMetrics` or its like.
#[derive(Deserialize)]
struct Group {
    resource: Option<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    attributes: Option<First<Attribute>>,
}

impl NamesService for Group {
    fn service(self) -> Option<String> {
        self.resource?.attributes?.found
    }
}

/// An attribute of a resource: its text, if it is `service.name`.
struct Attribute(Option<String>);

impl NamesService for Attribute {
    fn service(self) -> Option<String> {
        self.0
    }
}

#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "stringValue", alias = "string_value")]
    text: String,
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let Pair { key, value } = Pair::deserialize(json)?;
        let is_name = key.is_some_and(|key| key.get() == r#""service.name""#);
        let text = value.filter(|_| is_name).and_then(|value| serde_json::from_str::<Text>(value.get()).ok());
        Ok(Self(text.map(|value| value.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_its_signal_tells_the_service() {
        let pair = |value: &str| format!(r#"{{"key":"service.name","value":{value}}}"#);
        let body = |value: &str| {
            let other = r#"{"key":"host.name","value":{"stringValue":"h"}}"#;
            let attributes = format!(r#"{{"attributes":[null,{other},{}]}}"#, pair(value));
            format!(r#"{{"resourceLogs":[{{"resource":{attributes},"scopeLogs":[{{"logRecords":[{{}}]}}]}}]}}"#)
        };
        let service = |text: &str| check_signal(Signal::Logs, text.as_bytes()).expect("logs");
        assert_eq!(service(&body(r#"{"stringValue":"caf\u00e9"}"#)).as_deref(), Some("café"));
        assert_eq!(service(&body(r#"{"string_value":"shop"}"#)).as_deref(), Some("shop"));
        for none in
            [&body(r#"{"stringValue":7}"#), "{}", "", " ", r#"{"resource_logs":null}"#, r#"{"resourceLogs":[]}"#]
        {
            assert_eq!(service(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_another_signal_or_no_json_is_refused() {
        let cases = [
            (r#"{"resourceSpans":[]}"#, "no resource_metrics in it, but \"resourceSpans\""),
            (r#"{"resourceLogs":[{}]}"#, "resource_metrics"),
            (r#"{"message":"hello"}"#, "resource_metrics"),
            ("[]", "an object with resource_metrics"),
            ("7", "an object with resource_metrics"),
            (r#"{"resourceMetrics":{}}"#, "a list of objects"),
            (r#"{"resourceMetrics":[7]}"#, "line 1"),
            (r#"{"resourceMetrics":[]"#, "line 1"),
            (r#"{"resourceMetrics":[]} x"#, "line 1"),
            ("<html>", "line 1"),
        ];
        for (body, message) in cases {
            let error = check_signal(Signal::Metrics, body.as_bytes()).expect_err(body).to_string();
            assert!(error.contains(message), "{body}: {error}");
        }
        assert!(check_signal(Signal::Metrics, b"{\"a\xff").is_err());
    }
}
