//! Words looked for inside a trace.

use hoptrail_proto::model::{Attribute, SpanEvent, TraceSpan};
use hoptrail_query::assemble::{Node, NodeKind, TraceTree};

use crate::format::{self, value as text};
use crate::waterfall::View;

/// The words looked for and where they are.
#[derive(Debug, Default)]
pub(super) struct Find {
    pub(super) words: String,
    pub(super) text: String,
    pub(super) previous: String,
    pub(super) next: String,
    pub(super) clear: String,
}

/// What the find form says: where the reader is among the matches, and the ways to the others.
pub(super) fn found(tree: &TraceTree<'_>, view: &View, matches: &[usize], selected: Option<usize>) -> Find {
    if view.find.is_empty() {
        return Find::default();
    }
    let id = tree.id.to_string();
    let at = selected.and_then(|index| matches.binary_search(&index).ok());
    let link = |match_at: Option<&usize>| {
        let key = match_at.map(|&index| tree.nodes[index].key);
        key.map(|key| view.selecting(Some(key)).href(&id, &format!("s-{key}"))).unwrap_or_default()
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
        clear: View { find: String::new(), ..view.reduced(|reduce| reduce.only = false) }.href(&id, ""),
        words: view.find.clone(),
    }
}

/// The node in whose row a node is shown: a peer is in that of its caller.
pub(super) fn shown_in(tree: &TraceTree<'_>, index: usize) -> usize {
    match &tree.nodes[index] {
        Node { kind: NodeKind::Inferred(_), parent: Some(parent), .. } => *parent,
        _ => index,
    }
}

/// Indexes of the nodes that have every word somewhere: name, service, id, kind, status message, attributes, events. `:error`,
/// `:warning`, `:critical` and `:inferred` ask for marks.
pub(super) fn matches(tree: &TraceTree<'_>, words: &str) -> Vec<usize> {
    let words = self::words(words);
    if words.is_empty() {
        return Vec::new();
    }
    let all = |index: &usize| words.iter().all(|word| has(&tree.nodes[*index], word));
    (0..tree.nodes.len()).filter(all).collect()
}

/// The words that are looked for, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

/// Whether name or attributes of an event have the word.
pub(super) fn event_has(event: &SpanEvent, word: &str) -> bool {
    contains(&event.name, word) || event.attributes.iter().any(|attribute| attribute_has(attribute, word))
}

fn has(node: &Node<'_>, word: &str) -> bool {
    match word {
        ":error" => node.is_error(),
        ":warning" => node.warnings.iter().any(|warning| !warning.is_remark()),
        ":critical" => !node.critical.is_empty(),
        ":inferred" => matches!(node.kind, NodeKind::Inferred(_)),
        word => match &node.kind {
            NodeKind::Span(span) => contains(&node.key.to_string(), word) || span_has(span, word),
            NodeKind::Missing => contains(&node.key.to_string(), word),
            NodeKind::Inferred(peer) => contains(&peer.name, word),
        },
    }
}

fn span_has(span: &TraceSpan, word: &str) -> bool {
    let model = &span.span;
    let plain = [model.name.as_str(), span.resource.service_name(), model.kind.name(), &model.status.message];
    plain.iter().any(|text| contains(text, word))
        || model.attributes.iter().any(|attribute| attribute_has(attribute, word))
        || model.events.iter().any(|event| event_has(event, word))
}

/// Whether key, value, or `key=value` contains the word.
fn attribute_has(attribute: &Attribute, word: &str) -> bool {
    if contains(&attribute.key, word) {
        return true;
    }
    let value_has = |word: &str| match attribute.value.as_str() {
        Some(value) => contains(value, word),
        None => contains(&text(&attribute.value), word),
    };
    value_has(word)
        || word.split_once('=').is_some_and(|(key, value)| attribute.key.eq_ignore_ascii_case(key) && value_has(value))
}

/// Whether `text` contains `word`, which is lower case, in any case.
fn contains(text: &str, word: &str) -> bool {
    if text.len() < word.len() && text.is_ascii() {
        return false;
    }
    if word.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        let Some(first) = word.first() else { return true };
        let starts = |window: &&[u8]| window[0].eq_ignore_ascii_case(first);
        return text.windows(word.len()).filter(starts).any(|window| window.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case() {
        for (text, word) in [("GET /Cart", "cart"), ("Straße", "straße"), ("ÜBER", "über"), ("x", ""), ("", "")] {
            assert!(contains(text, word), "{text} {word}");
        }
        assert!(!contains("cart", "carts") && !contains("é", "e"));
    }

    #[test]
    fn attributes_are_found_by_key_value_and_both() {
        let attribute = Attribute::new("http.route", "/api/Cart");
        for word in ["http.r", "api/cart", "http.route=/api", "http.route="] {
            assert!(attribute_has(&attribute, word), "{word}");
        }
        assert!(!attribute_has(&attribute, "http.method=/api") && attribute_has(&Attribute::new("n", 200), "n=200"));
    }
}
