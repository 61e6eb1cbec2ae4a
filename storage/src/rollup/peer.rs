//! Peers that report no spans: the other side of a call, named after what the caller says about it.

use hoptrail_proto::model::SpanKind;

/// The other side of a call that reports no spans itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What to call it.
    pub name: String,
    /// The attribute it is named after; `None` when the caller says nothing about it.
    pub named_after: Option<&'static str>,
    /// What it is.
    pub kind: PeerKind,
}

/// What a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerKind {
    /// A database or cache.
    Database,
    /// A queue, topic or broker.
    Queue,
    /// Any other service: legacy, foreign, or just not instrumented.
    Service,
}

impl PeerKind {
    /// What a reader calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Queue => "queue",
            Self::Service => "uninstrumented service",
        }
    }
}

/// Attributes that name a peer service, best first; semantic conventions 1.2x and older.
const NAMES: [&str; 5] =
    ["service.peer.name", "peer.service", "faas.invoked_name", "gen_ai.provider.name", "gen_ai.system"];
const ADDRESSES: [&str; 8] = [
    "server.address",
    "net.peer.name",
    "http.host",
    "peer.hostname",
    "peer.address",
    "network.peer.address",
    "net.sock.peer.name",
    "net.peer.ip",
];
const PORTS: [&str; 3] = ["server.port", "net.peer.port", "network.peer.port"];
const DATABASES: [&str; 2] = ["db.system.name", "db.system"];
const DATABASE_NAMES: [&str; 3] = ["db.namespace", "db.name", "db.redis.database_index"];
const QUEUES: [&str; 1] = ["messaging.system"];
const DESTINATIONS: [&str; 2] = ["messaging.destination.name", "messaging.destination"];
const RPC_SERVICES: [&str; 1] = ["rpc.service"];
const RPC_SYSTEMS: [&str; 2] = ["rpc.system", "rpc.system.name"];
const URLS: [&str; 2] = ["url.full", "http.url"];

/// All attributes that may name a peer. The URLs, of which each call may have its own, are last.
pub(super) const KEYS: [&str; 29] = {
    let lists: [&[&str]; 10] = [
        &NAMES,
        &ADDRESSES,
        &PORTS,
        &DATABASES,
        &DATABASE_NAMES,
        &QUEUES,
        &DESTINATIONS,
        &RPC_SERVICES,
        &RPC_SYSTEMS,
        &URLS,
    ];
    joined(lists)
};

#[expect(clippy::indexing_slicing, reason = "at compile time, where a wrong index does not compile")]
const fn joined<const N: usize>(lists: [&[&'static str]; 10]) -> [&'static str; N] {
    let (mut all, mut at, mut list) = ([""; N], 0, 0);
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            all[at] = lists[list][index];
            at += 1;
            index += 1;
        }
        list += 1;
    }
    assert!(at == N, "as many keys as there are");
    all
}

/// What the attributes of a span say. An attribute counts when it is a number or a text with something in it.
struct Said<F>(F);

/// The peer that a span of this kind talks about; `None` when it makes no call. `said` gives the text of an attribute of the span.
pub(super) fn peer_of(kind: SpanKind, said: impl Fn(&'static str) -> Option<String>) -> Option<Peer> {
    let said = Said(said);
    let found = || said.database().or_else(|| said.queue()).or_else(|| said.service(kind));
    match kind {
        SpanKind::Server | SpanKind::Consumer => None,
        SpanKind::Client => Some(found().unwrap_or_else(|| unknown("unknown peer", PeerKind::Service))),
        SpanKind::Producer => Some(found().unwrap_or_else(|| unknown("unknown queue", PeerKind::Queue))),
        SpanKind::Internal | SpanKind::Unspecified => found(),
    }
}

/// The queue that a consumer takes its message from.
pub(super) fn queue_of(said: impl Fn(&'static str) -> Option<String>) -> Peer {
    Said(said).queue().unwrap_or_else(|| unknown("unknown queue", PeerKind::Queue))
}

fn unknown(name: &str, kind: PeerKind) -> Peer {
    Peer { name: name.to_owned(), named_after: None, kind }
}

impl<F: Fn(&'static str) -> Option<String>> Said<F> {
    fn database(&self) -> Option<Peer> {
        let (key, system) = self.first(&DATABASES)?;
        let name = match self.first(&NAMES[..2]) {
            Some((key, name)) => return Some(Peer { name, named_after: Some(key), kind: PeerKind::Database }),
            None => self.first(&DATABASE_NAMES).or_else(|| self.address()).map(|(_, name)| name),
        };
        let name = name.map_or_else(|| system.clone(), |name| format!("{system} {name}"));
        Some(Peer { name, named_after: Some(key), kind: PeerKind::Database })
    }

    fn queue(&self) -> Option<Peer> {
        let (key, system) = self.first(&QUEUES)?;
        let destination = self.first(&DESTINATIONS).map(|(_, name)| name);
        let name = destination.map_or_else(|| system.clone(), |name| format!("{system} {name}"));
        Some(Peer { name, named_after: Some(key), kind: PeerKind::Queue })
    }

    fn service(&self, kind: SpanKind) -> Option<Peer> {
        let (key, name) = self
            .first(&NAMES)
            .or_else(|| self.first(&RPC_SERVICES).filter(|_| kind == SpanKind::Client))
            .or_else(|| self.address())
            .or_else(|| URLS.iter().find_map(|key| Some((*key, url_host(&(self.0)(key)?)?))))
            .or_else(|| self.first(&RPC_SYSTEMS))?;
        Some(Peer { name, named_after: Some(key), kind: PeerKind::Service })
    }

    fn address(&self) -> Option<(&'static str, String)> {
        let (key, host) = self.first(&ADDRESSES)?;
        match self.first(&PORTS) {
            Some((_, port)) if !host.contains(':') => Some((key, format!("{host}:{port}"))),
            _ => Some((key, host)),
        }
    }

    fn first(&self, keys: &[&'static str]) -> Option<(&'static str, String)> {
        keys.iter().find_map(|key| Some((*key, (self.0)(key)?)))
    }
}

/// Host and port of an absolute URL.
fn url_host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls() {
        let cases = [
            ("https://user:pw@pay.example:8443/charge?x=1", Some("pay.example:8443")),
            ("http://legacy/", Some("legacy")),
            ("http://[::1]:80?q", Some("[::1]:80")),
            ("/relative", None),
            ("http://", None),
        ];
        for (url, host) in cases {
            assert_eq!(url_host(url).as_deref(), host, "{url}");
        }
    }
}
