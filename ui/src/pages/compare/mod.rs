//! Two traces side by side: what is new, gone, slower, and by how much.

mod lines;
mod rows;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use hoptrail_proto::model::{Trace, TraceId};
use hoptrail_query::assemble::{Clocks, TraceTree, assemble};

use self::lines::{Lines, lines};
use self::rows::{Row, Tally, rows, tally};
use crate::chrome::{Chrome, Place, page};
use crate::context::Visit;
use crate::error::PageError;
use crate::filters;
use crate::format::{self, Moment};
use crate::pages::known::{known, trace_id};
use crate::pages::search::shown_service;
use crate::url::{Params, href};

/// Rows of one page.
const MOST: usize = 1_000;
/// Traces with more spans are folded unless the address says otherwise.
const FOLDED_FROM: usize = 1_000;

/// The page.
#[derive(Debug, Template)]
#[template(path = "compare.html")]
struct ComparePage {
    chrome: Chrome,
    sides: [Side; 2],
    /// How the whole durations differ.
    difference: String,
    is_slower: bool,
    is_same: bool,
    tally: Tally,
    notices: Vec<String>,
    /// The same page in other forms.
    views: Vec<Link>,
    swapped: String,
    rows: Vec<Row>,
    /// `rows 1 to 1 000 of 2 345`; empty when all are here.
    part: String,
    before: String,
    after: String,
    is_folded: bool,
}

/// One of the two.
#[derive(Debug)]
struct Side {
    letter: &'static str,
    href: String,
    id: String,
    service: String,
    name: String,
    start: String,
    duration: String,
    spans: String,
    errors: usize,
}

#[derive(Debug)]
struct Link {
    label: &'static str,
    href: String,
    chosen: bool,
}

/// How the page is shown.
#[derive(Debug, Clone, Copy)]
struct View {
    /// `None` where the size of the traces decides.
    folded: Option<bool>,
    only_changes: bool,
    /// Rows that are passed over.
    from: usize,
}

impl View {
    fn read(params: &Params) -> Result<Self, PageError> {
        let folded = match params.text("fold") {
            "" => None,
            "1" => Some(true),
            "0" => Some(false),
            other => return Err(wrong("fold", other, "1 or 0")),
        };
        let only_changes = match params.text("only") {
            "" => false,
            "changes" => true,
            other => return Err(wrong("only", other, "changes")),
        };
        let from = match params.text("from") {
            "" => 0,
            from => from.parse().map_err(|_| wrong("from", from, "the number of rows to pass over"))?,
        };
        Ok(Self { folded, only_changes, from })
    }

    fn link(self, (base, compare): (TraceId, TraceId)) -> String {
        let fold = self.folded.map_or("", |folded| if folded { "1" } else { "0" });
        let only = if self.only_changes { "changes" } else { "" };
        let from = if self.from > 0 { self.from.to_string() } else { String::new() };
        href(&format!("/trace/{base}...{compare}"), [("fold", fold), ("only", only), ("from", &from)])
    }
}

fn wrong(name: &str, given: &str, allowed: &str) -> PageError {
    PageError::BadParameter(format!(
        "{name} {:?} is unknown: it is {allowed}, or left out",
        format::shortened(given, 60)
    ))
}

/// `GET /compare?a=...&b=...`: for forms.
pub(crate) async fn open(params: Params) -> Result<Redirect, PageError> {
    let id = |name| trace_id(params.text(name));
    Ok(Redirect::to(&format!("/trace/{}...{}", id("a")?, id("b")?)))
}

/// `GET /trace/{a}...{b}`.
pub(crate) async fn show(visit: Visit, params: Params, ids: (TraceId, TraceId)) -> Result<Response, PageError> {
    let view = View::read(&params)?;
    let (base, one) = known(&visit, ids.0).await?;
    let (compare, other) = known(&visit, ids.1).await?;
    let notices = one.into_iter().chain(other).map(|damage| format::sentence(&damage)).collect();
    let work = tokio::task::spawn_blocking(move || {
        page(StatusCode::OK, &compare_page(&visit, [&base, &compare], view, notices))
    });
    work.await.map_err(PageError::NotDrawn)
}

fn compare_page(visit: &Visit, traces: [&Trace; 2], view: View, notices: Vec<String>) -> ComparePage {
    let trees = traces.map(|trace| assemble(trace, Clocks::AsSent));
    let [base, compare] = &trees;
    let ids = (base.id, compare.id);
    let is_large = trees.iter().any(|tree| tree.nodes.len() > FOLDED_FROM);
    let is_folded = view.folded.unwrap_or(is_large);
    let Lines { list, scale } = lines(base, compare, is_folded);
    let tally = tally(&list);
    let shown = rows::wanted(&list, view.only_changes);
    let all = shown.len();
    let from = view.from.min(all);
    let to = all.min(from + MOST);
    let page_at = |from| View { from, ..view }.link(ids);
    let [one, other] = trees.each_ref().map(|tree| tree.interval.nanos());
    let link = |label, view: View, chosen| Link { label, href: view.link(ids), chosen };
    let top = View { from: 0, ..view };
    ComparePage {
        chrome: Chrome::at(Place::Elsewhere),
        sides: [side("A", base, visit), side("B", compare, visit)],
        difference: rows::difference(one, other),
        is_slower: other > one,
        is_same: ids.0 == ids.1,
        tally,
        notices,
        views: vec![
            link("Every span", View { folded: Some(false), ..top }, !is_folded),
            link("Folded", View { folded: Some(true), ..top }, is_folded),
            link("Only what differs", View { only_changes: !view.only_changes, ..top }, view.only_changes),
        ],
        swapped: View { from: 0, ..view }.link((ids.1, ids.0)),
        rows: rows(&list, shown.get(from..to).unwrap_or_default(), scale),
        part: if to - from < all {
            let [from, to, all] = [from + 1, to, all].map(|number| format::count(number as u64));
            format!("Rows {from} to {to} of {all}")
        } else {
            String::new()
        },
        before: if from > 0 { page_at(from.saturating_sub(MOST)) } else { String::new() },
        after: if to < all { page_at(to) } else { String::new() },
        is_folded,
    }
}

fn side(letter: &'static str, tree: &TraceTree<'_>, visit: &Visit) -> Side {
    let root = tree.main_root().and_then(|root| root.span());
    let id = tree.id.to_string();
    Side {
        letter,
        href: format!("/trace/{id}"),
        id: id.chars().take(8).collect(),
        service: root
            .map_or_else(String::new, |root| format::shortened(&shown_service(root.resource.service_name()), 80)),
        name: root.map_or_else(|| "root has not arrived".to_owned(), |root| format::shortened(&root.span.name, 120)),
        start: Moment::new(tree.interval.start, &visit.zone).text,
        duration: format::duration(tree.interval.nanos()),
        spans: format::counted(tree.summary.spans, "span", "spans"),
        errors: tree.summary.errors,
    }
}
