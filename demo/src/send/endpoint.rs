//! Where to send: a URL, the protocol it stands for, and headers.

use std::str::FromStr;

use http::{HeaderName, HeaderValue, Uri};

/// How spans travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP.
    Http,
}

/// A server that takes spans.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: Uri,
    protocol: Protocol,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Endpoint {
    /// Reads a URL such as `http://127.0.0.1:4317`. Without `protocol`, a path or port 4318 means HTTP, anything else gRPC.
    ///
    /// Fails with a reason for people.
    pub fn new(url: &str, protocol: Option<Protocol>, headers: &[Header]) -> Result<Self, String> {
        let read = || {
            let uri = parse(url)?;
            let protocol = protocol.unwrap_or_else(|| usual_protocol(&uri));
            let headers = headers.iter().map(Header::pair).collect();
            let url = complete(&uri, protocol).map_err(|error| error.to_string())?;
            Ok(Self { url, protocol, headers })
        };
        read().map_err(|reason: String| format!("{url:?} is no endpoint: {reason}"))
    }

    /// How spans travel there.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The URL; over HTTP with the path.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Headers to send with each request.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

/// `localhost` as `http://localhost`.
fn parse(url: &str) -> Result<Uri, String> {
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = full.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    if uri.scheme_str() != Some("http") {
        return Err("it must begin with http://, because this client has no TLS".to_owned());
    }
    if uri.host().unwrap_or_default().is_empty() {
        return Err("it names no host".to_owned());
    }
    Ok(uri)
}

fn usual_protocol(uri: &Uri) -> Protocol {
    if uri.path() != "/" || uri.port_u16() == Some(4318) { Protocol::Http } else { Protocol::Grpc }
}

/// Adds the port and, over HTTP, the path that the OTLP specification fixes.
fn complete(uri: &Uri, protocol: Protocol) -> Result<Uri, http::Error> {
    let (port, path) = match protocol {
        Protocol::Grpc => (4317, ""),
        Protocol::Http if uri.path() == "/" => (4318, "/v1/traces"),
        Protocol::Http => (4318, uri.path()),
    };
    let port = uri.port_u16().unwrap_or(port);
    Ok(format!("http://{}:{port}{path}", uri.host().unwrap_or_default()).parse::<Uri>()?)
}

/// `NAME=VALUE`, sent with each request.
#[derive(Debug, Clone)]
pub struct Header {
    name: HeaderName,
    value: HeaderValue,
}

impl Header {
    /// Name and value.
    #[must_use]
    pub fn pair(&self) -> (HeaderName, HeaderValue) {
        (self.name.clone(), self.value.clone())
    }
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
        let name = name.trim().parse().map_err(|_| format!("{name:?} is no header name"))?;
        let value = value.trim().parse().map_err(|_| format!("{value:?} is no header value"))?;
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_says_the_protocol() {
        let cases = [
            ("http://127.0.0.1:4317", Protocol::Grpc, "http://127.0.0.1:4317/"),
            ("localhost", Protocol::Grpc, "http://localhost:4317/"),
            ("http://h:4318", Protocol::Http, "http://h:4318/v1/traces"),
            ("http://h:9/otlp/v1/traces", Protocol::Http, "http://h:9/otlp/v1/traces"),
            ("[::1]:4318", Protocol::Http, "http://[::1]:4318/v1/traces"),
        ];
        for (url, protocol, full) in cases {
            let endpoint = Endpoint::new(url, None, &[]).expect(url);
            assert_eq!((endpoint.protocol(), endpoint.url().to_string()), (protocol, full.to_owned()));
        }
        let forced = Endpoint::new("http://h:1", Some(Protocol::Http), &[]).expect("valid");
        assert_eq!(forced.url().to_string(), "http://h:1/v1/traces");
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (url, why) in [("https://h", "no TLS"), ("http://", "is no endpoint"), ("h h", "is no endpoint")] {
            let error = Endpoint::new(url, None, &[]).expect_err(url);
            assert!(error.contains(why), "{error}");
        }
        assert!("x-scope-orgid=a".parse::<Header>().is_ok());
        assert!("novalue".parse::<Header>().is_err());
    }
}
