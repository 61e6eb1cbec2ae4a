//! `host:port` to listen on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host name or IP address with a port. `:4317` means every interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    host: String,
    port: u16,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address to listen on: write HOST:PORT, for example 0.0.0.0:4317")]
pub struct InvalidAddress(String);

impl Address {
    /// This port of the machine itself, unreachable from elsewhere.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port }
    }

    /// The port; 0 means any free one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether two cannot listen on both at once.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        self.port != 0 && self.port == other.port && (self.covers(other) || other.covers(self))
    }

    /// Whether every connection to the other host would come here: `[::]` takes those to IPv4 addresses as well.
    fn covers(&self, other: &Self) -> bool {
        match self.host() {
            "[::]" => true,
            "0.0.0.0" => !other.host.starts_with('['),
            host => host.eq_ignore_ascii_case(other.host()),
        }
    }

    fn host(&self) -> &str {
        if self.host.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { &self.host }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plausible = bracketed || !host.contains([':', '/', ' ', '[', ']']);
        if !plausible {
            return Err(invalid());
        }
        // An empty host listens on IPv4 and IPv6, as it does in most servers.
        let host = if host.is_empty() { "[::]" } else { host };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read() {
        let cases = [
            ("127.0.0.1:4317", "127.0.0.1:4317"),
            (":3200", "[::]:3200"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:80", "localhost:80"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Address>().expect("an address").to_string(), shown);
        }
    }

    #[test]
    fn addresses_collide_that_take_the_same_connections() {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let cases = [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:1", "localhost:1", true),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            (":1", "127.0.0.1:1", true),
            (":1", "[::1]:1", true),
            ("trace.example:1", "Trace.example:1", true),
        ];
        for (one, other, collide) in cases {
            let (one, other) = (address(one), address(other));
            assert_eq!((one.collides(&other), other.collides(&one)), (collide, collide), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_address_says_how_to_write_one() {
        for text in ["", "4317", "localhost", "a:b", "1:2:3", "http://x:1", "h:70000", "h:-1", "a b:1"] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains("HOST:PORT"), "{error}");
        }
    }
}
