//! Text in double quotes: one writer for everything that is read again, and one reader of its escapes.

use crate::invisible::is_invisible;

/// The text in quotes, as a string of TraceQL and as a word among `key=value` pairs. A character that nobody sees, or that a
/// browser would change, is written by its code point.
///
/// ```
/// use hoptrail_query::quoted;
///
/// assert_eq!(quoted("GET /cart"), r#""GET /cart""#);
/// assert_eq!(quoted("a \"b\"\n\u{202e}"), r#""a \"b\"\n\u202e""#);
/// ```
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_invisible(c) => match u32::from(c) {
                code @ ..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The character that an escape names, and the bytes of the escape; `rest` is the text behind the backslash. `None` for what
/// [`quoted`] never writes.
pub(crate) fn escaped(rest: &str) -> Option<(char, usize)> {
    let letter = rest.chars().next()?;
    let found = match letter {
        '"' | '\\' => letter,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return code_point(rest, 4),
        'U' => return code_point(rest, 8),
        _ => return None,
    };
    Some((found, 1))
}

/// `202E` behind `u`, or `0001F600` behind `U`.
fn code_point(rest: &str, digits: usize) -> Option<(char, usize)> {
    let hex = rest.get(1..=digits).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let found = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?;
    Some((found, 1 + digits))
}

/// An expression that matches just this text, whatever characters it has.
#[must_use]
pub fn literal_pattern(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for c in ['"', '\\', '\n', '\r', '\t', '\0', '\u{202e}', '\u{e0041}'] {
            let text = quoted(&c.to_string());
            let escape =
                text.strip_prefix("\"\\").and_then(|text| text.strip_suffix('"')).expect("an escape in quotes");
            assert_eq!(escaped(escape), Some((c, escape.len())), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_is_none() {
        for rest in ["", "J", "u12", "ud800", "u+123", "uü12", "U0011ffff", "x41"] {
            assert_eq!(escaped(rest), None, "{rest}");
        }
    }
}
