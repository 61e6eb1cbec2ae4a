//! Who sent a request, as far as the request says.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::header::USER_AGENT;
use http::request::Parts;

/// The most characters of a name that are kept; names come from clients.
const NAME: usize = 100;

/// Who sent a request. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Sender {
    /// `service.name` of its first resource.
    pub(crate) service: String,
    /// Where the connection comes from, perhaps a proxy.
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: String,
}

impl Sender {
    /// The sender that the head of a request names. The listener has put the address into it.
    pub(crate) fn of(parts: &Parts) -> Self {
        let agent = parts.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            service: String::new(),
            address: peer.map(|peer| peer.0.ip().to_canonical()),
            user_agent: agent.map(|agent| clipped(&agent)).unwrap_or_default(),
        }
    }

    /// Notes the service, if it is known.
    pub(crate) fn is_of(&mut self, service: Option<&str>) {
        if let Some(service) = service {
            self.service = clipped(service);
        }
    }

    /// For logs.
    pub(crate) fn address(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(NAME).collect()
}
