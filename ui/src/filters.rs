//! Text of senders on a page. It is kept apart from the text around it, so that it cannot turn that text round. A character that
//! nobody sees is shown by its code point, such as `U+202E`. Links and downloads have the text as it is.

#![expect(unreachable_pub, reason = "askama makes a public function of each filter")]

use std::fmt::Write;

use askama::filters::Safe;
use askama::{Result, Values};
use hoptrail_query::is_invisible;

/// A name, in one line.
#[askama::filter_fn]
pub(crate) fn shown<T: AsRef<str>>(text: T, _: &dyn Values) -> Result<Safe<String>> {
    Ok(Safe(marked(text.as_ref(), is_invisible)))
}

/// A value, which may have lines and tabs.
#[askama::filter_fn]
pub(crate) fn text<T: AsRef<str>>(text: T, _: &dyn Values) -> Result<Safe<String>> {
    let unseen = |c: char| is_invisible(c) && !matches!(c, '\n' | '\t');
    Ok(Safe(marked(&text.as_ref().replace("\r\n", "\n"), unseen)))
}

/// A name where there can be no elements: in attributes, titles and options.
#[askama::filter_fn]
pub(crate) fn plain<T: AsRef<str>>(text: T, _: &dyn Values) -> Result<String> {
    Ok(plain_text(text.as_ref()))
}

/// A name as a part of a longer text without elements.
pub(crate) fn plain_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let turns = text.contains(is_right_to_left);
    // FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE are what <bdi> is to elements.
    out.extend(turns.then_some('\u{2068}'));
    for c in text.chars() {
        if is_invisible(c) {
            _ = write!(out, "[{}]", number(c));
        } else {
            out.push(c);
        }
    }
    out.extend(turns.then_some('\u{2069}'));
    out
}

/// The text as HTML. Neighbours that cannot be seen share a mark.
fn marked(text: &str, unseen: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str("<bdi>");
    let mut in_mark = false;
    for c in text.chars() {
        match (unseen(c), in_mark) {
            (true, false) => out.push_str("<mark>"),
            (true, true) => out.push(' '),
            (false, true) => out.push_str("</mark>"),
            (false, false) => {}
        }
        in_mark = unseen(c);
        if in_mark { out.push_str(&number(c)) } else { escape(c, &mut out) }
    }
    out.push_str(if in_mark { "</mark></bdi>" } else { "</bdi>" });
    out
}

fn escape(c: char, out: &mut String) {
    match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        '"' => out.push_str("&#34;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

/// A text as it can stand in markup.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| escape(c, &mut out));
    out
}

fn number(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// Whether a letter is written from right to left.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_number() {
        let cases = [
            ("GET /x", "<bdi>GET /x</bdi>", "GET /x"),
            ("", "<bdi></bdi>", ""),
            ("a\u{202e}b", "<bdi>a<mark>U+202E</mark>b</bdi>", "a[U+202E]b"),
            ("\u{200b}\u{feff}", "<bdi><mark>U+200B U+FEFF</mark></bdi>", "[U+200B][U+FEFF]"),
            ("a\nb\u{e0041}", "<bdi>a<mark>U+000A</mark>b<mark>U+E0041</mark></bdi>", "a[U+000A]b[U+E0041]"),
            ("<b>&\"'", "<bdi>&lt;b&gt;&amp;&#34;&#39;</bdi>", "<b>&\"'"),
            ("שלום", "<bdi>שלום</bdi>", "\u{2068}שלום\u{2069}"),
        ];
        for (text, html, plain) in cases {
            assert_eq!((marked(text, is_invisible).as_str(), plain_text(text).as_str()), (html, plain), "{text:?}");
        }
    }
}
