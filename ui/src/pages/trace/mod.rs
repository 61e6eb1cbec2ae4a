//! One trace: its facts, its waterfall, other views of it, the detail of a span, and downloads.

mod advice;
mod ai;
mod badges;
mod build;
mod detail;
mod download;
mod file;
mod find;
mod findings;
mod head;
mod jaeger;
mod linked;
mod open;
mod pretty;
mod rows;
mod tools;
mod typical;
mod value;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hoptrail_query::assemble::{TraceTree, assemble};
use tokio::sync::oneshot;

pub(crate) use self::open::open;
pub(crate) use download::{as_html, as_jaeger, as_json, as_protobuf, raw_value};

use super::compare;
use super::known::{known, trace_id};
use crate::chrome::page;
use crate::context::{Visit, cookie};
use crate::error::PageError;
use crate::url::{Named, Params};
use crate::waterfall::{Tab, View, gaps, outline};
use build::Given;
use findings::{Findings, Look};
use linked::Linked;
use typical::{Kinds, Typical};

/// How wide names may be, percent of the page: as the style sheet has classes for.
const WIDTHS: std::ops::RangeInclusive<u8> = 16..=64;
const WIDTH_STEP: u8 = 4;
/// How long percentiles may take; without them the page is the same.
const PERCENTILES_WITHIN: Duration = Duration::from_secs(1);

/// `GET /trace/{id}`.
pub(crate) async fn show(
    visit: Visit,
    params: Params,
    headers: HeaderMap,
    Named(id): Named<String>,
) -> Result<Response, PageError> {
    if let Some((base, compared)) = id.split_once("...") {
        return compare::show(visit, params, (trace_id(base)?, trace_id(compared)?)).await;
    }
    View::check(&params).map_err(PageError::BadParameter)?;
    let (trace, damage) = known(&visit, trace_id(&id)?).await?;
    let view = View::read(&params);
    let (trace, visit) = (Arc::new(trace), Arc::new(visit));
    let (send, told) = oneshot::channel();
    let selected = view.span.filter(|key| view.tab == Tab::Waterfall && !key.peer);
    // A large trace takes a while to assemble: not on a thread that serves others, and while the store says what others took.
    let (whole, given) = (Arc::clone(&trace), Arc::clone(&visit));
    let work = tokio::task::spawn_blocking(move || {
        let tree = assemble(&whole, view.clocks);
        let (visit, names, damage) = (&*given, names(&headers), damage.as_deref());
        let (typical, linking) = told.blocking_recv().unwrap_or_default();
        draw(&tree, &Given { view: &view, visit, typical: &typical, linking: &linking, damage, names }, &params)
    });
    let asked = async {
        // The trace does not wait for it longer than this.
        let typical = tokio::time::timeout(PERCENTILES_WITHIN, Typical::ask(&visit, Kinds::of(&trace)));
        let linking = async {
            match selected {
                Some(key) => linked::elsewhere(&visit, trace.id, key).await,
                None => Linked::default(),
            }
        };
        let (typical, linking) = tokio::join!(typical, linking);
        // Nobody takes it when the page failed.
        let _ = send.send((typical.unwrap_or_default(), linking));
    };
    let (drawn, ()) = tokio::join!(work, asked);
    // Nobody waits until the memory of a large trace is given back.
    tokio::task::spawn_blocking(move || drop(trace));
    drawn.map_err(PageError::NotDrawn)?.map_err(PageError::BadParameter)
}

/// The page in its view, or what is wrong with a parameter of that view.
fn draw(tree: &TraceTree<'_>, given: &Given<'_>, params: &Params) -> Result<Response, String> {
    let view = given.view;
    let head = || head::head(tree, view, given.visit, findings(tree, given));
    let ok = StatusCode::OK;
    Ok(match view.tab {
        Tab::Waterfall => page(ok, &build::trace_page(tree, given)),
        Tab::Flame => page(ok, &views::flame::page(tree, view, params, head())?),
        Tab::Statistics => page(ok, &views::statistics::page(tree, view, params, head())?),
        Tab::Spans => page(ok, &views::spans::page(tree, view, params, head())?),
        Tab::Graph => page(ok, &views::graph::page(tree, view, head())),
        Tab::Events => page(ok, &views::events::page(tree, view, params, head())?),
        Tab::Messages => page(ok, &views::messages::page(tree, view, &given.visit.app.config, head())),
    })
}

/// What stands out, whatever view of the trace is shown.
fn findings(tree: &TraceTree<'_>, given: &Given<'_>) -> Findings {
    let whole = View { clocks: given.view.clocks, ..View::default() };
    let outline = outline(tree, &whole, &[], None);
    let id = tree.id.to_string();
    let Given { typical, damage, .. } = *given;
    Look { tree, view: &whole, gaps: &gaps(tree), outline: &outline, typical, damage, id: &id }.findings()
}

/// How wide the reader made the names: `names=36` in a cookie of the script.
fn names(headers: &HeaderMap) -> Option<u8> {
    let width: u8 = cookie(headers, "names")?.parse().ok()?;
    (WIDTHS.contains(&width) && width.is_multiple_of(WIDTH_STEP)).then_some(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_widths_that_have_a_class_are_taken() {
        let width = |cookie: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", cookie.parse().expect("header"));
            names(&headers)
        };
        assert_eq!((width("names=36"), width("tz=UTC; names=16")), (Some(36), Some(16)));
        for none in ["names=37", "names=8", "names=999", "names=\" x", "x=36"] {
            assert_eq!(width(none), None, "{none}");
        }
    }
}
