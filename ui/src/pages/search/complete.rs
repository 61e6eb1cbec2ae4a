//! What may stand at the cursor of the query box: words of TraceQL, and keys and values of the store.

use std::ops::Range;

use axum::response::{IntoResponse, Response};
use hoptrail_proto::model::AnyValue;
use hoptrail_query::pairs::{self, Pair, Word};
use hoptrail_query::traceql::{self, Stored, field_text};
use hoptrail_query::{
    AttributeKeysRequest, AttributeScope, Field, FieldValuesRequest, Filter, TimeRange, Value, quoted,
};
use serde::Serialize;

use super::form::{Form, write_name};
use super::names::{self, Of};
use super::text;
use crate::context::Visit;
use crate::error::PageError;
use crate::filters::plain_text;
use crate::format;
use crate::url::Params;

/// Most suggestions.
const MOST: usize = 20;
/// Most values of a field among which those that fit are looked for.
const MOST_VALUES: usize = 2_000;
/// A longer choice is no help.
const LONGEST: usize = 500;
/// Most characters of a choice that the list shows.
const SHORT: usize = 100;

/// Suggestions for a part of the text, in UTF-16 units as scripts count them.
#[derive(Debug, Serialize)]
struct Suggestions {
    from: usize,
    to: usize,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    /// What takes the place of that part.
    text: String,
    /// What the list shows.
    label: String,
    kind: &'static str,
}

/// What may stand at a place, before the store is asked.
#[derive(Debug, PartialEq)]
struct Wanted {
    /// The bytes that a choice replaces.
    replaces: Range<usize>,
    /// What a choice contains.
    typed: String,
    words: Vec<String>,
    stored: Stored,
    filter: Filter,
    style: Style,
}

/// How a choice is written.
#[derive(Debug, PartialEq)]
enum Style {
    TraceQl,
    /// `key=`
    Key,
    /// A pair with this scope and key.
    Pair(Option<AttributeScope>, Word),
}

/// `GET /search/complete`: the fields of the form, and `at`, where the cursor stands in `q`; or `of=service`, `of=name`, for names that have
/// the text of that field.
pub(crate) async fn show(visit: Visit, params: Params) -> Result<Response, PageError> {
    if let of @ ("service" | "name") = params.text("of") {
        return named(&visit, &params, of).await;
    }
    // As typed: the form's own text has no spaces at its ends.
    let typed = params.all("q").next().unwrap_or_default();
    let at = byte_at(typed, params.text("at").parse().unwrap_or(usize::MAX));
    let wanted = wanted(typed, at);
    let form = Form::read(&params, &visit.zone);
    let range = form.range(visit.now, &visit.zone).unwrap_or_default();
    let stored = stored(&visit, &wanted, range).await?;
    let words = wanted.words.iter().map(|word| item(word.clone(), word, "TraceQL"));
    let items = words.chain(stored).take(MOST).collect();
    let position = |byte: usize| typed.get(..byte).map_or(0, |before| before.encode_utf16().count());
    let found = Suggestions { from: position(wanted.replaces.start), to: position(wanted.replaces.end), items };
    Ok(axum::Json(found).into_response())
}

/// Names with their numbers of spans, as the fields of the form take them.
async fn named(visit: &Visit, params: &Params, of: &str) -> Result<Response, PageError> {
    let form = Form::read(params, &visit.zone);
    let range = form.range(visit.now, &visit.zone).unwrap_or_default();
    let (of, text) = if of == "name" { (Of::Spans(&form.service), &form.name) } else { (Of::Services, &form.service) };
    let found = names::like(visit, of, text, range).await?;
    let found: Vec<(String, String)> = found.into_iter().map(|(name, spans)| (write_name(&name), spans)).collect();
    Ok(axum::Json(found).into_response())
}

fn item(text: String, label: &str, kind: &'static str) -> Item {
    Item { text, label: plain_text(&format::shortened(label.trim_end(), SHORT)), kind }
}

