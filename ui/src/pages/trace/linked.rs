//! Who links to the span that is looked at: spans of its own trace, and of all others that the store has.

use std::time::Duration;

use hoptrail_proto::model::{AnyValue, SpanId, SpanLink, TraceId};
use hoptrail_query::assemble::{Node, NodeKey, TraceTree};
use hoptrail_query::{Field, Rows, SearchRequest, TraceHit, Value, traceql};

use crate::context::Visit;
use crate::format::{self, Moment};
use crate::pages::search::shown_service;
use crate::url;
use crate::waterfall::View;

/// Most spans of this trace that are listed.
const MOST: usize = 50;
/// Most spans of other traces.
const MOST_ELSEWHERE: usize = 20;
/// How long the store may look for them; without its answer there is the link to the search.
const WITHIN: Duration = Duration::from_secs(1);

/// The spans that link to one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Linked {
    pub(crate) spans: Vec<LinkingSpan>,
    /// Whether there are more.
    pub(crate) more: bool,
    /// A search for those of all traces; empty where there is no span.
    pub(crate) search: String,
}

/// A span that links to the one that is looked at.
#[derive(Debug, Clone)]
pub(crate) struct LinkingSpan {
    pub(crate) href: String,
    pub(crate) service: String,
    pub(crate) name: String,
    /// The id of its trace; empty for this one.
    pub(crate) trace: String,
    /// When it began; empty in this trace, where its row says so.
    pub(crate) start: String,
}

/// Those of other traces, the newest first. Nothing when the store does not say in time.
pub(super) async fn elsewhere(visit: &Visit, trace: TraceId, key: NodeKey) -> Linked {
    let query = format!("{{ {} && trace:id != \"{trace}\" }}", condition(trace, key.span_id));
    let Ok(compiled) = traceql::compile(&query) else { return Linked::default() };
    let request = SearchRequest {
        spans: compiled.spans,
        limit: MOST_ELSEWHERE + 1,
        rows: Rows::Spans,
        select: vec![Field::service()],
        ..SearchRequest::default()
    };
    let answer = tokio::time::timeout(WITHIN, visit.service().search(&visit.tenant, request)).await;
    let Ok(Ok(answer)) = answer else { return Linked::default() };
    let mut spans: Vec<LinkingSpan> = answer.value.hits.iter().filter_map(|hit| found(hit, visit)).collect();
    let more = spans.len() > MOST_ELSEWHERE;
    spans.truncate(MOST_ELSEWHERE);
    Linked { spans, more, search: String::new() }
}

fn found(hit: &TraceHit, visit: &Visit) -> Option<LinkingSpan> {
    let span = hit.spans().next()?;
    let service = span.fields.iter().find_map(|(field, value)| match value {
        Value::Any(AnyValue::String(text)) if *field == Field::service() => Some(text.as_str()),
        _ => None,
    });
    let (trace, start) = (hit.trace_id.to_string(), Moment::new(span.start_unix_nano, &visit.zone));
    Some(LinkingSpan {
        href: format!("/trace/{trace}?span={0}#s-{0}", span.span_id),
        service: shown_service(service.unwrap_or_default()),
        name: named(&span.name),
        start: format!("{} {}", start.text, start.zone),
        trace,
    })
}

/// Those of the trace itself first, then those `elsewhere`.
pub(super) fn linked(tree: &TraceTree<'_>, index: usize, view: &View, elsewhere: &Linked) -> Linked {
    let Some(span) = tree.nodes.get(index).and_then(Node::span) else { return Linked::default() };
    let id = span.span.span_id;
    let leads_here = |link: &SpanLink| link.span_id == id && link.trace_id == tree.id;
    let linking = tree.nodes.iter().filter_map(|node| Some((node, node.span()?)));
    let mut own = linking.filter(|(_, other)| other.span.links.iter().any(leads_here));
    let one = |(node, other): (&Node<'_>, &hoptrail_proto::model::TraceSpan)| LinkingSpan {
        href: view.selecting(Some(node.key)).href(&tree.id.to_string(), &format!("s-{}", node.key)),
        service: shown_service(other.resource.service_name()),
        name: named(&other.span.name),
        trace: String::new(),
        start: String::new(),
    };
    let mut spans: Vec<LinkingSpan> = own.by_ref().take(MOST).map(one).collect();
    let more = own.next().is_some() || elsewhere.more;
    spans.extend(elsewhere.spans.iter().cloned());
    let query = format!("{{ {} }}", condition(tree.id, id));
    Linked { spans, more, search: url::href("/search", [("q", query.as_str()), ("lookback", "all")]) }
}

fn condition(trace: TraceId, span: SpanId) -> String {
    format!("link:traceID = \"{trace}\" && link:spanID = \"{span}\"")
}

fn named(name: &str) -> String {
    format::shortened(if name.is_empty() { "(no name)" } else { name }, 80)
}
