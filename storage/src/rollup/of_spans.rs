//! Counts the spans of a trace from their model.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use hoptrail_proto::model::{AnyValue, Resource, SpanKind, StatusCode, TraceSpan};

use super::hops::{HopSpan, Hops};
use super::peer::{KEYS, peer_of, queue_of};
use super::tally::Counted;
use super::{Connection, NodeKind, Peer, PeerKind, RollupKey, SpanNames, Tally};
use crate::copies::Contents;

/// OTLP's flags: whether the sender says if the parent is remote, and that it is.
const REMOTE: u32 = 0x300;

/// Where a span is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) span: u32,
    pub(crate) instance: u32,
}

/// What the key of a span is made of, beside its resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyParts<'p> {
    pub(crate) name: &'p str,
    pub(crate) kind: SpanKind,
    pub(crate) status: StatusCode,
    pub(crate) flags: u32,
    pub(crate) is_root: bool,
}

impl KeyParts<'_> {
    fn is_entry(&self) -> bool {
        let served = matches!(self.kind, SpanKind::Server | SpanKind::Consumer);
        served || self.is_root || self.flags & REMOTE == REMOTE
    }
}

impl Tally {
    /// Where a span is counted.
    pub(crate) fn place(
        &mut self,
        parts: &KeyParts<'_>,
        resource: &Resource,
        dimensions: Vec<String>,
        names: &mut SpanNames,
    ) -> Place {
        let service = resource.service_name().to_owned();
        let of_resource =
            |keys: &[&str]| keys.iter().find_map(|key| text(resource.attribute(key)?)).unwrap_or_default();
        let instance = RollupKey::Instance {
            service: service.clone(),
            version: of_resource(&["service.version"]),
            instance: of_resource(&["service.instance.id", "k8s.pod.name", "host.name"]),
        };
        let name = names.name_of(&service, parts.name);
        let (KeyParts { kind, status, .. }, entry) = (*parts, parts.is_entry());
        let span = self.key(RollupKey::Span { service, name, kind, status, entry, dimensions });
        Place { span, instance: self.key(instance) }
    }

    /// The node of a peer, and how it is called.
    pub(crate) fn peer(&mut self, peer: &Peer) -> (u32, Connection) {
        let connection = match peer.kind {
            PeerKind::Database => Connection::Database,
            PeerKind::Queue => Connection::Message,
            PeerKind::Service => Connection::Virtual,
        };
        (self.node(peer.kind.into(), &peer.name), connection)
    }
}

/// Counts all spans of a trace, which are without copies, and its hops.
pub(crate) fn add_spans(tally: &mut Tally, names: &mut SpanNames, dimensions: &[String], spans: &[TraceSpan]) {
    for span in spans {
        let place = tally.place(&parts_of(span), &span.resource, values(span, dimensions), names);
        let counted = Counted {
            start: span.span.start_unix_nano,
            duration: duration(span),
            failed: span.span.status.code == StatusCode::Error,
            weight: weight(span),
            bytes: u32::try_from(hoptrail_proto::otlp::span_bytes(span)).unwrap_or(u32::MAX),
        };
        tally.add(place.span, &counted);
        tally.add_to_instance(place.instance, &counted);
    }
    add_hops(tally, spans);
}

/// Counts the hops of a trace.
fn add_hops(tally: &mut Tally, spans: &[TraceSpan]) {
    let mut spans: Vec<&TraceSpan> = spans.iter().collect();
    let key = |span: &&TraceSpan| (span.span.start_unix_nano, span.span.span_id);
    spans.sort_by_key(key);
    if spans.windows(2).any(|pair| matches!(pair, [one, other] if key(one) == key(other))) {
        let mut contents = Contents::default();
        spans.sort_by_cached_key(|span| (key(span), contents.hash(span)));
    }
    let mut services = HashMap::new();
    let light: Vec<HopSpan> = spans.iter().map(|span| hop_span(span, tally, &mut services)).collect();
    let (mut hops, user, linked) = (Vec::new(), tally.user(), linked(spans.iter().copied()));
    Hops::default().of(&light, user, |span| linked.contains(&span), |hop| hops.push(*hop));
    hops.iter().for_each(|hop| tally.add_hop(hop, 1));
}

/// What hops tell of a span. A service is looked up once for each resource.
pub(crate) fn hop_span(span: &TraceSpan, tally: &mut Tally, services: &mut HashMap<usize, u32>) -> HopSpan {
    let known = services.entry(Arc::as_ptr(&span.resource).addr());
    let service = *known.or_insert_with(|| tally.node(NodeKind::Service, span.resource.service_name()));
    let said = |key| text(span.span.attribute(key)?);
    let peer = match span.span.kind {
        SpanKind::Consumer => Some(queue_of(said)),
        kind => peer_of(kind, said),
    };
    HopSpan {
        id: u64::from_be_bytes(span.span.span_id.0),
        parent: span.span.parent_span_id.map_or(0, |parent| u64::from_be_bytes(parent.0)),
        start: span.span.start_unix_nano,
        duration: duration(span),
        service,
        kind: span.span.kind,
        failed: span.span.status.code == StatusCode::Error,
        weight: weight(span),
        peer: peer.map(|peer| tally.peer(&peer)),
    }
}

/// The spans that others of the same trace link to.
pub(crate) fn linked<'s>(spans: impl Iterator<Item = &'s TraceSpan>) -> HashSet<u64> {
    let within = |span: &'s TraceSpan| span.span.links.iter().filter(|link| link.trace_id == span.span.trace_id);
    spans.flat_map(within).map(|link| u64::from_be_bytes(link.span_id.0)).collect()
}

/// The peer that a span talks about.
#[must_use]
pub fn peer_of_span(span: &TraceSpan) -> Option<Peer> {
    static NAMING: LazyLock<HashSet<&str>> = LazyLock::new(|| KEYS.into_iter().collect());
    // Most spans make no call and name nobody: that is seen in one walk over their attributes.
    let names_one = || span.span.attributes.iter().any(|one| NAMING.contains(one.key.as_str()));
    if matches!(span.span.kind, SpanKind::Internal | SpanKind::Unspecified) && !names_one() {
        return None;
    }
    peer_of(span.span.kind, |key| text(span.span.attribute(key)?))
}

fn parts_of(span: &TraceSpan) -> KeyParts<'_> {
    KeyParts {
        name: &span.span.name,
        kind: span.span.kind,
        status: span.span.status.code,
        flags: span.span.flags,
        is_root: span.span.parent_span_id.is_none(),
    }
}

/// The values of the configured dimensions: of the span's attributes, or else of its resource's.
fn values(span: &TraceSpan, dimensions: &[String]) -> Vec<String> {
    let value = |key: &String| text(span.span.attribute(key).or_else(|| span.resource.attribute(key))?);
    dimensions.iter().map(|key| value(key).unwrap_or_default()).collect()
}

fn duration(span: &TraceSpan) -> u64 {
    span.span.end_unix_nano.saturating_sub(span.span.start_unix_nano)
}

fn weight(span: &TraceSpan) -> f64 {
    hoptrail_proto::model::sampling::weight(&span.span.trace_state, span.span.trace_id).unwrap_or(1.0)
}

/// The text of a value that is a number or a text with something in it.
pub(crate) fn text(value: &AnyValue) -> Option<String> {
    match value {
        AnyValue::String(text) if !text.is_empty() => Some(text.clone()),
        AnyValue::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
