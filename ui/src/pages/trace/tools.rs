//! The bar above the rows: levels, zoom, and what is left out.

use hoptrail_query::assemble::{Clocks, Interval, Node, TraceTree};

use crate::pages::search::shown_service;
use crate::waterfall::{Tab, View};

/// Most services that can be hidden by a click.
const MOST_SERVICES: usize = 60;

/// What changes the rows.
#[derive(Debug)]
pub(super) struct Tools {
    /// Links with an icon; `current` is one that is on.
    pub(super) levels: Vec<Tool>,
    /// `Level 2 of 8`
    pub(super) level: String,
    pub(super) zoom: Vec<Tool>,
    pub(super) panel: Vec<Tool>,
    /// What the find form carries along.
    pub(super) find_fields: Vec<(&'static str, String)>,
    /// What the form of what is left out carries along.
    pub(super) reduce_fields: Vec<(&'static str, String)>,
    pub(super) services: Vec<HideService>,
    pub(super) only: bool,
    pub(super) each: bool,
    pub(super) min: String,
    /// What is left out now, with links that end it.
    pub(super) active: Vec<(String, String)>,
    /// The way to an error, and the critical path.
    pub(super) paths: Vec<(String, &'static str)>,
}

/// A link with an icon.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) href: String,
    pub(super) icon: &'static str,
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) current: bool,
}

/// A service that may be hidden.
#[derive(Debug)]
pub(super) struct HideService {
    pub(super) value: String,
    pub(super) name: String,
    pub(super) hidden: bool,
}

pub(super) fn tools(tree: &TraceTree<'_>, view: &View, range: Interval) -> Tools {
    let id = tree.id.to_string();
    let service = |name: &str| HideService {
        value: name.to_owned(),
        name: shown_service(name),
        hidden: view.reduce.hide.iter().any(|hidden| hidden == name),
    };
    let find = |words: &str| View { find: words.into(), span: None, ..view.reduced(|reduce| reduce.only = true) };
    let deepest = tree.summary.depth.max(1);
    let level = view.level.map_or(deepest, |level| level.saturating_add(1).min(deepest));
    Tools {
        levels: levels(view, deepest, &id),
        level: format!("Level {level} of {deepest}"),
        zoom: zoom(tree, view, range, &id),
        panel: panel(tree, view, &id),
        find_fields: fields(view, &["find"]),
        reduce_fields: fields(view, &["only", "each", "min", "hide"]),
        services: tree.summary.services.iter().take(MOST_SERVICES).map(|part| service(&part.name)).collect(),
        only: view.reduce.only,
        each: view.reduce.each,
        min: view.reduce.percent(),
        active: active(view, &id),
        paths: vec![
            (find(":error").href(&id, "waterfall"), "Only the way to errors"),
            (find(":critical").href(&id, "waterfall"), "Only the critical path"),
        ],
    }
}

fn levels(view: &View, deepest: usize, id: &str) -> Vec<Tool> {
    let plain = |level| View { level, open: vec![], shut: vec![], windows: vec![], ..view.clone() };
    let tool =
        |level, icon, name, key| Tool { href: plain(level).href(id, "waterfall"), icon, name, key, current: false };
    let open = view.level.unwrap_or(deepest.saturating_sub(1));
    let more = open.saturating_add(1);
    vec![
        tool(Some(1), "i-shut-all", "Collapse all", "]"),
        tool(Some(open.saturating_sub(1).max(1)), "i-less", "One level less", "p"),
        tool(if more < deepest { Some(more) } else { None }, "i-more", "One more level", "o"),
        tool(None, "i-open-all", "Expand all", "["),
    ]
}

fn zoom(tree: &TraceTree<'_>, view: &View, range: Interval, id: &str) -> Vec<Tool> {
    let total = tree.interval.nanos();
    let (from, length) = (range.start.saturating_sub(tree.interval.start), range.nanos());
    let to = from.saturating_add(length);
    let (quarter, half) = (length / 4, length / 2);
    let tool = |from, to, icon, name, key| Tool {
        href: view.zoomed(from, to, total).href(id, "waterfall"),
        icon,
        name,
        key,
        current: false,
    };
    let mut tools = vec![];
    if length >= 100 {
        tools.push(tool(from + quarter, to - quarter, "i-plus", "Zoom in", "+"));
    }
    if view.zoom.is_some() {
        let left = quarter.min(from);
        let right = quarter.min(total.saturating_sub(to));
        tools.push(tool(from.saturating_sub(half), to.saturating_add(half), "i-minus", "Zoom out", "-"));
        tools.push(tool(from - left, to - left, "i-left", "Earlier", "a"));
        tools.push(tool(from + right, to + right, "i-right", "Later", "d"));
        tools.push(tool(0, total, "i-whole", "End zoom", "Escape"));
    }
    tools
}

fn panel(tree: &TraceTree<'_>, view: &View, id: &str) -> Vec<Tool> {
    let tool =
        |view: View, icon, name, key, current| Tool { href: view.href(id, "waterfall"), icon, name, key, current };
    let side = |side| View { side, ..view.clone() };
    let has_events = tree.nodes.iter().filter_map(Node::span).any(|span| !span.span.events.is_empty());
    let events = View { events: !view.events, ..view.clone() };
    let rows = has_events.then(|| tool(events, "i-event", "Rows for events", "e", view.events));
    let places = [
        tool(side(false), "i-below", "Detail below its row", "", !view.side),
        tool(side(true), "i-side", "Detail beside the rows", "", view.side),
    ];
    rows.into_iter().chain(places).collect()
}

fn active(view: &View, id: &str) -> Vec<(String, String)> {
    let without = |change: &dyn Fn(&mut View)| {
        let mut view = view.clone();
        change(&mut view);
        view.href(id, "waterfall")
    };
    let mut active = vec![];
    if view.reduce.only {
        active.push(("only what is found".to_owned(), without(&|view| view.reduce.only = false)));
    }
    if view.reduce.least > 0 {
        let text = format!("only from {} % of the trace on", view.reduce.percent());
        active.push((text, without(&|view| view.reduce.least = 0)));
    }
    for name in &view.reduce.hide {
        let text = format!("without {}", shown_service(name));
        active.push((text, without(&|view| view.reduce.hide.retain(|hidden| hidden != name))));
    }
    if view.reduce.each {
        active.push(("each of equal siblings".to_owned(), without(&|view| view.reduce.each = false)));
    }
    active
}

/// What a form carries along of a view, without what it asks for itself.
pub(super) fn fields(view: &View, own: &[&str]) -> Vec<(&'static str, String)> {
    let flag = |on: bool| if on { "1".to_owned() } else { String::new() };
    let mut fields = vec![
        ("view", if view.tab == Tab::Waterfall { String::new() } else { view.tab.word().to_owned() }),
        ("root", view.root.map(|root| root.to_string()).unwrap_or_default()),
        ("find", view.find.clone()),
        ("clocks", if view.clocks == Clocks::Corrected { "corrected".to_owned() } else { String::new() }),
        ("zoom", view.zoom.map(|(from, to)| format!("{from}-{to}")).unwrap_or_default()),
        ("only", flag(view.reduce.only)),
        ("min", view.reduce.percent()),
        ("each", flag(view.reduce.each)),
        ("events", flag(view.events)),
        ("panel", if view.side { "side".to_owned() } else { String::new() }),
    ];
    fields.extend(view.reduce.hide.iter().map(|name| ("hide", name.clone())));
    fields.retain(|(name, value)| !value.is_empty() && !own.contains(name));
    fields
}
