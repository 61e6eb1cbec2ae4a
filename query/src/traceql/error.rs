//! Faults of a query and how they are shown.

use std::fmt::Write as _;
use std::ops::Range;

use crate::invisible::is_invisible;

/// A fault of a query and the bytes of the text that cause it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {})", range.start)]
pub struct QueryError {
    /// The bytes at fault, on character boundaries of the query; empty when something is missing there.
    pub range: Range<usize>,
    /// What is wrong and, where possible, what to write instead.
    pub message: String,
}

impl QueryError {
    /// A fault at `range`.
    pub fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into() }
    }
}

/// Most errors shown; a hopeless text has one for every token.
const MOST_SHOWN: usize = 10;
/// Most characters of a line shown around a fault.
const WIDTH: usize = 160;

/// Plain text for people: each fault with its line of the query and carets below the range.
#[must_use]
pub fn render_errors(q: &str, errors: &[QueryError]) -> String {
    let mut out = String::new();
    for error in errors.iter().take(MOST_SHOWN) {
        render(q, error, &mut out);
    }
    if errors.len() > MOST_SHOWN {
        let _ = writeln!(out, "and {} more errors", errors.len() - MOST_SHOWN);
    }
    out
}

fn render(q: &str, error: &QueryError, out: &mut String) {
    let at = floor_boundary(q, error.range.start);
    let line_start = q[..at].rfind('\n').map_or(0, |found| found + 1);
    let line_end = q[at..].find('\n').map_or(q.len(), |found| at + found);
    let line_number = q[..at].matches('\n').count() + 1;
    let column = q[line_start..at].chars().count();
    // Long lines are shown from a little before the fault.
    let skipped = if column < WIDTH - 40 { 0 } else { column - 40 };
    let shown: String = q[line_start..line_end].chars().skip(skipped).take(WIDTH).map(plain).collect();
    let end = floor_boundary(q, error.range.end.clamp(at, line_end));
    let carets = q[at..end].chars().count().clamp(1, WIDTH);
    let _ = writeln!(out, "line {line_number}, column {}: {}", column + 1, error.message);
    let _ = writeln!(out, "  {shown}");
    let _ = writeln!(out, "  {}{}", " ".repeat(column - skipped), "^".repeat(carets));
}

/// One column for each character: tabs, other controls, and what has no width or turns the text become a space.
fn plain(c: char) -> char {
    if is_invisible(c) { ' ' } else { c }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_below_the_fault() {
        let q = "{ name = \"ü\" &&\n\tspan.a = }";
        let at = q.find('}').unwrap_or_default();
        let text = render_errors(q, &[QueryError::new(at..at + 1, "a value is missing")]);
        assert_eq!(text, "line 2, column 11: a value is missing\n   span.a = }\n            ^\n");
    }

    #[test]
    fn wrong_ranges_do_not_panic() {
        let reversed = Range { start: 2, end: 1 };
        for range in [0..0, 1..2, reversed, 90..99] {
            assert!(render_errors("ü\nx", &[QueryError::new(range, "m")]).contains("m\n"));
        }
        let many = vec![QueryError::new(0..1, "m"); 12];
        assert!(render_errors("x", &many).ends_with("and 2 more errors\n"));
        let long = "é".repeat(1000);
        let text = render_errors(&long, &[QueryError::new(1800..1802, "m")]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH + 2), "{text}");
    }
}
