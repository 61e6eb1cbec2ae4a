//! Everything known of one node.

use hoptrail_proto::model::{AnyValue, SpanEvent, SpanId, SpanLink, StatusCode, TraceId, TraceSpan};
use hoptrail_query::AttributeScope;
use hoptrail_query::assemble::{Node, NodeKind, Peer, TraceTree};
use jiff::tz::TimeZone;

use super::advice::advice;
use super::ai::{self, Conversation};
use super::linked::Linked;
use super::typical::Typical;
use super::value::{Pair, SearchTime, pairs};
use crate::context::Visit;
use crate::format::{self, Moment};
use crate::links::{self, On, Subject};
use crate::pages::search::shown_service;
use crate::waterfall::View;

/// Most events and links that a page shows; the download has all of them.
const MOST_LISTED: usize = 200;

/// The panel below a span's row.
#[derive(Debug)]
pub(crate) struct Detail {
    pub(crate) title: String,
    pub(crate) service: String,
    pub(crate) facts: Vec<Fact>,
    pub(crate) status: &'static str,
    pub(crate) status_message: String,
    /// What to know of it, and what to do about that.
    pub(crate) warnings: Vec<(String, &'static str)>,
    /// What is said in it, when it is a request to a language model.
    pub(super) conversation: Option<Conversation>,
    pub(crate) sections: Vec<Section>,
    pub(crate) events: Vec<Event>,
    pub(crate) more_events: usize,
    pub(crate) links: Vec<Link>,
    pub(crate) more_links: usize,
    /// The spans that link to it.
    pub(crate) linked: Linked,
    /// The span alone as OTLP/JSON.
    pub(crate) json: String,
    pub(crate) close: String,
    /// Shows this subtree alone; empty for a leaf.
    pub(crate) focus: String,
    /// Shows this span's time alone; empty when it has none.
    pub(crate) zoom: String,
    pub(crate) share: String,
    /// Why an inferred or missing node is there.
    pub(crate) note: String,
    /// Where more is known, by the settings.
    pub(crate) elsewhere: Vec<links::Link>,
}

/// A name with its value.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) href: String,
    pub(crate) code: bool,
}

impl Fact {
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), href: String::new(), code: false }
    }

    fn code(name: &'static str, value: impl Into<String>) -> Self {
        Self { code: true, ..Self::new(name, value) }
    }
}

/// A table of attributes.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) open: bool,
    pub(crate) pairs: Vec<Pair>,
}

/// An event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) offset: String,
    pub(crate) name: String,
    pub(crate) exception: bool,
    /// What it says in one line.
    pub(crate) text: String,
    pub(crate) pairs: Vec<Pair>,
}

/// A link to another span.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) same_trace: bool,
    pub(crate) pairs: Vec<Pair>,
}

/// The detail of the node at `index`.
pub(super) fn detail(tree: &TraceTree<'_>, index: usize, view: &View, visit: &Visit, typical: &Typical) -> Detail {
    let node = &tree.nodes[index];
    let id = tree.id.to_string();
    let mut detail = match &node.kind {
        NodeKind::Span(span) => of_span(tree, index, span, view, visit, typical),
        NodeKind::Missing => of_missing(tree, index),
        NodeKind::Inferred(peer) => of_peer(tree, index, peer, view),
    };
    let dom_id = format!("s-{}", node.key);
    detail.warnings = node.warnings.iter().map(|warning| (warning.to_string(), advice(warning))).collect();
    detail.close = view.selecting(None).href(&id, &dom_id);
    detail.share = View { span: Some(node.key), ..View::default() }.href(&id, &dom_id);
    if node.next > index + 1 && view.root != Some(node.key) {
        detail.focus = view.rooted(Some(node.key)).href(&id, &dom_id);
    }
    detail.zoom = zoom(tree, node, view).map(|view| view.href(&id, &dom_id)).unwrap_or_default();
    detail
}

/// The view of the node's time with a tenth of it before and after.
fn zoom(tree: &TraceTree<'_>, node: &Node<'_>, view: &View) -> Option<View> {
    let length = node.interval.nanos();
    if node.outlier || length == 0 || node.interval == tree.interval {
        return None;
    }
    let from = (node.interval.start - tree.interval.start).saturating_sub(length / 10);
    let to = (node.interval.end - tree.interval.start).saturating_add(length / 10);
    Some(View { zoom: Some((from, to)), ..view.clone() })
}

