//! Values that have a structure, laid out so that it is seen. Nothing is reordered, and what is no JSON or SQL stays as it is.

use serde::de::IgnoredAny;

/// Longer values are shown as they are.
const LONGEST: usize = 64 << 10;
/// Deeper brackets are not indented further.
const DEEPEST: usize = 40;

/// The value with its structure in lines; `None` when it has none.
pub(super) fn pretty(key: &str, text: &str) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(trimmed).is_ok() {
        return Some(json(trimmed)).filter(|laid| laid.contains('\n'));
    }
    let is_sql = hoptrail_query::conventions::DB_QUERY.contains(&key);
    (is_sql && text.len() > 60 && !text.contains('\n')).then(|| sql(text)).filter(|laid| laid.contains('\n'))
}

/// JSON with a line for each element.
fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
    };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            (in_text, escaped) = (escaped || c != '"', !escaped && c == '\\');
            continue;
        }
        match c {
            '"' => {
                in_text = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|next| next.is_whitespace()).is_some() {}
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// Words before which a clause begins.
const CLAUSES: [&str; 17] = [
    "FROM",
    "WHERE",
    "LEFT",
    "RIGHT",
    "INNER",
    "JOIN",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "UNION",
    "VALUES",
    "SET",
    "RETURNING",
    "AND",
    "ON",
];
/// A line does not begin at the second word of `LEFT JOIN`.
const BEFORE_JOIN: [&str; 4] = ["LEFT", "RIGHT", "INNER", "OUTER"];

/// SQL with a line for each clause. What is in quotes stays in its line.
fn sql(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut last = String::new();
    let mut quote = None;
    for word in text.split(' ') {
        let upper = word.to_ascii_uppercase();
        let begins = quote.is_none()
            && CLAUSES.contains(&upper.as_str())
            && !(upper == "JOIN" && BEFORE_JOIN.contains(&last.as_str()))
            && !out.is_empty();
        if begins {
            out.push('\n');
            out.push_str(if matches!(upper.as_str(), "AND" | "ON") { "  " } else { "" });
        } else if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        for c in word.chars().filter(|c| matches!(c, '\'' | '"' | '`')) {
            quote = match quote {
                None => Some(c),
                Some(open) if open == c => None,
                other => other,
            };
        }
        last = upper;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_keeps_its_order() {
        let text = r#"{"b":[1, 2,{}],"a":"x, {\"y\"}: z","c" : [ ]}"#;
        let expected = "{\n  \"b\": [\n    1,\n    2,\n    {}\n  ],\n  \"a\": \"x, {\\\"y\\\"}: z\",\n  \"c\": []\n}";
        assert_eq!(pretty("any", text).as_deref(), Some(expected));
        for plain in ["{not json}", "[]", "5", "", "{\"a\":", "{} {}"] {
            assert_eq!(pretty("any", plain), None, "{plain}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(pretty("any", &deep).is_none_or(|laid| laid.len() < 20_000));
    }

    #[test]
    fn sql_has_a_line_for_each_clause() {
        let text = "SELECT a, b FROM orders o LEFT JOIN items i ON i.order = o.id WHERE o.note = 'from here and on' AND o.id = $1 LIMIT 5";
        let expected = "SELECT a, b\nFROM orders o\nLEFT JOIN items i\n  ON i.order = o.id\nWHERE o.note = 'from here and on'\n  AND o.id = $1\nLIMIT 5";
        assert_eq!(pretty("db.statement", text).as_deref(), Some(expected));
        assert_eq!(pretty("db.query.text", text).as_deref(), Some(expected));
        assert_eq!(pretty("note", text), None, "only queries are SQL");
        assert_eq!(pretty("db.query.text", "GET session:1"), None);
    }
}
