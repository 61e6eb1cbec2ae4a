//! The waterfall of a trace, from its tree and a view.

use std::collections::HashMap;

use askama::Template;
use hoptrail_query::assemble::TraceTree;

use super::detail::{Detail, detail};
use super::find::{self, Find};
use super::findings::Look;
use super::head::{Head, head};
use super::linked::{Linked, linked};
use super::rows::{Before, Drawing, Row, RowKind, errors_before, service_of};
use super::tools::{Tools, tools};
use super::typical::Typical;
use crate::chrome::Chrome;
use crate::colour::Palette;
use crate::context::Visit;
use crate::filters;
use crate::format;
use crate::pages::search::shown_service;
use crate::waterfall::{Outline, Scale, View, fold, gaps, minimap, outline, ticks};

/// The page of one trace.
#[derive(Debug, Template)]
#[template(path = "trace.html")]
pub(super) struct TracePage {
    chrome: Chrome,
    head: Head,
    services: Vec<ServiceRow>,
    blocks: Vec<MapBlock>,
    lanes: usize,
    lens: Option<(String, String)>,
    /// Start and length of the time shown, in nanoseconds from the start of the trace: for the script's zoom.
    range: (u64, u64),
    /// Length of the whole trace, nanoseconds.
    total: u64,
    zoom_base: String,
    ticks: Vec<Tick>,
    find: Find,
    tools: Tools,
    crumbs: Vec<Crumb>,
    top: bool,
    above: usize,
    rows: Vec<Row>,
    cut: bool,
    shown: String,
    detail: Option<Detail>,
    side: bool,
    /// The class of the width of names; empty for the usual.
    width: String,
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

#[derive(Debug)]
struct Crumb {
    href: String,
    name: String,
}

/// What the page is made of besides the tree.
pub(super) struct Given<'g> {
    pub(super) view: &'g View,
    pub(super) visit: &'g Visit,
    pub(super) typical: &'g Typical,
    /// Spans of other traces that link to the one that is looked at.
    pub(super) linking: &'g Linked,
    pub(super) damage: Option<&'g str>,
    /// Percent of the page that names take, when the reader moved the border.
    pub(super) names: Option<u8>,
}

pub(super) fn trace_page(tree: &TraceTree<'_>, given: &Given<'_>) -> TracePage {
    let Given { view, visit, typical, linking, damage, names } = *given;
    let id = tree.id.to_string();
    let selected = view.span.and_then(|key| tree.find(&key));
    let matches = find::matches(tree, &view.find);
    let focus = selected.or_else(|| matches.first().copied().map(|first| find::shown_in(tree, first)));
    let outline = outline(tree, view, &matches, selected);
    let folded = fold(tree, &outline, view, focus);
    let palette = Palette::of(tree.summary.services.iter().map(|service| service.name.as_str()));
    let range = view.range(tree.interval);
    let gaps = gaps(tree);
    let drawing = Drawing {
        tree,
        outline: &outline,
        view,
        scale: Scale::new(range),
        palette: &palette,
        typical,
        selected,
        matches: &matches,
        gaps: &gaps,
        before: Before::of(tree, &outline),
        errors: errors_before(tree),
        id: id.clone(),
    };
    let (rows, cut) = drawing.rows(&folded.lines);
    let findings = Look { tree, view, gaps: &gaps, outline: &outline, typical, damage, id: &id }.findings();
    let (blocks, lanes) = map(tree, &palette);
    let (crumbs, above) = crumbs(tree, &outline, view, folded.top, &id);
    let offset = range.start - tree.interval.start;
    TracePage {
        chrome: Chrome::new(),
        head: head(tree, view, visit, findings),
        services: services(tree, &palette),
        blocks,
        lanes,
        lens: view.zoom.map(|_| Scale::new(tree.interval)).and_then(|whole| whole.bar(range)).map(percent_pair),
        range: (offset, range.nanos()),
        total: tree.interval.nanos(),
        zoom_base: View { zoom: None, ..view.clone() }.href(&id, ""),
        ticks: axis(offset, range.nanos()),
        find: find::found(tree, view, &matches, selected),
        tools: tools(tree, view, range),
        crumbs,
        top: folded.top.is_some(),
        above,
        shown: shown(&rows, tree, &outline),
        rows,
        cut: folded.cut || cut,
        detail: selected.map(|index| Detail {
            linked: linked(tree, index, view, linking),
            ..detail(tree, index, view, visit, typical)
        }),
        side: view.side && selected.is_some(),
        width: names.map(|names| format!(" n{names}")).unwrap_or_default(),
    }
}

fn percent_pair((x, width): (f64, f64)) -> (String, String) {
    (format!("{x:.3}"), format!("{width:.3}"))
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

/// What is above the top, the farthest first; of much only the nearest, and how many are left out.
fn crumbs(tree: &TraceTree<'_>, outline: &Outline, view: &View, top: Option<usize>, id: &str) -> (Vec<Crumb>, usize) {
    const MOST: usize = 6;
    let Some(top) = top else { return (vec![], 0) };
    let above: Vec<usize> = outline
        .ancestors(top)
        .filter(|&at| outline.items[at].group.is_none())
        .map(|at| outline.items[at].node)
        .collect();
    let crumb = |index: &usize| {
        let node = &tree.nodes[*index];
        let name = node.span().map_or("not received", |span| span.span.name.as_str());
        let href = view.rooted(Some(node.key)).selecting(None).href(id, "waterfall");
        Crumb { href, name: format::shortened(name, 32) }
    };
    let shown: Vec<Crumb> = above.iter().take(MOST).rev().map(crumb).collect();
    let mut crumbs =
        vec![Crumb { href: view.rooted(None).selecting(None).href(id, "waterfall"), name: "Whole trace".into() }];
    crumbs.extend(shown);
    (crumbs, above.len().saturating_sub(MOST))
}

/// How much of the trace is on the page.
fn shown(rows: &[Row], tree: &TraceTree<'_>, outline: &Outline) -> String {
    let count = |row: &Row| match row {
        Row::Span(span) => usize::from(span.kind == RowKind::Span),
        Row::Group(group) if !group.toggle.open => group.members,
        Row::Group(_) | Row::Event(_) | Row::Rest(_) => 0,
    };
    let spans: usize = rows.iter().map(count).sum();
    if spans == tree.summary.spans {
        return String::new();
    }
    let left_out = (0..tree.nodes.len())
        .filter(|&node| tree.nodes[node].span().is_some() && outline.place(node).is_none())
        .count();
    let mut text =
        format!("{} of {} spans shown", format::count(spans as u64), format::count(tree.summary.spans as u64));
    if left_out > 0 {
        text.push_str(&format!(", {} left out", format::count(left_out as u64)));
    }
    text
}