fn empty(title: String, service: String) -> Detail {
    Detail {
        title,
        service,
        facts: vec![],
        status: "",
        status_message: String::new(),
        warnings: vec![],
        conversation: None,
        sections: vec![],
        events: vec![],
        more_events: 0,
        links: vec![],
        more_links: 0,
        linked: Linked::default(),
        json: String::new(),
        close: String::new(),
        focus: String::new(),
        zoom: String::new(),
        share: String::new(),
        note: String::new(),
        elsewhere: vec![],
    }
}

fn of_missing(tree: &TraceTree<'_>, index: usize) -> Detail {
    let node = &tree.nodes[index];
    let mut detail = empty(format!("Span {}", node.key.span_id), "not received".to_owned());
    detail.note = format!(
        "{} its parent. Its time is drawn from theirs.",
        match tree.children(index).count() {
            1 => "1 span names it as".to_owned(),
            many => format!("{} spans name it as", format::count(many as u64)),
        }
    );
    detail.facts = vec![Fact::code("Span ID", node.key.span_id.to_string())];
    detail
}

fn of_peer(tree: &TraceTree<'_>, index: usize, peer: &Peer, view: &View) -> Detail {
    let kind = peer.kind.name();
    let mut detail = empty(peer.name.clone(), kind.to_owned());
    detail.note = match peer.named_after {
        Some(key) => format!(
            "This {kind} sent no spans. It is known from its caller, whose attribute {key} names it; its time is the caller's."
        ),
        None => {
            "The called side sent no spans, and its caller says nothing about it. Its time is the caller's.".to_owned()
        }
    };
    let node = &tree.nodes[index];
    detail.facts.push(Fact::new("Called for", format::duration(node.interval.nanos())));
    detail.facts.extend(node.parent.map(|parent| caller(tree, parent, view, "Caller")));
    detail
}

fn caller(tree: &TraceTree<'_>, parent: usize, view: &View, name: &'static str) -> Fact {
    let node = &tree.nodes[parent];
    let title = node.span().map_or("not received", |span| span.span.name.as_str());
    let href = view.selecting(Some(node.key)).href(&tree.id.to_string(), &format!("s-{}", node.key));
    Fact { href, ..Fact::new(name, format::shortened(title, 60)) }
}

fn of_span(
    tree: &TraceTree<'_>,
    index: usize,
    span: &TraceSpan,
    view: &View,
    visit: &Visit,
    typical: &Typical,
) -> Detail {
    let model = &span.span;
    let title = if model.name.is_empty() { "(no name)" } else { &model.name };
    let mut detail = empty(title.to_owned(), shown_service(span.resource.service_name()));
    detail.facts = facts(tree, index, span, view, &visit.zone);
    detail.facts.extend(typical.rank(span).map(|rank| Fact::new("Among its kind", rank.sentence())));
    detail.json = format!("/trace/{}/json?span={}", tree.id, model.span_id);
    let node = &tree.nodes[index];
    let time = if node.outlier { SearchTime::all() } else { SearchTime::around(tree.interval, visit.now) };
    detail.status = match model.status.code {
        StatusCode::Unset => "",
        code => code.name(),
    };
    detail.status_message.clone_from(&model.status.message);
    detail.conversation = ai::conversation(span, tree.id, &visit.app.config);
    detail.sections = sections(span, &time);
    let hides = visit.app.config.hide_ai_content;
    detail.elsewhere = elsewhere(span, visit);
    let shift = node.shift_nanos;
    let mut events: Vec<&SpanEvent> = model.events.iter().collect();
    events.sort_by_key(|event| event.time_unix_nano);
    detail.more_events = events.len().saturating_sub(MOST_LISTED);
    let start = node.interval.start;
    detail.events = events
        .into_iter()
        .take(MOST_LISTED)
        .map(|event| self::event(event, start, event.time_unix_nano.saturating_add_signed(shift), &time))
        .collect();
    if hides && ai::is_ai(model) {
        let of_sections = detail.sections.iter_mut().flat_map(|section| section.pairs.iter_mut());
        let of_events = detail.events.iter_mut().flat_map(|event| event.pairs.iter_mut());
        of_sections.chain(of_events).filter(|pair| ai::is_content(&pair.key)).for_each(Pair::hide);
        detail.events.iter_mut().for_each(|event| event.text.clear());
    }
    detail.more_links = model.links.len().saturating_sub(MOST_LISTED);
    detail.links = model.links.iter().take(MOST_LISTED).map(|link| self::link(link, tree.id, &time)).collect();
    detail
}

