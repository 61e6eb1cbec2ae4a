//! The trace page from a trace and a view.

use std::collections::HashMap;

use askama::Template;
use hoptrail_proto::model::Trace;
use hoptrail_query::assemble::{ClockSkew, Clocks, TraceTree, assemble};

use super::detail::{Detail, detail};
use super::find;
use super::rows::{Drawing, Row, RowKind, service_of};
use crate::chrome::Chrome;
use crate::colour::Palette;
use crate::context::Visit;
use crate::filters::{self, plain_text};
use crate::format::{self, Moment};
use crate::pages::search::shown_service;
use crate::waterfall::{Scale, View, fold, minimap, ticks};

/// The page of one trace.
#[derive(Debug, Template)]
#[template(path = "trace.html")]
pub(super) struct TracePage {
    chrome: Chrome,
    id: String,
    service: String,
    name: String,
    start: Moment,
    age: String,
    duration: String,
    spans: String,
    errors: usize,
    errors_href: String,
    services: Vec<ServiceRow>,
    depth: String,
    /// What the store could not read.
    damage: Option<String>,
    missing: usize,
    inferred: usize,
    warned: usize,
    warnings_href: String,
    skews: Vec<String>,
    clocks_href: String,
    corrected: bool,
    json_href: String,
    blocks: Vec<MapBlock>,
    lanes: usize,
    lens: Option<(String, String)>,
    zoomed: Option<String>,
    /// Start and length of the time shown, in nanoseconds from the start of the trace: for the script's zoom.
    range: (u64, u64),
    /// Length of the whole trace, nanoseconds.
    total: u64,
    zoom_base: String,
    ticks: Vec<Tick>,
    find: Find,
    hidden_fields: Vec<(&'static str, String)>,
    fold_links: Vec<(String, &'static str)>,
    crumbs: Vec<Crumb>,
    top: bool,
    above: usize,
    rows: Vec<Row>,
    cut: bool,
    shown: String,
    detail: Option<Detail>,
    /// Whether the URL names a span that is not in the trace.
    lost_span: bool,
}

/// A service of the trace.
#[derive(Debug)]
struct ServiceRow {
    name: String,
    colour: usize,
    spans: String,
    errors: usize,
    self_time: String,
    critical: String,
    share: String,
    /// Left edge and width on the bar of the critical path, percent.
    x: String,
    width: String,
}

#[derive(Debug)]
struct MapBlock {
    x: String,
    width: String,
    lane: usize,
    colour: usize,
    error: bool,
}

#[derive(Debug)]
struct Tick {
    at: String,
    label: String,
    last: bool,
}

/// The words looked for and where they are.
#[derive(Debug, Default)]
struct Find {
    words: String,
    text: String,
    previous: String,
    next: String,
    clear: String,
}

#[derive(Debug)]
struct Crumb {
    href: String,
    name: String,
}

pub(super) fn trace_page(trace: &Trace, view: &View, visit: &Visit, damage: Option<String>) -> TracePage {
    let tree = assemble(trace, view.clocks);
    let id = tree.id.to_string();
    let selected = view.span.and_then(|key| tree.find(&key));
    let matches = find::matches(&tree, &view.find);
    let folded = fold(&tree, view, selected.or_else(|| matches.first().copied()));
    let palette = Palette::of(tree.summary.services.iter().map(|service| service.name.as_str()));
    let range = view.range(tree.interval);
    let drawing = Drawing {
        tree: &tree,
        view,
        scale: Scale::new(range),
        palette: &palette,
        selected,
        matches: &matches,
        errors_before: errors_before(&tree),
        id: id.clone(),
    };
    let rows: Vec<Row> = folded.lines.iter().map(|line| drawing.row(line)).collect();
    let (blocks, lanes) = map(&tree, &palette);
    let (crumbs, above) = crumbs(&tree, view, folded.top, &id);
    let summary = &tree.summary;
    let (service, name) = summary.root.clone().unwrap_or_default();
    let start = tree.interval.start;
    let offset = (range.start - start, range.end - start);
    let link = |view: &View, fragment: &str| view.href(&id, fragment);
    TracePage {
        chrome: Chrome::new(),
        service: if summary.root.is_some() { shown_service(&service) } else { "root not received".to_owned() },
        name: if summary.root.is_some() && name.is_empty() { "(no name)".to_owned() } else { name },
        start: Moment::new(start, &visit.zone),
        age: format::age(start, visit.now),
        duration: format::duration(summary.duration_nanos),
        spans: format::count(summary.spans as u64),
        errors: summary.errors,
        errors_href: link(&View { find: ":error".into(), span: None, ..view.clone() }, "waterfall"),
        services: services(&tree, &palette),
        depth: format::count(summary.depth as u64),
        damage,
        missing: summary.missing,
        inferred: summary.inferred,
        warned: summary.warned,
        warnings_href: link(&View { find: ":warning".into(), span: None, ..view.clone() }, "waterfall"),
        skews: tree.skews.iter().map(skew_text).collect(),
        clocks_href: link(&View { clocks: other(view.clocks), ..view.clone() }, ""),
        corrected: view.clocks == Clocks::Corrected,
        json_href: format!("/trace/{id}/json"),
        blocks,
        lanes,
        lens: view.zoom.map(|_| Scale::new(tree.interval)).and_then(|whole| whole.bar(range)).map(percent_pair),
        zoomed: view.zoom.map(|_| link(&View { zoom: None, ..view.clone() }, "")),
        range: (offset.0, range.nanos()),
        total: tree.interval.nanos(),
        zoom_base: link(&View { zoom: None, ..view.clone() }, ""),
        ticks: axis(offset.0, range.nanos()),
        find: found(&tree, view, &matches, selected, &id),
        hidden_fields: hidden_fields(view),
        fold_links: fold_links(view, &id),
        crumbs,
        top: folded.top.is_some(),
        above,
        shown: shown(&rows, &tree),
        rows,
        cut: folded.cut,
        detail: selected.map(|index| detail(&tree, index, view, visit)),
        lost_span: view.span.is_some() && selected.is_none(),
        id,
    }
}

fn other(clocks: Clocks) -> Clocks {
    match clocks {
        Clocks::AsSent => Clocks::Corrected,
        Clocks::Corrected => Clocks::AsSent,
    }
}

fn percent_pair((x, width): (f64, f64)) -> (String, String) {
    (format!("{x:.3}"), format!("{width:.3}"))
}

/// How many errors stand before each node, and in all.
fn errors_before(tree: &TraceTree<'_>) -> Vec<u32> {
    let mut sum = 0;
    let mut before = Vec::with_capacity(tree.nodes.len() + 1);
    before.push(0);
    for node in &tree.nodes {
        sum += u32::from(node.is_error());
        before.push(sum);
    }
    before
}

fn map(tree: &TraceTree<'_>, palette: &Palette) -> (Vec<MapBlock>, usize) {
    let colours: HashMap<&str, usize> =
        tree.summary.services.iter().map(|service| (service.name.as_str(), palette.colour(&service.name))).collect();
    let (blocks, lanes) =
        minimap(tree, |index| colours.get(service_of(&tree.nodes[index])).copied().unwrap_or_default());
    let block = |block: crate::waterfall::Block| MapBlock {
        x: format!("{:.2}", block.x),
        width: format!("{:.2}", block.width.max(0.15)),
        lane: block.lane,
        colour: block.service,
        error: block.error,
    };
    (blocks.into_iter().map(block).collect(), lanes.max(1))
}

/// Services by their time on the critical path, then by self time, laid side by side.
fn services(tree: &TraceTree<'_>, palette: &Palette) -> Vec<ServiceRow> {
    let mut parts: Vec<_> = tree.summary.services.iter().collect();
    parts.sort_by_key(|part| std::cmp::Reverse((part.critical_nanos, part.self_nanos)));
    let total: u64 = tree.interval.nanos();
    let mut before = 0;
    let mut rows = Vec::new();
    for part in parts {
        rows.push(ServiceRow {
            name: shown_service(&part.name),
            colour: palette.colour(&part.name),
            spans: format::count(part.spans as u64),
            errors: part.errors,
            self_time: format::duration(part.self_nanos),
            critical: format::duration(part.critical_nanos),
            share: format::percent(part.critical_nanos, total),
            x: percent(before, total),
            width: percent(part.critical_nanos, total),
        });
        before += part.critical_nanos;
    }
    rows
}

/// A part of the whole in percent, for the style of a bar.
fn percent(part: u64, whole: u64) -> String {
    format!("{:.3}", 100.0 * part as f64 / whole.max(1) as f64)
}

fn skew_text(skew: &ClockSkew) -> String {
    let direction = if skew.offset_nanos < 0 { "ahead of" } else { "behind" };
    format!(
        "The clock of {} is about {} {direction} that of {} (at least {}, measured from {}).",
        plain_text(&skew.host),
        format::duration(skew.offset_nanos.unsigned_abs()),
        plain_text(&skew.reference),
        format::duration(skew.at_least_nanos),
        format::counted(skew.calls, "call", "calls"),
    )
}

/// Marks at round times since the start of the trace.
fn axis(offset: u64, length: u64) -> Vec<Tick> {
    // Round numbers count from the start of the trace, also when only a later part is shown.
    let step = ticks(length, 8).get(1).copied().unwrap_or(length).max(1);
    let first = offset.div_ceil(step);
    let last = offset.saturating_add(length) / step;
    let at = |tick: u64| 100.0 * (tick * step - offset) as f64 / length.max(1) as f64;
    let tick = |tick: u64| Tick {
        at: format!("{:.3}", at(tick)),
        label: format::tick(tick * step, offset.saturating_add(length)),
        last: at(tick) > 95.0,
    };
    (first..=last.min(first.saturating_add(20))).map(tick).collect()
}

fn found(tree: &TraceTree<'_>, view: &View, matches: &[usize], selected: Option<usize>, id: &str) -> Find {
    if view.find.is_empty() {
        return Find::default();
    }
    let at = selected.and_then(|index| matches.binary_search(&index).ok());
    let link = |match_at: Option<&usize>| {
        let key = match_at.map(|&index| tree.nodes[index].key);
        key.map(|key| view.selecting(Some(key)).href(id, &format!("s-{key}"))).unwrap_or_default()
    };
    let next = match (at, selected) {
        (Some(at), _) => matches.get(at + 1).or(matches.first()),
        (None, Some(index)) => matches.iter().find(|&&one| one > index).or(matches.first()),
        (None, None) => matches.first(),
    };
    let previous = match at {
        Some(0) | None => matches.last(),
        Some(at) => matches.get(at - 1),
    };
    let count = format::count(matches.len() as u64);
    Find {
        text: match at {
            _ if matches.is_empty() => "No match".to_owned(),
            Some(at) => format!("{} of {count}", format::count(at as u64 + 1)),
            None => format::counted(matches.len(), "match", "matches"),
        },
        next: link(next),
        previous: link(previous),
        clear: View { find: String::new(), ..view.clone() }.href(id, ""),
        words: view.find.clone(),
    }
}

/// What the find form carries along.
fn hidden_fields(view: &View) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(root) = view.root {
        fields.push(("root", root.to_string()));
    }
    if view.clocks == Clocks::Corrected {
        fields.push(("clocks", "corrected".to_owned()));
    }
    if let Some((from, to)) = view.zoom {
        fields.push(("zoom", format!("{from}-{to}")));
    }
    fields
}

fn fold_links(view: &View, id: &str) -> Vec<(String, &'static str)> {
    let plain = |level| View { level, open: vec![], shut: vec![], windows: vec![], ..view.clone() };
    let level = |level, text| (plain(level).href(id, "waterfall"), text);
    let mut links = vec![level(Some(1), "Collapse"), level(None, "Expand")];
    let current = view.level.unwrap_or(0);
    links.insert(1, level(Some(current.max(1).saturating_add(1)), "One more level"));
    links
}

/// The ancestors of the top, the farthest first; of many only the nearest, and how many are left out.
fn crumbs(tree: &TraceTree<'_>, view: &View, top: Option<usize>, id: &str) -> (Vec<Crumb>, usize) {
    const MOST: usize = 6;
    let Some(top) = top else { return (vec![], 0) };
    let ancestors: Vec<usize> = tree.ancestors(top).collect();
    let crumb = |index: &usize| {
        let node = &tree.nodes[*index];
        let name = node.span().map_or("not received", |span| span.span.name.as_str());
        let href = view.rooted(Some(node.key)).selecting(None).href(id, "waterfall");
        Crumb { href, name: format::shortened(name, 32) }
    };
    let shown: Vec<Crumb> = ancestors.iter().take(MOST).rev().map(crumb).collect();
    let mut crumbs =
        vec![Crumb { href: view.rooted(None).selecting(None).href(id, "waterfall"), name: "Whole trace".into() }];
    crumbs.extend(shown);
    (crumbs, ancestors.len().saturating_sub(MOST))
}

/// How much of the trace is on the page.
fn shown(rows: &[Row], tree: &TraceTree<'_>) -> String {
    let is_span = |row: &&Row| matches!(row, Row::Span(span) if span.kind == RowKind::Span);
    let spans = rows.iter().filter(is_span).count();
    if spans == tree.summary.spans {
        String::new()
    } else {
        format!("{} of {} spans shown", format::count(spans as u64), format::count(tree.summary.spans as u64))
    }
}
