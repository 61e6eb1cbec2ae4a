//! What stands above every view of a trace.

use hoptrail_query::assemble::TraceTree;

use super::findings::Findings;
use crate::context::Visit;
use crate::format::{self, Moment};
use crate::pages::search::shown_service;
use crate::waterfall::{Tab, View};

/// The head of a trace's pages.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) name: String,
    pub(super) start: Moment,
    pub(super) age: String,
    pub(super) duration: String,
    pub(super) spans: String,
    pub(super) services: usize,
    pub(super) depth: String,
    pub(super) errors: usize,
    pub(super) errors_href: String,
    /// Peers that send no spans.
    pub(super) peers: usize,
    pub(super) findings: Findings,
    pub(super) tabs: Vec<TabLink>,
    pub(super) downloads: Vec<(String, &'static str)>,
    /// Whether the URL names a span that is not in the trace.
    pub(super) lost_span: bool,
}

/// A link to another view of the trace.
#[derive(Debug)]
pub(super) struct TabLink {
    pub(super) name: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

pub(super) fn head(tree: &TraceTree<'_>, view: &View, visit: &Visit, findings: Findings) -> Head {
    let id = tree.id.to_string();
    let summary = &tree.summary;
    let (service, name) = summary.root.clone().unwrap_or_default();
    let errors = View { find: ":error".into(), span: None, tab: Tab::Waterfall, ..view.clone() };
    Head {
        service: if summary.root.is_some() { shown_service(&service) } else { "root not received".to_owned() },
        name: if summary.root.is_some() && name.is_empty() { "(no name)".to_owned() } else { name },
        start: Moment::new(tree.interval.start, &visit.zone),
        age: format::age(tree.interval.start, visit.now),
        duration: format::duration(summary.duration_nanos),
        spans: format::count(summary.spans as u64),
        services: summary.services.len(),
        depth: format::count(summary.depth as u64),
        errors: summary.errors,
        errors_href: errors.href(&id, "waterfall"),
        peers: summary.inferred,
        findings,
        tabs: tabs(tree, view, &id),
        downloads: [
            ("json", "OTLP JSON"),
            ("otlp", "OTLP protobuf"),
            ("jaeger", "Jaeger JSON"),
            ("html", "One HTML file"),
        ]
        .map(|(path, name)| (format!("/trace/{id}/{path}"), name))
        .into(),
        lost_span: view.span.is_some_and(|key| tree.find(&key).is_none()),
        id,
    }
}

fn tabs(tree: &TraceTree<'_>, view: &View, id: &str) -> Vec<TabLink> {
    let has_requests = tree.nodes.iter().filter_map(|node| node.span()).any(|span| super::ai::is_ai(&span.span));
    let is_shown = |tab: &Tab| *tab != Tab::Messages || has_requests || view.tab == Tab::Messages;
    let link = |tab: Tab| TabLink {
        name: match tab {
            Tab::Waterfall => "Waterfall",
            Tab::Flame => "Flame graph",
            Tab::Statistics => "Statistics",
            Tab::Spans => "Spans",
            Tab::Graph => "Graph",
            Tab::Events => "Events",
            Tab::Messages => "Conversations",
        },
        href: View { tab, ..view.clone() }.href(id, ""),
        current: tab == view.tab,
    };
    Tab::ALL.into_iter().filter(is_shown).map(link).collect()
}