fn facts(tree: &TraceTree<'_>, index: usize, span: &TraceSpan, view: &View, zone: &TimeZone) -> Vec<Fact> {
    let (node, model) = (&tree.nodes[index], &span.span);
    let start = Moment::new(model.start_unix_nano, zone);
    let offset = node.interval.start.saturating_sub(tree.interval.start);
    let total = tree.interval.nanos();
    let length = node.interval.nanos();
    let critical: u64 = node.critical.iter().map(hoptrail_query::assemble::Interval::nanos).sum();
    let share = |nanos: u64| format!("{} ({})", format::duration(nanos), format::percent(nanos, total));
    let mut facts = vec![
        Fact::new("Duration", share(length)),
        Fact::new("Self time", share(node.self_nanos)),
        Fact::new("On critical path", if critical == 0 { "no".to_owned() } else { share(critical) }),
        Fact::new("Starts after", format::duration(offset)),
        Fact::new("Start", format!("{} {}", start.text, start.zone)),
        Fact::new("Kind", model.kind.name()),
    ];
    if node.shift_nanos != 0 {
        facts.push(Fact::new("Clock corrected by", format::signed_duration(node.shift_nanos)));
    }
    facts.push(Fact::code("Span ID", model.span_id.to_string()));
    match node.parent {
        Some(parent) => facts.push(caller(tree, parent, view, "Parent")),
        None => facts.extend(model.parent_span_id.map(|id: SpanId| Fact::code("Parent ID", id.to_string()))),
    }
    let scope = format!("{} {}", span.scope.name, span.scope.version);
    if !scope.trim().is_empty() {
        facts.push(Fact::code("Scope", scope.trim().to_owned()));
    }
    if !model.trace_state.is_empty() {
        facts.push(Fact::code("Trace state", format::shortened(&model.trace_state, 600)));
    }
    facts
}

/// The links of the settings that fit the span.
fn elsewhere(span: &TraceSpan, visit: &Visit) -> Vec<links::Link> {
    let model = &span.span;
    let attribute = |scope: &str, key: &str| {
        let value = if scope == "span" { model.attribute(key) } else { span.resource.attribute(key) };
        match value? {
            AnyValue::String(text) => Some(text.clone()),
            AnyValue::Int(number) => Some(number.to_string()),
            AnyValue::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    };
    let subject = Subject {
        trace_id: Some(model.trace_id.to_string()),
        span_id: Some(model.span_id.to_string()),
        service: span.resource.service_name(),
        name: Some(&model.name),
        start: model.start_unix_nano,
        end: model.end_unix_nano.max(model.start_unix_nano),
        attribute: &attribute,
    };
    visit.app.links.of(On::Span, &subject)
}

fn sections(span: &TraceSpan, time: &SearchTime) -> Vec<Section> {
    let section = |title: &str, attributes, scope, open| {
        let pairs = pairs(attributes, scope, time);
        Section { title: format!("{title} ({})", pairs.len()), open, pairs }
    };
    let own = section("Attributes", &span.span.attributes, AttributeScope::Span, true);
    let resource = section("Resource", &span.resource.attributes, AttributeScope::Resource, false);
    let scope = section("Scope attributes", &span.scope.attributes, AttributeScope::Instrumentation, false);
    [own, resource, scope].into_iter().filter(|section| !section.pairs.is_empty()).collect()
}

fn event(event: &SpanEvent, start: u64, time: u64, search: &SearchTime) -> Event {
    let offset = i128::from(time) - i128::from(start);
    let offset = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
    Event {
        offset: format::signed_duration(offset),
        name: if event.name.is_empty() { "(no name)".to_owned() } else { event.name.clone() },
        exception: event.name == "exception",
        text: if event.name == "exception" { super::rows::said(event) } else { String::new() },
        pairs: pairs(&event.attributes, AttributeScope::Event, search),
    }
}

fn link(link: &SpanLink, trace: TraceId, search: &SearchTime) -> Link {
    Link {
        href: format!("/trace/{}?span={}#s-{}", link.trace_id, link.span_id, link.span_id),
        trace_id: link.trace_id.to_string(),
        span_id: link.span_id.to_string(),
        same_trace: link.trace_id == trace,
        pairs: pairs(&link.attributes, AttributeScope::Link, search),
    }
}
