//! A request to a language model as the conversation that it is. The messages stand in attributes, in events, or in numbered attributes of
//! older instrumentation; all are read into the same form.

mod read;

use hoptrail_proto::model::{AnyValue, Span, SpanId, TraceId, TraceSpan};
use hoptrail_query::assemble::TraceTree;
use hoptrail_query::conventions::{self, Keys};

pub(super) use read::{Message, messages};

use crate::Config;
use crate::format;
use crate::prices::{cost, cost_text};
use crate::url::href;

/// Most requests of a trace that are shown.
const MOST: usize = 100;

/// One request.
#[derive(Debug)]
pub(super) struct Conversation {
    /// What is known of it: model, tokens, cost.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) messages: Vec<Message>,
    /// Messages that are not shown.
    pub(super) more: usize,
    /// Where each attribute with messages is whole.
    pub(super) raw: Vec<(String, String)>,
    /// Whether the settings hide what is said.
    pub(super) hidden: bool,
}

/// Whether a span is a request to a model, or a step of an agent.
pub(super) fn is_ai(span: &Span) -> bool {
    // What comes first among areas. Asked of each span of a trace, of which most have no such key at all.
    let may_be = span.attributes.iter().any(|attribute| attribute.key.starts_with("gen_ai."));
    may_be
        && [conventions::AI_OPERATION, conventions::AI_PROVIDER]
            .iter()
            .any(|keys| conventions::value(span, keys).is_some())
}

/// The indexes of the requests of a trace, and how many more there are.
pub(super) fn requests(tree: &TraceTree<'_>) -> (Vec<usize>, usize) {
    let is_request = |index: &usize| tree.nodes[*index].span().is_some_and(|span| is_ai(&span.span));
    let mut all: Vec<usize> = (0..tree.nodes.len()).filter(is_request).collect();
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    (all, more)
}

/// The conversation of a span that is one.
pub(super) fn conversation(span: &TraceSpan, trace: TraceId, settings: &Config) -> Option<Conversation> {
    let model = &span.span;
    if !is_ai(model) {
        return None;
    }
    let (messages, more) = if settings.hide_ai_content { (vec![], 0) } else { messages(model) };
    let raw = |key: String| (raw_href(trace, model.span_id, &key), key);
    let raw = if settings.hide_ai_content { vec![] } else { read::keys(model).into_iter().map(raw).collect() };
    Some(Conversation { facts: facts(model, settings), messages, more, raw, hidden: settings.hide_ai_content })
}

/// Where an attribute is whole.
pub(super) fn raw_href(trace: TraceId, span: SpanId, key: &str) -> String {
    href(&format!("/trace/{trace}/value"), [("span", span.to_string().as_str()), ("key", key)])
}

/// Whether an attribute has what is said to a model or by it.
pub(super) fn is_content(key: &str) -> bool {
    read::is_content(key)
}

fn facts(span: &Span, settings: &Config) -> Vec<(&'static str, String)> {
    let text = |keys: Keys| conventions::value(span, keys).map(format::value).map(|text| format::shortened(&text, 120));
    let tokens = |keys: Keys| match conventions::value(span, keys)? {
        AnyValue::Int(tokens) => u64::try_from(*tokens).ok(),
        _ => None,
    };
    let count = |keys: Keys| tokens(keys).map(format::count);
    let said = [
        ("Model", text(conventions::AI_MODEL)),
        ("Provider", text(conventions::AI_PROVIDER)),
        ("Operation", text(conventions::AI_OPERATION)),
        ("Tool", text(conventions::AI_TOOL)),
        ("Tokens read", count(conventions::AI_INPUT_TOKENS)),
        ("of them cached", count(conventions::AI_CACHED_TOKENS)),
        ("Tokens written", count(conventions::AI_OUTPUT_TOKENS)),
        ("of them reasoning", count(conventions::AI_REASONING_TOKENS)),
        ("Cost", cost(span, &settings.ai_prices).map(cost_text)),
    ];
    said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
