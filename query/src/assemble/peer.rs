//! Peers that report no spans: the other side of a call, named after what the caller says about it.

use std::collections::HashSet;

use hoptrail_proto::model::{AnyValue, SpanId, SpanKind, TraceId, TraceSpan};

use super::draft::Draft;
use super::{NodeKey, NodeKind};

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
const DESTINATIONS: [&str; 2] = ["messaging.destination.name", "messaging.destination"];
const URLS: [&str; 2] = ["url.full", "http.url"];

/// Adds a child for every call whose other side is not in the trace.
pub(super) fn infer(drafts: &mut Vec<Draft<'_>>, trace: TraceId) {
    let answered = answered(drafts, trace);
    let mut peers = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(span) = draft.span().filter(|_| !answered[index]) else { continue };
        let Some(peer) = peer_of(span) else { continue };
        let key = NodeKey { peer: true, ..draft.key };
        let mut inferred = Draft::new(key, NodeKind::Inferred(peer), draft.interval);
        inferred.parent = Some(index);
        inferred.outlier = draft.outlier;
        inferred.shift_nanos = draft.shift_nanos;
        peers.push(inferred);
    }
    drafts.append(&mut peers);
}

/// For every node: whether somebody in the trace took its call, or it makes none.
fn answered(drafts: &[Draft<'_>], trace: TraceId) -> Vec<bool> {
    let mut answered: Vec<bool> = drafts.iter().map(|draft| draft.span().is_none()).collect();
    let mut linked: HashSet<SpanId> = HashSet::new();
    for draft in drafts {
        let Some(child) = draft.span() else { continue };
        linked.extend(child.span.links.iter().filter(|link| link.trace_id == trace).map(|link| link.span_id));
        let Some((at, parent)) = draft.parent.and_then(|at| Some((at, drafts[at].span()?))) else { continue };
        answered[at] |= match parent.span.kind {
            SpanKind::Client | SpanKind::Producer => takes_over(parent, child),
            _ => true,
        };
    }
    for (index, draft) in drafts.iter().enumerate() {
        let produces = draft.span().is_some_and(|span| span.span.kind == SpanKind::Producer);
        answered[index] |= produces && linked.contains(&draft.key.span_id);
    }
    answered
}

/// Whether the child of a call is its other side, or makes the real call inside of it.
fn takes_over(parent: &TraceSpan, child: &TraceSpan) -> bool {
    !matches!(child.span.kind, SpanKind::Internal | SpanKind::Unspecified)
        || child.resource.service_name() != parent.resource.service_name()
}

/// The peer a span talks about; `None` when it makes no call.
fn peer_of(span: &TraceSpan) -> Option<Peer> {
    let found = database(span).or_else(|| queue(span)).or_else(|| service(span));
    match span.span.kind {
        SpanKind::Server | SpanKind::Consumer => None,
        SpanKind::Client => {
            Some(found.unwrap_or(Peer { name: "unknown peer".into(), named_after: None, kind: PeerKind::Service }))
        }
        SpanKind::Producer => {
            Some(found.unwrap_or(Peer { name: "unknown queue".into(), named_after: None, kind: PeerKind::Queue }))
        }
        SpanKind::Internal | SpanKind::Unspecified => found,
    }
}

fn database(span: &TraceSpan) -> Option<Peer> {
    let (key, system) = first(span, &DATABASES)?;
    let name = match first(span, &NAMES[..2]) {
        Some((key, name)) => return Some(Peer { name, named_after: Some(key), kind: PeerKind::Database }),
        None => first(span, &DATABASE_NAMES).map(|(_, name)| name).or_else(|| address(span).map(|(_, name)| name)),
    };
    let name = name.map_or_else(|| system.clone(), |name| format!("{system} {name}"));
    Some(Peer { name, named_after: Some(key), kind: PeerKind::Database })
}

fn queue(span: &TraceSpan) -> Option<Peer> {
    let (key, system) = first(span, &["messaging.system"])?;
    let destination = first(span, &DESTINATIONS).map(|(_, name)| name);
    let name = destination.map_or_else(|| system.clone(), |name| format!("{system} {name}"));
    Some(Peer { name, named_after: Some(key), kind: PeerKind::Queue })
}

fn service(span: &TraceSpan) -> Option<Peer> {
    let (key, name) = first(span, &NAMES)
        .or_else(|| first(span, &["rpc.service"]).filter(|_| span.span.kind == SpanKind::Client))
        .or_else(|| address(span))
        .or_else(|| URLS.iter().find_map(|key| Some((*key, url_host(&text(span, key)?)?))))
        .or_else(|| first(span, &["rpc.system", "rpc.system.name"]))?;
    Some(Peer { name, named_after: Some(key), kind: PeerKind::Service })
}

fn address(span: &TraceSpan) -> Option<(&'static str, String)> {
    let (key, host) = first(span, &ADDRESSES)?;
    match first(span, &PORTS) {
        Some((_, port)) if !host.contains(':') => Some((key, format!("{host}:{port}"))),
        _ => Some((key, host)),
    }
}

/// The first of these attributes that has a text or number.
fn first(span: &TraceSpan, keys: &[&'static str]) -> Option<(&'static str, String)> {
    keys.iter().find_map(|key| Some((*key, text(span, key)?)))
}

fn text(span: &TraceSpan, key: &str) -> Option<String> {
    match span.span.attribute(key)? {
        AnyValue::String(text) if !text.is_empty() => Some(text.clone()),
        AnyValue::Int(number) => Some(number.to_string()),
        _ => None,
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
