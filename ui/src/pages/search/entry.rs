//! What a trace is about. The root of a proxy says nothing: `frontend.shop.svc:8080/*` is the name of every trace that it lets in. The
//! earliest span that names a route or a method says more.

use std::collections::HashMap;

use hoptrail_proto::model::{AnyValue, Span, SpanKind, TraceId};
use hoptrail_query::assemble::{Node, TraceTree};
use hoptrail_query::{Field, SearchRequest, Service, TraceHit, Value, traceql};

use crate::context::Visit;

/// Spans that say what was asked of their service.
const TELLING: &str = "{ (kind = server || kind = consumer) && (span.http.route != nil || span.rpc.method != nil || \
                       span.messaging.destination.name != nil || span.faas.trigger != nil) }";
/// The keys that it asks for.
const TELLING_KEYS: [&str; 4] = ["http.route", "rpc.method", "messaging.destination.name", "faas.trigger"];
/// Methods of HTTP, which alone say nothing.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
/// First words of the names that proxies give.
const PROXY: [&str; 3] = ["ingress", "egress", "router"];

/// A span that says what its trace is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) service: String,
    pub(crate) name: String,
}

/// What a trace is called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) service: String,
    pub(crate) name: String,
    /// The service of the root, when the name is that of another service.
    pub(crate) via: String,
}

impl Title {
    /// The name of the root or, when that says little, of the entry.
    pub(super) fn new(root: Option<&(String, String)>, entry: Option<&Entry>) -> Self {
        let (service, name) = root.cloned().unwrap_or_default();
        match entry {
            Some(entry) if root.is_some() && entry.service != service => {
                Self { service: entry.service.clone(), name: entry.name.clone(), via: shown_service(&service) }
            }
            Some(entry) => Self { service: entry.service.clone(), name: entry.name.clone(), via: String::new() },
            None => Self { service, name, via: String::new() },
        }
    }

    /// The same for a trace whose spans are at hand; `None` when neither its root nor an entry is.
    pub(crate) fn of(tree: &TraceTree<'_>) -> Option<Self> {
        let root = tree.summary.root.as_ref();
        let needs_entry = root.is_none_or(|(_, name)| says_little(name));
        let entry = needs_entry.then(|| entry_of(tree)).flatten();
        (root.is_some() || entry.is_some()).then(|| Self::new(root, entry.as_ref()))
    }
}

/// A service's name, or a word for a service without one.
pub(crate) fn shown_service(name: &str) -> String {
    if name.is_empty() { "unknown service".to_owned() } else { name.to_owned() }
}

/// The earliest span that says what was asked of its service.
fn entry_of(tree: &TraceTree<'_>) -> Option<Entry> {
    let spans = tree.nodes.iter().filter_map(Node::span).filter(|span| tells(&span.span));
    let first = spans.min_by_key(|span| (span.span.start_unix_nano, span.span.span_id))?;
    let text = |keys: &str| first.span.attribute(keys).and_then(AnyValue::as_str);
    let name = entry_name(&first.span.name, text("http.request.method"), text("http.route"));
    Some(Entry { service: first.resource.service_name().to_owned(), name })
}

/// As [`TELLING`] asks.
fn tells(span: &Span) -> bool {
    let has = |key| span.attribute(key).is_some();
    matches!(span.kind, SpanKind::Server | SpanKind::Consumer) && TELLING_KEYS.into_iter().any(has)
}

fn entry_name(name: &str, method: Option<&str>, route: Option<&str>) -> String {
    let name = match route {
        Some(route) if says_little(name) => format!("{} {route}", method.unwrap_or_default()),
        _ => name.to_owned(),
    };
    name.trim().to_owned()
}

/// Whether a span name does not tell one request from another.
pub(crate) fn says_little(name: &str) -> bool {
    let name = name.trim();
    let first = name.split_whitespace().next().unwrap_or_default();
    let is_pattern = name.ends_with("/*") || name == "*";
    let bare = name.strip_prefix("HTTP ").unwrap_or(name);
    name.is_empty() || is_pattern || name == "/" || METHODS.contains(&bare) || PROXY.contains(&first)
}

/// The entries of those of these traces whose roots say little. Without an answer there are none: a list with the names of roots is
/// better than no list.
pub(super) async fn entries(visit: &Visit, service: &Service, hits: &[TraceHit]) -> HashMap<TraceId, Entry> {
    let traces: Vec<TraceId> = hits.iter().filter(|hit| needs_entry(hit)).map(|hit| hit.trace_id).collect();
    let Some(compiled) = traceql::compile(TELLING).ok().filter(|_| !traces.is_empty()) else { return HashMap::new() };
    let request = SearchRequest {
        spans: compiled.spans,
        limit: traces.len(),
        spans_per_set: 1,
        select: vec![Field::service(), method(), route()],
        traces: Some(traces),
        ..SearchRequest::default()
    };
    let found = service.search(&visit.tenant, request).await.map(|answer| answer.value.hits).unwrap_or_default();
    found.iter().filter_map(|hit| Some((hit.trace_id, entry(hit)?))).collect()
}

fn needs_entry(hit: &TraceHit) -> bool {
    hit.root.as_ref().is_none_or(|(_, name)| says_little(name))
}

fn method() -> Field {
    Field::attribute(hoptrail_query::AttributeScope::Span, "http.request.method")
}

fn route() -> Field {
    Field::attribute(hoptrail_query::AttributeScope::Span, "http.route")
}

fn entry(hit: &TraceHit) -> Option<Entry> {
    let span = hit.spans().next()?;
    let text = |wanted: &Field| {
        let (_, value) = span.fields.iter().find(|(field, _)| field == wanted)?;
        match value {
            Value::Any(AnyValue::String(text)) => Some(text.as_str()),
            _ => None,
        }
    };
    let service = text(&Field::service()).unwrap_or_default().to_owned();
    Some(Entry { service, name: entry_name(&span.name, text(&method()), text(&route())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_little_are_known() {
        for name in ["", "*", "/", "GET", "HTTP POST", "shop.svc:8080/*", "ingress", "router a|b egress", "egress x"] {
            assert!(says_little(name), "{name}");
        }
        for name in ["GET /cart", "/cart", "shop.Cart/Add", "Getting", "ingressed", "SELECT * FROM x", "get"] {
            assert!(!says_little(name), "{name}");
        }
    }
}
