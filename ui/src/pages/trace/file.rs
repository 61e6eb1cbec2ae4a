//! The trace as one page that needs nothing else: it opens from a disk, in any browser, with scripts off.

use askama::Template;
use hoptrail_query::assemble::TraceTree;

use super::detail::{Detail, detail};
use super::findings::{Findings, Look};
use super::head::titled;
use super::rows::{Before, Drawing, SpanRow, errors_before};
use super::typical::Typical;
use crate::assets;
use crate::colour::Palette;
use crate::context::Visit;
use crate::filters;
use crate::format::{self, Moment};
use crate::pages::search::Title;
use crate::waterfall::{Scale, View, gaps, outline};

/// Most spans of a file; the first of the tree.
const MOST: usize = 2_000;

/// The file.
#[derive(Debug, Template)]
#[template(path = "trace_file.html")]
struct File {
    css: String,
    id: String,
    service: String,
    name: String,
    start: Moment,
    duration: String,
    spans: String,
    errors: usize,
    findings: Findings,
    rows: Vec<(SpanRow, Detail)>,
    more: usize,
}

pub(super) fn write(tree: &TraceTree<'_>, visit: &Visit, damage: Option<&str>) -> String {
    let view = View::default().reduced(|reduce| reduce.each = true);
    let grouped = outline(tree, &View::default(), &[], None);
    let outline = outline(tree, &view, &[], None);
    let gaps = gaps(tree);
    let palette = Palette::of(tree.summary.services.iter().map(|service| service.name.as_str()));
    let id = tree.id.to_string();
    let typical = Typical::default();
    let drawing = Drawing {
        tree,
        outline: &outline,
        view: &view,
        scale: Scale::new(tree.interval),
        palette: &palette,
        typical: &typical,
        selected: None,
        matches: &[],
        gaps: &gaps,
        before: Before::of(tree, &outline),
        errors: errors_before(tree),
        id: id.clone(),
    };
    let row = |at: usize| {
        let item = &outline.items[at];
        (drawing.span_row(at, item.depth, None), detail(tree, item.node, &view, visit, &typical))
    };
    let shown = outline.items.len().min(MOST);
    let summary = &tree.summary;
    let Title { service, name, .. } = titled(tree);
    let file = File {
        css: assets::trace_css(),
        service,
        name,
        start: Moment::new(tree.interval.start, &visit.zone),
        duration: format::duration(summary.duration_nanos),
        spans: format::count(summary.spans as u64),
        errors: summary.errors,
        findings: Look { tree, view: &view, gaps: &gaps, outline: &grouped, typical: &typical, damage, id: &id }
            .findings(),
        rows: (0..shown).map(row).collect(),
        more: outline.items.len() - shown,
        id,
    };
    file.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a trace could not be written");
        String::new()
    })
}
