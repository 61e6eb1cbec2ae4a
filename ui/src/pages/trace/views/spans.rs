//! The spans of a trace in a table, sorted by any column.

use std::cmp::Ordering;

use askama::Template;
use hoptrail_query::assemble::TraceTree;

use super::super::find;
use super::super::head::Head;
use super::super::tools::fields;
use super::{Column, Pager, Sort, changed, field_of, page_number, pager};
use crate::chrome::Chrome;
use crate::colour::Palette;
use crate::filters;
use crate::format;
use crate::pages::search::shown_service;
use crate::url::Params;
use crate::waterfall::{Tab, View};

/// Rows of a page.
const PAGE: usize = 100;
/// Most columns of attributes.
const MOST_COLUMNS: usize = 4;
const LONGEST: usize = 300;
const SORTS: [&str; 7] = ["start", "service", "name", "kind", "status", "duration", "self"];
const TITLES: [&str; 7] = ["Starts after", "Service", "Span", "Kind", "Status", "Duration", "Self time"];

/// The page.
#[derive(Debug, Template)]
#[template(path = "trace_spans.html")]
pub(in super::super) struct SpansPage {
    chrome: Chrome,
    head: Head,
    hidden_fields: Vec<(&'static str, String)>,
    find: String,
    extra: String,
    columns: Vec<Column>,
    rows: Vec<SpanLine>,
    pager: Pager,
    about: String,
}

#[derive(Debug)]
struct SpanLine {
    href: String,
    offset: String,
    service: String,
    colour: usize,
    name: String,
    kind: &'static str,
    status: &'static str,
    error: bool,
    duration: String,
    self_time: String,
    extra: Vec<String>,
}

pub(in super::super) fn page(
    tree: &TraceTree<'_>,
    view: &View,
    params: &Params,
    head: Head,
) -> Result<SpansPage, String> {
    let sort = Sort::read(params, &SORTS, Sort { by: 0, up: true })?;
    let extra: Vec<&str> = params.text("columns").split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if extra.len() > MOST_COLUMNS || params.text("columns").len() > LONGEST {
        return Err(format!(
            "columns names {} attributes: it is at most {MOST_COLUMNS}, with commas between them",
            extra.len()
        ));
    }
    let mut found: Vec<usize> =
        if view.find.is_empty() { (0..tree.nodes.len()).collect() } else { find::matches(tree, &view.find) };
    found.retain(|&index| tree.nodes[index].span().is_some());
    found.sort_by(|&a, &b| {
        let order = order(tree, sort.by, a, b);
        (if sort.up { order } else { order.reverse() }).then(a.cmp(&b))
    });
    let id = head.id.clone();
    let mut kept = fields(view, &[]);
    kept.extend([
        ("columns", extra.join(",")),
        ("sort", SORTS[sort.by].to_owned()),
        ("order", if sort.up { "asc" } else { "desc" }.to_owned()),
    ]);
    let link = |page: usize| changed(&id, &kept, &[("page", page.to_string().as_str())]);
    let (range, pager) = pager(found.len(), PAGE, page_number(params)?, link);
    let palette = Palette::of(tree.summary.services.iter().map(|service| service.name.as_str()));
    let row = |&index: &usize| line(tree, index, view, &id, &palette, &extra);
    let rows = found[range].iter().filter_map(row).collect();
    let own = TITLES.iter().enumerate().map(|(at, name)| {
        let up = if sort.by == at { !sort.up } else { at < 5 };
        Column {
            name: (*name).to_owned(),
            href: changed(&id, &kept, &[("sort", SORTS[at]), ("order", if up { "asc" } else { "desc" })]),
            sorted: match (sort.by == at, sort.up) {
                (true, true) => "ascending",
                (true, false) => "descending",
                (false, _) => "",
            },
            number: matches!(at, 0 | 5 | 6),
        }
    });
    let more =
        extra.iter().map(|name| Column { name: (*name).to_owned(), href: String::new(), sorted: "", number: false });
    Ok(SpansPage {
        chrome: Chrome::new(),
        columns: own.chain(more).collect(),
        about: format::counted(found.len(), "span", "spans"),
        hidden_fields: fields(view, &["find"]),
        find: view.find.clone(),
        extra: extra.join(", "),
        rows,
        pager,
        head,
    })
}

fn order(tree: &TraceTree<'_>, column: usize, a: usize, b: usize) -> Ordering {
    let (one, other) = (&tree.nodes[a], &tree.nodes[b]);
    let spans = || one.span().zip(other.span());
    let by =
        |field: &str| spans().map_or(Ordering::Equal, |(one, other)| field_of(one, field).cmp(&field_of(other, field)));
    match column {
        0 => one.interval.start.cmp(&other.interval.start),
        5 => one.interval.nanos().cmp(&other.interval.nanos()),
        6 => one.self_nanos.cmp(&other.self_nanos),
        column => by(SORTS[column]),
    }
}

fn line(
    tree: &TraceTree<'_>,
    index: usize,
    view: &View,
    id: &str,
    palette: &Palette,
    extra: &[&str],
) -> Option<SpanLine> {
    let node = &tree.nodes[index];
    let span = node.span()?;
    let model = &span.span;
    let service = span.resource.service_name();
    let waterfall = View { tab: Tab::Waterfall, find: String::new(), ..view.selecting(Some(node.key)) };
    Some(SpanLine {
        href: waterfall.href(id, &format!("s-{}", node.key)),
        offset: format::duration(node.interval.start.saturating_sub(tree.interval.start)),
        service: format::shortened(&shown_service(service), 80),
        colour: palette.colour(service),
        name: format::shortened(if model.name.is_empty() { "(no name)" } else { &model.name }, 160),
        kind: model.kind.name(),
        status: model.status.code.name(),
        error: node.is_error(),
        duration: format::duration(node.interval.nanos()),
        self_time: format::duration(node.self_nanos),
        extra: extra.iter().map(|field| format::shortened(&field_of(span, field), 120)).collect(),
    })
}
