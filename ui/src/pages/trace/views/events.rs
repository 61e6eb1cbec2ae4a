//! Everything that spans of a trace say happened, by time.

use askama::Template;
use hoptrail_proto::model::SpanEvent;
use hoptrail_query::assemble::TraceTree;

use super::super::find;
use super::super::head::Head;
use super::super::rows::said;
use super::super::tools::fields;
use super::{Pager, changed, page_number, pager};
use crate::chrome::Chrome;
use crate::colour::Palette;
use crate::filters;
use crate::format;
use crate::pages::search::shown_service;
use crate::url::Params;
use crate::waterfall::{Tab, View};

/// Rows of a page.
const PAGE: usize = 200;

/// The page.
#[derive(Debug, Template)]
#[template(path = "trace_events.html")]
pub(in super::super) struct EventsPage {
    chrome: Chrome,
    head: Head,
    hidden_fields: Vec<(&'static str, String)>,
    find: String,
    rows: Vec<EventLine>,
    pager: Pager,
    about: String,
}

#[derive(Debug)]
struct EventLine {
    offset: String,
    service: String,
    colour: usize,
    span: String,
    href: String,
    name: String,
    text: String,
    exception: bool,
}

/// An event with the node it happened in, at its time as drawn.
struct Found<'t> {
    time: u64,
    node: usize,
    event: &'t SpanEvent,
}

pub(in super::super) fn page(
    tree: &TraceTree<'_>,
    view: &View,
    params: &Params,
    head: Head,
) -> Result<EventsPage, String> {
    let words = find::words(&view.find);
    let mut found: Vec<Found<'_>> = Vec::new();
    for (node, span) in tree.nodes.iter().enumerate().filter_map(|(at, node)| Some((at, node.span()?))) {
        for event in span.span.events.iter().filter(|event| words.iter().all(|word| find::event_has(event, word))) {
            let time = event.time_unix_nano.saturating_add_signed(tree.nodes[node].shift_nanos);
            found.push(Found { time, node, event });
        }
    }
    found.sort_by_key(|one| (one.time, one.node));
    let id = head.id.clone();
    let kept = fields(view, &[]);
    let (range, pager) = pager(found.len(), PAGE, page_number(params)?, |page| {
        changed(&id, &kept, &[("page", page.to_string().as_str())])
    });
    let palette = Palette::of(tree.summary.services.iter().map(|service| service.name.as_str()));
    let rows = found[range].iter().filter_map(|one| line(tree, one, view, &id, &palette)).collect();
    Ok(EventsPage {
        chrome: Chrome::new(),
        about: format::counted(found.len(), "event", "events"),
        hidden_fields: fields(view, &["find"]),
        find: view.find.clone(),
        rows,
        pager,
        head,
    })
}

fn line(tree: &TraceTree<'_>, found: &Found<'_>, view: &View, id: &str, palette: &Palette) -> Option<EventLine> {
    let node = &tree.nodes[found.node];
    let span = node.span()?;
    let service = span.resource.service_name();
    let offset = i128::from(found.time) - i128::from(tree.interval.start);
    let waterfall = View { tab: Tab::Waterfall, find: String::new(), ..view.selecting(Some(node.key)) };
    Some(EventLine {
        offset: format::signed_duration(i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })),
        service: format::shortened(&shown_service(service), 80),
        colour: palette.colour(service),
        span: format::shortened(if span.span.name.is_empty() { "(no name)" } else { &span.span.name }, 100),
        href: waterfall.href(id, &format!("s-{}", node.key)),
        name: format::shortened(if found.event.name.is_empty() { "(no name)" } else { &found.event.name }, 100),
        text: said(found.event),
        exception: found.event.name == "exception",
    })
}
