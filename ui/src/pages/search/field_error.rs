//! What is wrong with a field of the search form.

use hoptrail_query::is_invisible;
use hoptrail_query::traceql::QueryError;

use crate::format;

/// Most faults shown; a hopeless text has one for every word.
const MOST: usize = 8;
/// Most characters of a line around a fault: on any screen, and on a small one.
const WIDE: usize = 110;
const NARROW: usize = 38;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The field's name in the URL.
    pub(crate) field: &'static str,
    pub(crate) message: String,
    /// What is wrong in the query, each in its place.
    pub(crate) faults: Vec<Fault>,
    /// How many more there are.
    pub(crate) more: usize,
}

/// A fault in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    /// `line 2, column 5`; empty when the text has one line.
    pub(crate) place: String,
    pub(crate) wide: Excerpt,
    /// For small screens, when the line does not fit.
    pub(crate) narrow: Option<Excerpt>,
}

/// A part of a line and, below it, carets under the fault. Every character takes one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) line: String,
    pub(crate) carets: String,
}

impl FieldError {
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), faults: vec![], more: 0 }
    }

    /// The errors of the query box, which holds `text`.
    pub(super) fn of_query(text: &str, errors: &[QueryError]) -> Self {
        let message = match errors.len() {
            0 => "The query is not valid.".to_owned(),
            1 => "There is an error in the query.".to_owned(),
            many => format!("There are {} in the query.", format::counted(many, "error", "errors")),
        };
        let faults = errors.iter().take(MOST).map(|error| fault(text, error)).collect();
        Self { field: "q", message, faults, more: errors.len().saturating_sub(MOST) }
    }
}

fn fault(text: &str, error: &QueryError) -> Fault {
    let start = text.floor_char_boundary(error.range.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = text.floor_char_boundary(error.range.end.clamp(start, line_end));
    let line = &text[line_start..line_end];
    let (column, length) = (text[line_start..start].chars().count(), text[start..end].chars().count().max(1));
    let place = if text.contains('\n') {
        format!("line {}, column {}", text[..start].matches('\n').count() + 1, column + 1)
    } else {
        String::new()
    };
    let narrow = (line.chars().count() > NARROW).then(|| excerpt(line, column, length, NARROW));
    Fault { message: error.message.clone(), place, wide: excerpt(line, column, length, WIDE), narrow }
}

/// Up to `width` characters of a line, among them the beginning of the fault.
fn excerpt(line: &str, column: usize, length: usize, width: usize) -> Excerpt {
    let total = line.chars().count();
    let first = if total <= width { 0 } else { column.saturating_sub(width * 2 / 3) };
    let cut_front = first > 0;
    let shown = line.chars().skip(first).take(width).enumerate();
    let is_cut = first + width < total;
    let line = shown.map(|(at, c)| match at {
        0 if cut_front => '…',
        at if is_cut && at + 1 == width => '…',
        _ if is_invisible(c) => ' ',
        _ => c,
    });
    let room = width.saturating_sub(column - first).max(1);
    let carets = format!("{}{}", " ".repeat(column - first), "^".repeat(length.min(room)));
    Excerpt { line: line.collect(), carets }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, range: std::ops::Range<usize>) -> Fault {
        let mut error = FieldError::of_query(text, &[QueryError::new(range, "m")]);
        error.faults.remove(0)
    }

    #[test]
    fn carets_stand_below_the_fault() {
        let fault = at("{ name = }", 9..10);
        assert_eq!((fault.wide.line.as_str(), fault.wide.carets.as_str()), ("{ name = }", "         ^"));
        assert_eq!((fault.place.as_str(), fault.narrow), ("", None));
        let fault = at("{ name = \"ü\" &&\n\tspan.a = }", 27..28);
        assert_eq!((fault.place.as_str(), fault.wide.line.as_str()), ("line 2, column 11", " span.a = }"));
        assert_eq!(fault.wide.carets, "          ^");
    }

    #[test]
    fn long_lines_are_shown_around_the_fault() {
        let text = format!("{{ {} = }}", "é".repeat(300));
        let fault = at(&text, text.len() - 1..text.len());
        for (excerpt, width) in [(&fault.wide, WIDE), (fault.narrow.as_ref().expect("long"), NARROW)] {
            assert!(excerpt.line.chars().count() <= width && excerpt.line.starts_with('…'), "{excerpt:?}");
            assert_eq!(excerpt.line.chars().nth(excerpt.carets.chars().count() - 1), Some('}'), "{excerpt:?}");
        }
        let long = at(&text, 2..text.len() - 3);
        assert_eq!(long.wide.line.chars().count(), WIDE);
        assert!(long.wide.carets.chars().count() <= WIDE && long.wide.carets.starts_with("  ^"));
    }

    #[test]
    fn any_range_is_shown() {
        let reversed = std::ops::Range { start: 2, end: 1 };
        for range in [0..0, 1..2, reversed, 90..99] {
            assert!(at("ü\nx", range).wide.carets.contains('^'));
        }
        let many = vec![QueryError::new(0..1, "m"); 12];
        let error = FieldError::of_query("x", &many);
        assert_eq!((error.faults.len(), error.more), (MOST, 4));
    }
}
