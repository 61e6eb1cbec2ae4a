//! All requests to language models of a trace, as conversations.

use askama::Template;
use hoptrail_proto::model::AnyValue;
use hoptrail_query::assemble::TraceTree;
use hoptrail_query::conventions::{self, Keys};

use super::super::ai::{Conversation, conversation, requests};
use super::super::head::Head;
use crate::Config;
use crate::chrome::Chrome;
use crate::filters;
use crate::format;
use crate::pages::search::shown_service;
use crate::prices::{cost, cost_text};
use crate::waterfall::{Tab, View};

/// The page.
#[derive(Debug, Template)]
#[template(path = "trace_messages.html")]
pub(in super::super) struct MessagesPage {
    chrome: Chrome,
    head: Head,
    totals: Vec<(&'static str, String)>,
    requests: Vec<Request>,
    more: usize,
}

#[derive(Debug)]
struct Request {
    key: String,
    href: String,
    service: String,
    name: String,
    duration: String,
    offset: String,
    talk: Conversation,
}

pub(in super::super) fn page(tree: &TraceTree<'_>, view: &View, settings: &Config, head: Head) -> MessagesPage {
    let (found, more) = requests(tree);
    let id = head.id.clone();
    let request = |&index: &usize| {
        let node = &tree.nodes[index];
        let span = node.span()?;
        let waterfall = View { tab: Tab::Waterfall, find: String::new(), ..view.selecting(Some(node.key)) };
        Some(Request {
            key: node.key.to_string(),
            href: waterfall.href(&id, &format!("s-{}", node.key)),
            service: format::shortened(&shown_service(span.resource.service_name()), 80),
            name: format::shortened(&span.span.name, 120),
            duration: format::duration(node.interval.nanos()),
            offset: format!("+{}", format::duration(node.interval.start.saturating_sub(tree.interval.start))),
            talk: conversation(span, tree.id, settings)?,
        })
    };
    MessagesPage {
        chrome: Chrome::new(),
        totals: totals(tree, settings),
        requests: found.iter().filter_map(request).collect(),
        more,
        head,
    }
}

/// What all requests of the trace took, also those that are not shown.
fn totals(tree: &TraceTree<'_>, settings: &Config) -> Vec<(&'static str, String)> {
    let spans = || {
        tree.nodes
            .iter()
            .filter_map(|node| node.span())
            .map(|span| &span.span)
            .filter(|span| super::super::ai::is_ai(span))
    };
    let sum = |keys: Keys| {
        spans().fold(0_u64, |sum, span| match conventions::value(span, keys) {
            Some(AnyValue::Int(tokens)) => sum.saturating_add(u64::try_from(*tokens).unwrap_or_default()),
            _ => sum,
        })
    };
    let costs: Vec<f64> = spans().filter_map(|span| cost(span, &settings.ai_prices)).collect();
    let mut totals = vec![
        ("Requests", format::count(spans().count() as u64)),
        ("Tokens read", format::count(sum(conventions::AI_INPUT_TOKENS))),
        ("Tokens written", format::count(sum(conventions::AI_OUTPUT_TOKENS))),
    ];
    if !costs.is_empty() {
        totals.push(("Cost", cost_text(costs.iter().sum())));
    }
    totals
}