/// The byte at a position in UTF-16 units; the end when it lies behind.
fn byte_at(text: &str, units: usize) -> usize {
    let mut counted = 0;
    let found = text.char_indices().find(|(_, c)| {
        let is_here = counted >= units;
        counted += c.len_utf16();
        is_here
    });
    found.map_or(text.len(), |(byte, _)| byte)
}

fn wanted(typed: &str, at: usize) -> Wanted {
    if text::is_traceql(typed) {
        let found = traceql::complete(typed, at);
        let traceql::Completion { replaces, typed, words, stored, filter } = found;
        return Wanted { replaces, typed, words, stored, filter, style: Style::TraceQl };
    }
    pair_at(typed, at)
}

/// Among pairs: the key or the value of the last word before the cursor.
fn pair_at(text: &str, at: usize) -> Wanted {
    let before = text.get(..at).unwrap_or_default();
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |space| space + before[space..].chars().next().map_or(1, char::len_utf8));
    let word = before.get(start..).unwrap_or_default();
    let wanted = |typed: &str, words, stored, style| Wanted {
        replaces: start..at,
        typed: typed.to_owned(),
        words,
        stored,
        filter: Filter::True,
        style,
    };
    let begins = if text.trim().is_empty() { vec!["{ ".to_owned()] } else { vec![] };
    let keys = Stored::Keys { scope: None, of_parent: false };
    match word.split_once('=') {
        // A word in quotes may have spaces.
        _ if before.contains('"') => wanted("", vec![], Stored::Nothing, Style::Key),
        None => wanted(word, begins, keys, Style::Key),
        Some((key, value)) => match pairs::read(&format!("{key}=x")).as_deref() {
            Ok([pair]) if !pair.negated => {
                let field = Field::attribute(pair.scope.unwrap_or(AttributeScope::Any), pair.key.text.as_str());
                wanted(value, vec![], Stored::Values(field), Style::Pair(pair.scope, pair.key.clone()))
            }
            _ => wanted("", vec![], Stored::Nothing, Style::Key),
        },
    }
}

async fn stored(visit: &Visit, wanted: &Wanted, range: Option<TimeRange>) -> Result<Vec<Item>, PageError> {
    match &wanted.stored {
        Stored::Nothing => Ok(vec![]),
        Stored::Keys { scope, of_parent } => {
            let request = AttributeKeysRequest { filter: Filter::True, range };
            let keys = visit.service().attribute_keys(&visit.tenant, request).await?.value;
            let keys = keys.into_iter().filter(|(of, _)| scope.is_none_or(|scope| scope == *of));
            let mut fitting: Vec<(AttributeScope, String)> =
                keys.filter(|(_, key)| key.len() <= LONGEST && contains(key, &wanted.typed)).collect();
            sort(&mut fitting, &wanted.typed, |(_, key)| key);
            if wanted.style == Style::Key {
                // A pair names no scope.
                let mut known = std::collections::HashSet::new();
                fitting.retain(|(_, key)| known.insert(key.clone()));
            }
            Ok(fitting.into_iter().take(MOST).map(|(scope, key)| key_item(scope, key, *of_parent, wanted)).collect())
        }
        Stored::Values(field) => {
            let filter = wanted.filter.clone();
            let request = FieldValuesRequest { field: field.clone(), filter, range, limit: MOST_VALUES };
            let values = visit.service().field_values(&visit.tenant, request).await?.value;
            let texts = values.iter().filter_map(|value| Some((bare(value)?, value)));
            let mut fitting: Vec<(String, &Value)> =
                texts.filter(|(text, _)| text.len() <= LONGEST && contains(text, &wanted.typed)).collect();
            sort(&mut fitting, &wanted.typed, |(text, _)| text);
            Ok(fitting.into_iter().take(MOST).map(|(text, value)| value_item(&text, value, wanted)).collect())
        }
    }
}

fn key_item(scope: AttributeScope, key: String, of_parent: bool, wanted: &Wanted) -> Item {
    if wanted.style == Style::Key {
        let pair = Pair { scope: None, key: Word::bare(&key), negated: false, value: Word::bare("") };
        let text = pairs::write(&[pair]);
        return item(text.trim_end_matches('"').to_owned(), &key, "attribute");
    }
    let text = field_text(&Field::attribute(scope, key));
    let text = if of_parent { format!("parent.{text}") } else { text };
    item(text.clone(), &text, "attribute")
}

