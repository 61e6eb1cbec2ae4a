//! Finds a text that every match of an expression contains. Searching for it is much cheaper than matching.

use regex_syntax::hir::{Hir, HirKind};

/// The longest such text; `None` when no literal part of the expression is in every match.
pub(super) fn text(expression: &Hir) -> Option<Vec<u8>> {
    match expression.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_vec()),
        HirKind::Capture(capture) => text(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => text(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(text).max_by_key(Vec::len),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::Pattern;

    #[test]
    fn what_every_match_holds_is_known() {
        let cases = [
            ("/api/v1/cart/3/1999.*", Some("/api/v1/cart/3/1999")),
            (".*/12[0-9](/[a-z]+)?", Some("/12")),
            ("(ab)+c?", Some("ab")),
            ("a{2}", Some("a")),
            ("(?:x|yz)end", Some("end")),
            ("^straße$", Some("straße")),
            ("a|b", None),
            ("(?i)abc", None),
            ("(abc)?", None),
            ("(abc){0,3}", None),
            (".*", None),
            ("", None),
        ];
        for (source, expected) in cases {
            let pattern = Pattern::new(source).expect(source);
            let found = pattern.required_text().map(String::from_utf8_lossy);
            assert_eq!(found.as_deref(), expected, "{source}");
        }
    }
}
