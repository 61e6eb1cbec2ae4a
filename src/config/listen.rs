//! The section `listen`: an address for each row of the endpoint table, and bounds for all of them.

use std::fmt;
use std::time::Duration;

use hoptrail_proto::units;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Address;
use crate::endpoints::{ENDPOINTS, Endpoint};

/// Addresses to listen on. Port 0 takes any free port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// An address for each of [`ENDPOINTS`].
    addresses: [Address; ENDPOINTS.len()],
    /// Most connections open at once on each of them. One more is closed at once.
    pub max_connections: usize,
    /// Time after which a connection is closed when nothing is asked on it.
    pub idle_timeout: Duration,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            addresses: std::array::from_fn(|at| Address::loopback(ENDPOINTS[at].default_port)),
            max_connections: 1024,
            idle_timeout: Duration::from_secs(300),
        }
    }
}

impl Listen {
    /// Each endpoint with its address.
    pub fn endpoints(&self) -> impl Iterator<Item = (&'static Endpoint, &Address)> + Clone {
        ENDPOINTS.iter().zip(&self.addresses)
    }

    /// Two endpoints that cannot both listen where they should.
    pub(super) fn collision(&self) -> Option<[(&'static Endpoint, &Address); 2]> {
        let pairs =
            self.endpoints().enumerate().flat_map(|(at, one)| self.endpoints().skip(at + 1).map(move |two| [one, two]));
        pairs.into_iter().find(|[(_, one), (_, two)]| one.collides(two))
    }
}

const MAX_CONNECTIONS: &str = "max_connections";
const IDLE_TIMEOUT: &str = "idle_timeout";

/// The keys of the section.
const KEYS: [&str; ENDPOINTS.len() + 2] = {
    let mut keys = [MAX_CONNECTIONS; ENDPOINTS.len() + 2];
    let mut at = 0;
    while at < ENDPOINTS.len() {
        keys[at] = ENDPOINTS[at].key;
        at += 1;
    }
    keys[at] = IDLE_TIMEOUT;
    keys
};

/// A duration with its text form.
#[derive(Serialize, Deserialize)]
struct Timeout(#[serde(with = "units::duration")] Duration);

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut section = serializer.serialize_map(Some(KEYS.len()))?;
        for (endpoint, address) in self.endpoints() {
            section.serialize_entry(endpoint.key, address)?;
        }
        section.serialize_entry(MAX_CONNECTIONS, &self.max_connections)?;
        section.serialize_entry(IDLE_TIMEOUT, &Timeout(self.idle_timeout))?;
        section.end()
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadListen)
    }
}

struct ReadListen;

impl<'de> Visitor<'de> for ReadListen {
    type Value = Listen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("addresses to listen on")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut section: A) -> Result<Listen, A::Error> {
        let mut listen = Listen::default();
        while let Some(key) = section.next_key::<String>()? {
            let mut addresses = ENDPOINTS.iter().zip(&mut listen.addresses);
            if let Some((_, address)) = addresses.find(|(endpoint, _)| endpoint.key == key) {
                *address = section.next_value()?;
                continue;
            }
            match key.as_str() {
                MAX_CONNECTIONS => listen.max_connections = section.next_value()?,
                IDLE_TIMEOUT => listen.idle_timeout = section.next_value::<Timeout>()?.0,
                _ => return Err(de::Error::unknown_field(&key, &KEYS)),
            }
        }
        Ok(listen)
    }
}