fn value_item(bare: &str, value: &Value, wanted: &Wanted) -> Item {
    let text = match (&wanted.style, value) {
        (Style::Pair(scope, key), _) => {
            let pair = Pair { scope: *scope, key: key.clone(), negated: false, value: Word::bare(bare) };
            pairs::write(&[pair])
        }
        (_, Value::Any(AnyValue::String(text))) => quoted(text),
        _ => bare.to_owned(),
    };
    item(text, bare, "value")
}

/// A value without quotes; `None` for one that a query has no word for.
fn bare(value: &Value) -> Option<String> {
    match value {
        Value::Any(AnyValue::String(text)) => Some(text.clone()),
        Value::Any(AnyValue::Bool(value)) => Some(value.to_string()),
        Value::Any(AnyValue::Int(value)) => Some(value.to_string()),
        Value::Any(AnyValue::Double(value)) => Some(format!("{value:?}")),
        Value::Any(_) | Value::Duration(_) => None,
        Value::Status(status) => Some(status.name().to_owned()),
        Value::Kind(kind) => Some(kind.name().to_owned()),
    }
}

fn contains(text: &str, typed: &str) -> bool {
    typed.is_empty() || text.to_lowercase().contains(&typed.to_lowercase())
}

/// What begins with the typed text comes first.
fn sort<T>(items: &mut [T], typed: &str, text: impl Fn(&T) -> &str) {
    items.sort_by(|one, other| {
        let key = |item: &T| (!text(item).starts_with(typed), text(item).to_owned());
        key(one).cmp(&key(other))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_completed_at_the_last_word() {
        let at = |text: &str| {
            let found = wanted(text, text.len());
            (text[found.replaces.clone()].to_owned(), found.typed, found.stored)
        };
        let keys = Stored::Keys { scope: None, of_parent: false };
        let value = |scope, key: &str| Stored::Values(Field::attribute(scope, key));
        assert_eq!(at("a=b http"), ("http".into(), "http".into(), keys.clone()));
        assert_eq!(at(""), (String::new(), String::new(), keys));
        assert_eq!(at("a=b k=v"), ("k=v".into(), "v".into(), value(AttributeScope::Any, "k")));
        assert_eq!(at("span.k="), ("span.k=".into(), String::new(), value(AttributeScope::Span, "k")));
        assert_eq!(at("a=\"b c").2, Stored::Nothing);
        assert_eq!(at("a!=b").2, Stored::Nothing);
        assert_eq!(at("a\u{3000}b").0, "b");
    }

    #[test]
    fn traceql_is_completed_where_it_stands() {
        let found = wanted("{ span.é = 1 && span.ht }", 24);
        assert_eq!((found.replaces, found.typed.as_str()), (17..24, "ht"));
        assert_eq!(wanted("{ } | ra", 8).words, ["rate()"]);
    }

    #[test]
    fn positions_are_those_of_scripts() {
        let text = "a😀b";
        assert_eq!([0, 1, 3, 4, 9].map(|units| byte_at(text, units)), [0, 1, 5, 6, 6]);
        assert_eq!(byte_at(text, 2), 5, "between the halves of a character");
    }

    #[test]
    fn choices_are_written_as_their_text_reads_them() {
        let any = |value: &str| Value::string(value);
        let in_braces = wanted("{ .a = ", 7);
        assert_eq!(value_item("x\"y", &any("x\"y"), &in_braces).text, r#""x\"y""#);
        let in_pair = wanted("a=", 2);
        assert_eq!(value_item("x y", &any("x y"), &in_pair).text, r#"a="x y""#);
        assert_eq!(key_item(AttributeScope::Span, "my key".into(), false, &wanted("", 0)).text, r#""my key"="#);
        assert_eq!(key_item(AttributeScope::Span, "k".into(), true, &in_braces).text, "parent.span.k");
        assert!(!item("t".into(), &"\u{202e}x".repeat(500), "value").label.contains('\u{202e}'));
    }
}
