//! Attributes as people type them: `http.route=/cart error=true user.name="Jane Doe"` (logfmt), all of which must hold.

use hoptrail_query::traceql::{QueryError, field_text};
use hoptrail_query::{AttributeScope, Field};

use super::form::{FieldError, caret};

/// One `key=value` of the text.
struct Pair<'a> {
    key: &'a str,
    value: String,
    quoted: bool,
}

/// The pairs as conditions of TraceQL. A bare value matches whatever its type: `status=200` finds the int and the string.
pub(super) fn conditions(text: &str) -> Result<Vec<String>, FieldError> {
    let pairs = pairs(text).map_err(|error| caret("q", text, &[error]))?;
    Ok(pairs.iter().map(condition).collect())
}

fn condition(pair: &Pair<'_>) -> String {
    let field = field_text(&Field::attribute(AttributeScope::Any, pair.key));
    let as_text = format!("{field} = {}", quoted(&pair.value));
    if pair.quoted {
        return as_text;
    }
    match (pair.key, pair.value.as_str()) {
        // Jaeger's word for a failed span.
        ("error", "true") => "status = error".to_owned(),
        ("error", "false") => "status != error".to_owned(),
        (_, value @ ("true" | "false")) => format!("({as_text} || {field} = {value})"),
        (_, value) if is_number(value) => format!("({as_text} || {field} = {value})"),
        _ => as_text,
    }
}

/// Whether the text is a number that TraceQL writes the same way.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.len() <= 15 && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

/// A string constant of TraceQL.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

fn pairs(text: &str) -> Result<Vec<Pair<'_>>, QueryError> {
    let mut pairs = Vec::new();
    let mut at = skip_spaces(text, 0);
    while at < text.len() {
        let key_end = text[at..].find(|c: char| c == '=' || c.is_whitespace()).map_or(text.len(), |found| at + found);
        let key = &text[at..key_end];
        if key.is_empty() {
            return Err(QueryError::new(at..at + 1, "an attribute name is missing before ="));
        }
        if !text[key_end..].starts_with('=') {
            let advice = "write attributes like key=value, or a TraceQL query like { .key = \"value\" }";
            return Err(QueryError::new(at..key_end, advice));
        }
        let (value, quoted, end) = value(text, key_end + 1)?;
        pairs.push(Pair { key, value, quoted });
        at = skip_spaces(text, end);
    }
    Ok(pairs)
}

/// The value at `at`: its text, whether it was quoted, and where it ends.
fn value(text: &str, at: usize) -> Result<(String, bool, usize), QueryError> {
    if !text[at..].starts_with('"') {
        let end = text[at..].find(char::is_whitespace).map_or(text.len(), |found| at + found);
        return Ok((text[at..end].to_owned(), false, end));
    }
    let mut value = String::new();
    let mut escaped = false;
    for (offset, c) in text[at + 1..].char_indices() {
        match c {
            _ if escaped => {
                value.push(if c == 'n' { '\n' } else { c });
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Ok((value, true, at + offset + 2)),
            _ => value.push(c),
        }
    }
    Err(QueryError::new(at..text.len(), "the closing quote is missing"))
}

fn skip_spaces(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| !c.is_whitespace()).map_or(text.len(), |found| at + found)
}

/// Jaeger's `tags` (a JSON object) or `tag` (`key:value`) as pairs in our form.
pub(super) fn from_jaeger(text: &str) -> Option<String> {
    let pair = |key: &str, value: &str| {
        let plain = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c == '"');
        if plain { format!("{key}={value}") } else { format!("{key}={}", quoted(value)) }
    };
    if !text.trim_start().starts_with('{') {
        return match text.split_once(':') {
            Some((key, value)) if !text.contains('=') => Some(pair(key, value)),
            _ => (!text.trim().is_empty()).then(|| text.to_owned()),
        };
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let pairs: Vec<String> = object
        .iter()
        .map(|(key, value)| pair(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str()))
        .collect();
    Some(pairs.join(" "))
}

#[cfg(test)]
mod tests {
    use hoptrail_query::traceql::compile;

    use super::*;

    #[test]
    fn pairs_become_conditions() {
        let cases: [(&str, &[&str]); 9] = [
            ("a=b", &[r#".a = "b""#]),
            ("  a=b\n c=d ", &[r#".a = "b""#, r#".c = "d""#]),
            ("http.status_code=500", &[r#"(.http.status_code = "500" || .http.status_code = 500)"#]),
            ("x=-1.5", &[r#"(.x = "-1.5" || .x = -1.5)"#]),
            ("x=1.2.3", &[r#".x = "1.2.3""#]),
            ("retry=true", &[r#"(.retry = "true" || .retry = true)"#]),
            ("error=true", &["status = error"]),
            (r#"q="a \"b\" = c""#, &[r#".q = "a \"b\" = c""#]),
            ("empty=", &[r#".empty = """#]),
        ];
        for (text, expected) in cases {
            let found = conditions(text).expect(text);
            assert_eq!(found, expected, "{text}");
            let query = format!("{{ {} }}", found.join(" && "));
            assert!(compile(&query).is_ok(), "{query}");
        }
    }

    #[test]
    fn any_key_and_value_is_valid_traceql() {
        for text in ["ü=é", "a{b=1", "(=)", "a\"b=c", "1=2", "a\u{1}=b", "k=\u{0}", "a&&b=||", "x=99999999999999999999"]
        {
            for condition in conditions(text).expect(text) {
                let query = format!("{{ {condition} }}");
                assert!(compile(&query).is_ok(), "{text:?}: {query}: {:?}", compile(&query));
            }
        }
    }

    #[test]
    fn faults_are_shown_in_place() {
        let cases = [("a", "^"), ("a=b c", "    ^"), ("a=b =c", "    ^"), ("a=\"b", "  ^^")];
        for (text, carets) in cases {
            let error = conditions(text).expect_err(text);
            let shown = error.caret.expect("caret");
            assert_eq!(shown.lines().nth(2).map(|line| line[2..].to_owned()).as_deref(), Some(carets), "{shown}");
        }
    }

    #[test]
    fn jaegers_forms() {
        assert_eq!(from_jaeger(r#"{"a":"b","n":5}"#).as_deref(), Some("a=b n=5"));
        assert_eq!(from_jaeger("a:b").as_deref(), Some("a=b"));
        assert_eq!(from_jaeger("{broken"), None);
    }
}
