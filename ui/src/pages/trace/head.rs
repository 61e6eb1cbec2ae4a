//! What stands above every view of a trace.

use hoptrail_query::assemble::TraceTree;

use super::findings::Findings;
use crate::context::Visit;
use crate::format::{self, Moment};
use crate::pages::search::{Title, shown_service};
use crate::waterfall::{Tab, View};

/// The head of a trace's pages.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) name: String,
    /// The service of the root, when that says little and the name is of a span below it.
    pub(super) via: String,
    pub(super) start: Moment,
    pub(super) age: String,
    pub(super) duration: String,
    pub(super) spans: String,
    pub(super) services: String,
    pub(super) depth: String,
    pub(super) errors: String,
    pub(super) errors_href: String,
    /// Peers that send no spans; empty for none.
    pub(super) peers: String,
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
    let Title { service, name, via } = titled(tree);
    let errors = View { find: ":error".into(), span: None, tab: Tab::Waterfall, ..view.clone() };
    Head {
        service,
        name,
        via,
        start: Moment::new(tree.interval.start, &visit.zone),
        age: format::age(tree.interval.start, visit.now),
        duration: format::duration(summary.duration_nanos),
        spans: format::count(summary.spans as u64),
        services: format::count(summary.services.len() as u64),
        depth: format::count(summary.depth as u64),
        errors: if summary.errors > 0 { format::count(summary.errors as u64) } else { String::new() },
        errors_href: errors.href(&id, "waterfall"),
        peers: if summary.inferred > 0 { format::count(summary.inferred as u64) } else { String::new() },
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

/// What the trace is called, as shown.
pub(super) fn titled(tree: &TraceTree<'_>) -> Title {
    let Some(title) = Title::of(tree) else {
        return Title { service: "root not received".to_owned(), ..Title::default() };
    };
    let name = if title.name.is_empty() { "(no name)".to_owned() } else { title.name };
    Title { service: shown_service(&title.service), name, ..title }
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
