//! Words looked for inside a trace.

use hoptrail_proto::model::{Attribute, TraceSpan};
use hoptrail_query::assemble::{Node, NodeKind, TraceTree};

use crate::format::value as text;

/// Indexes of the nodes that have every word somewhere: name, service, id, kind, status message, attributes, events. `:error`,
/// `:warning`, `:critical` and `:inferred` ask for marks.
pub(super) fn matches(tree: &TraceTree<'_>, words: &str) -> Vec<usize> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    if words.is_empty() {
        return Vec::new();
    }
    let all = |index: &usize| words.iter().all(|word| has(&tree.nodes[*index], word));
    (0..tree.nodes.len()).filter(all).collect()
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
        || model.events.iter().any(|event| {
            contains(&event.name, word) || event.attributes.iter().any(|attribute| attribute_has(attribute, word))
        })
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
        return word.is_empty() || text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
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
