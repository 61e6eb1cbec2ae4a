//! Text of senders. A terminal obeys some characters, and some turn the text beside them: those are shown by their code points.

use hoptrail_query::is_invisible;

/// Most characters of a name that are shown.
const MOST: usize = 300;

/// A name in one line: `a[U+001B]b` where a character cannot be seen. Cut when it is very long.
#[must_use]
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => marked(text.get(..end).unwrap_or_default()) + "…",
        None => marked(text),
    }
}

/// The whole text; what cannot be seen is shown by its code point.
#[must_use]
pub fn marked(text: &str) -> String {
    if !text.contains(is_invisible) {
        return text.to_owned();
    }
    let mark = |c: char| if is_invisible(c) { format!("[U+{:04X}]", u32::from(c)) } else { c.to_string() };
    text.chars().map(mark).collect()
}

/// JSON of which each character can be seen. It means the same: what cannot be seen stands in strings only, where it has an escape.
#[must_use]
pub fn harmless_json(json: &str) -> String {
    let unseen = |c: char| is_invisible(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(unseen) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Columns that a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// The text in exactly `columns` columns: filled up, or cut with an ellipsis.
#[must_use]
pub fn fitted(text: &str, columns: usize, right: bool) -> String {
    let text = cut(text, columns);
    let blanks = " ".repeat(columns.saturating_sub(width(&text)));
    if right { blanks + &text } else { text + &blanks }
}

/// The text in at most `columns` columns.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        let next = width(c.encode_utf8(&mut [0; 4]));
        if used + next + 1 > columns {
            break;
        }
        out.push(c);
        used += next;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_obeys() {
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}\n"), "a[U+001B][2Jb[U+202E][U+000A]");
        assert_eq!(shown("é中😀"), "é中😀");
        assert_eq!(shown(&"x".repeat(5_000)).chars().count(), MOST + 1);
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}\u{e0041}\u{1b}", "b": 1});
        let json = serde_json::to_string_pretty(&value).expect("JSON");
        let harmless = harmless_json(&json);
        assert!(!harmless.contains(|c| is_invisible(c) && c != '\n'), "{harmless}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&harmless).expect("JSON"), value);
        assert_eq!(harmless_json("{\"a\":\t1}\r\n"), "{\"a\":\t1}\r\n");
    }

    #[test]
    fn columns_are_counted_as_a_terminal_counts_them() {
        assert_eq!(fitted("中文字", 5, false), "中文…");
        assert_eq!(fitted("中文字", 4, false), "中… ");
        assert_eq!(fitted("ab", 4, true), "  ab");
        assert_eq!((cut("abc", 1), cut("abc", 0), cut("", 0)), ("…".into(), String::new(), String::new()));
    }
}
