//! Characters that a reader does not see.

/// Whether a reader does not see a character: a control, a mark that turns the direction of text, or one without a width. Text of
/// senders may have them; a page or an answer shows their code points instead.
///
/// ```
/// assert!(hoptrail_query::is_invisible('\u{202e}') && !hoptrail_query::is_invisible(' '));
/// ```
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_known() {
        for c in [
            '\0',
            '\t',
            '\r',
            '\u{85}',
            '\u{ad}',
            '\u{200b}',
            '\u{200f}',
            '\u{202e}',
            '\u{2069}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in ['a', ' ', 'é', 'ש', '中', '\u{2026}', '\u{fffd}', '😀', '\u{fe0f}'] {
            assert!(!is_invisible(c), "{c:?}");
        }
    }
}
