//! Lines as rows of the page, and what became of each.

use super::lines::{Line, Spans};
use crate::colour::Palette;
use crate::format;
use crate::pages::search::shown_service;

/// Differences count when they are more than a tenth of the longer time, and more than this.
const NOTICEABLE: u64 = 1_000_000;
/// Levels that are drawn apart.
const DEEPEST: usize = 20;
const MINUS: char = '−';

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Same,
    New,
    Gone,
    /// It fails now, or fails more.
    Failed,
    /// It does not fail any more.
    Recovered,
    Slower,
    Faster,
    /// There are more, or fewer, that take as long together.
    Count,
}

impl State {
    pub(super) fn of(line: &Line) -> Self {
        let (base, compare) = match (line.base, line.compare) {
            (Some(base), Some(compare)) => (base, compare),
            (None, _) => return Self::New,
            (_, None) => return Self::Gone,
        };
        let is_noticeable = base.nanos.abs_diff(compare.nanos) > NOTICEABLE.max(base.nanos.max(compare.nanos) / 10);
        match () {
            () if compare.errors > base.errors => Self::Failed,
            () if compare.errors < base.errors => Self::Recovered,
            () if is_noticeable && compare.nanos > base.nanos => Self::Slower,
            () if is_noticeable => Self::Faster,
            () if compare.count != base.count => Self::Count,
            () => Self::Same,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::New => "new",
            Self::Gone => "gone",
            Self::Failed => "fails",
            Self::Recovered => "recovered",
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::Count => "other number",
        }
    }
}

/// How many lines became what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) new: usize,
    pub(super) gone: usize,
    pub(super) slower: usize,
    pub(super) faster: usize,
    pub(super) failed: usize,
    pub(super) same: usize,
}

pub(super) fn tally(lines: &[Line]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        let own = match State::of(line) {
            State::New => &mut tally.new,
            State::Gone => &mut tally.gone,
            State::Slower => &mut tally.slower,
            State::Faster => &mut tally.faster,
            State::Failed => &mut tally.failed,
            State::Same | State::Count | State::Recovered => &mut tally.same,
        };
        *own += 1;
    }
    tally
}

/// The indexes of the lines that are shown: all, or those that differ and what is above them.
pub(super) fn wanted(lines: &[Line], only_changes: bool) -> Vec<usize> {
    let mut wanted: Vec<bool> = lines.iter().map(|line| !only_changes || State::of(line) != State::Same).collect();
    for index in (0..lines.len()).rev() {
        if wanted[index]
            && let Some(parent) = lines[index].parent
        {
            wanted[parent] = true;
        }
    }
    (0..lines.len()).filter(|index| wanted[*index]).collect()
}

/// A line as a row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) depth: usize,
    pub(super) colour: usize,
    pub(super) service: String,
    pub(super) name: String,
    pub(super) is_missing: bool,
    pub(super) base: Option<Shown>,
    pub(super) compare: Option<Shown>,
    /// `+12 ms, +40 %`
    pub(super) difference: String,
    pub(super) state: &'static str,
    pub(super) is_bad: bool,
    pub(super) is_good: bool,
}

/// The spans of one trace.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) duration: String,
    /// `42 × `; empty for one.
    pub(super) count: String,
    pub(super) errors: usize,
    /// Of the bar, percent.
    pub(super) x: String,
    pub(super) width: String,
}

/// The rows of the lines with these indexes.
pub(super) fn rows(lines: &[Line], shown: &[usize], scale: u64) -> Vec<Row> {
    let palette = Palette::of(lines.iter().map(|line| line.service.as_str()));
    let lines = shown.iter().filter_map(|index| lines.get(*index));
    lines.map(|line| row(line, &palette, scale)).collect()
}

fn row(line: &Line, palette: &Palette, scale: u64) -> Row {
    let state = State::of(line);
    let difference = match (line.base, line.compare) {
        (Some(base), Some(compare)) => difference(base.nanos, compare.nanos),
        _ => String::new(),
    };
    Row {
        depth: line.depth.min(DEEPEST),
        colour: palette.colour(&line.service),
        service: if line.is_missing { String::new() } else { format::shortened(&shown_service(&line.service), 80) },
        name: format::shortened(&line.name, 160),
        is_missing: line.is_missing,
        base: line.base.map(|spans| spans_shown(spans, scale)),
        compare: line.compare.map(|spans| spans_shown(spans, scale)),
        difference,
        state: state.word(),
        is_bad: matches!(state, State::Slower | State::Failed),
        is_good: matches!(state, State::Faster | State::Recovered),
    }
}

fn spans_shown(spans: Spans, scale: u64) -> Shown {
    let percent = |nanos: u64| if scale == 0 { 0.0 } else { 100.0 * nanos as f64 / scale as f64 };
    let (x, end) = (percent(spans.from).min(100.0), percent(spans.to).min(100.0));
    Shown {
        duration: format::duration(spans.nanos),
        count: if spans.count > 1 { format!("{} × ", format::count(spans.count as u64)) } else { String::new() },
        errors: spans.errors,
        x: format!("{x:.2}"),
        // A bar is seen however short it is.
        width: format!("{:.2}", (end - x).max(0.3)),
    }
}

/// `+12 ms, +40 %`
pub(super) fn difference(base: u64, compare: u64) -> String {
    let sign = match compare.cmp(&base) {
        std::cmp::Ordering::Less => MINUS,
        std::cmp::Ordering::Equal => return "±0".to_owned(),
        std::cmp::Ordering::Greater => '+',
    };
    let off = format::duration(base.abs_diff(compare));
    if base == 0 {
        return format!("{sign}{off}");
    }
    let ratio = compare as f64 / base as f64;
    if ratio >= 3.0 {
        return format!("{sign}{off}, ×{ratio:.1}");
    }
    format!("{sign}{off}, {sign}{:.0} %", 100.0 * (ratio - 1.0).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_read_well() {
        let millis = |base: u64, compare: u64| difference(base * 1_000_000, compare * 1_000_000);
        assert_eq!(millis(100, 140), "+40 ms, +40 %");
        assert_eq!(millis(140, 100), "−40 ms, −29 %");
        assert_eq!(millis(10, 45), "+35 ms, ×4.5");
        assert_eq!((millis(5, 5), millis(0, 2)), ("±0".to_owned(), "+2 ms".to_owned()));
    }
}
