//! Where a server is: `http://NAME:PASSWORD@HOST:PORT/PREFIX`.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};

/// The port of Tempo's API, where the address names neither a scheme nor a port.
const PORT: u16 = 3200;

/// The address of a server. It is shown without name and password.
#[derive(Debug, Clone)]
pub struct Address {
    base: String,
    authorization: Option<HeaderValue>,
}

impl Address {
    /// The value of the header that carries name and password.
    #[must_use]
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads `http://127.0.0.1:3200`, `localhost`, or `http://name:password@host/prefix`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("", text.trim()));
        match scheme {
            "" | "http" => {}
            "https" => return Err("this client has no TLS: give an address that begins with http://".to_owned()),
            _ => return Err("it must begin with http://".to_owned()),
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let uri: Uri = format!("http://{host}{path}").parse().map_err(|error| format!("{error}"))?;
        if uri.host().unwrap_or_default().is_empty() {
            return Err("it names no host".to_owned());
        }
        if uri.query().is_some() {
            return Err("it must end before the ?".to_owned());
        }
        let port = if scheme.is_empty() && uri.port().is_none() { format!(":{PORT}") } else { String::new() };
        let base = format!("http://{host}{port}{}", path.trim_end_matches('/'));
        Ok(Self { base, authorization: user.map(basic).transpose()? })
    }
}

/// `Basic …` of `name:password`, both percent-encoded.
fn basic(user: &str) -> Result<HeaderValue, String> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut pair = decoded(name);
    pair.push(b':');
    pair.extend(decoded(password));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| "name and password cannot be sent".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Without percent-encoding. What is no escape stays.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed() {
        for (text, base) in [
            ("http://127.0.0.1:3200", "http://127.0.0.1:3200"),
            ("http://tempo.example/", "http://tempo.example"),
            ("tempo.example", "http://tempo.example:3200"),
            ("[::1]:80/tempo/", "http://[::1]:80/tempo"),
            ("http://a:b@h:1", "http://h:1"),
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), base);
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, why) in [
            ("https://h", "no TLS"),
            ("ftp://h", "http://"),
            ("http://", "names no host"),
            ("h h", "invalid"),
            ("h/?q=x", "before the ?"),
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn name_and_password_are_sent_and_never_shown() {
        let address: Address = "http://jane:p%40ss%3a%zz@h".parse().expect("an address");
        let value = address.authorization().expect("given").to_str().expect("text");
        let pair = STANDARD.decode(value.strip_prefix("Basic ").expect("basic")).expect("base64");
        assert_eq!(pair, b"jane:p@ss:%zz");
        assert!(!format!("{address} {address:?}").contains("jane"));
        assert!("http://h".parse::<Address>().expect("an address").authorization().is_none());
    }
}
