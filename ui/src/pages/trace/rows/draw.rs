//! Bars, and what is marked on them.

use hoptrail_query::assemble::{Interval, NodeKind};

use super::Drawing;
use crate::filters::plain_text;
use crate::format;
use crate::waterfall::{merged, own};

/// Events drawn on a bar.
const MOST_EVENTS: usize = 40;

/// A bar; numbers are percent of the width.
#[derive(Debug, Default)]
pub(crate) struct Bar {
    pub(crate) x: String,
    pub(crate) width: String,
    /// Whether any of it lies in the time shown.
    pub(crate) visible: bool,
    pub(crate) critical: Vec<Part>,
    /// The parts in which no child ran; empty when that is all of it.
    pub(crate) own: Vec<Part>,
    /// Time that nobody accounts for.
    pub(crate) gaps: Vec<Part>,
    pub(crate) events: Vec<Part>,
    /// Where the duration stands.
    pub(crate) label_x: String,
}

/// A part of a bar, with its words where it has any.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) title: String,
}

/// A number of percent, for the style of a bar.
pub(super) fn percent(value: f64) -> String {
    format!("{value:.2}")
}

/// `+12 ms`, or `-3 ms` for one before its span.
pub(super) fn offset(time: u64, start: u64) -> String {
    if time < start {
        format!("-{}", format::duration(start - time))
    } else {
        format!("+{}", format::duration(time - start))
    }
}

impl Drawing<'_> {
    pub(super) fn bar(&self, index: usize) -> Bar {
        let node = &self.tree.nodes[index];
        let Some((x, width)) = self.scale.bar(node.interval).filter(|_| !node.outlier) else { return Bar::default() };
        let has_spans_below =
            self.tree.children(index).any(|child| !matches!(self.tree.nodes[child].kind, NodeKind::Inferred(_)));
        let own = if has_spans_below && node.span().is_some() { own(self.tree, index) } else { vec![] };
        let gaps = self.gaps.iter().filter(|gap| gap.node == Some(index));
        let gap = |interval: Interval| {
            let (x, width) = self.scale.bar(interval)?;
            let title = format!("{} in which no span below ran", format::duration(interval.nanos()));
            Some(Part { x: percent(x), width: percent(width), title })
        };
        Bar {
            visible: true,
            critical: self.parts(node.critical.iter().copied()),
            own: self.parts(own.into_iter()),
            gaps: gaps.filter_map(|found| gap(found.interval)).collect(),
            events: self.events(index),
            label_x: percent(x + width),
            x: percent(x),
            width: percent(width),
        }
    }

    /// Stretches of time on the scale of the page, few enough to be drawn.
    pub(super) fn parts(&self, intervals: impl Iterator<Item = Interval>) -> Vec<Part> {
        let placed = merged(intervals.filter_map(|interval| self.scale.bar(interval)));
        placed
            .into_iter()
            .map(|(x, width)| Part { x: percent(x), width: percent(width), title: String::new() })
            .collect()
    }

    fn events(&self, index: usize) -> Vec<Part> {
        let node = &self.tree.nodes[index];
        let Some(span) = node.span() else { return vec![] };
        let inside = |time: &u64| (self.scale.range.start..=self.scale.range.end).contains(time);
        let events = span.span.events.iter().map(|event| {
            let time = event.time_unix_nano.saturating_add_signed(node.shift_nanos);
            (time, &event.name)
        });
        let part = |(time, name): (u64, &String)| {
            let at = offset(time, node.interval.start);
            let title = format!("{} at {at}", plain_text(&format::shortened(name, 60)));
            Part { x: percent(self.scale.position(time)), width: String::new(), title }
        };
        events.filter(|(time, _)| inside(time)).take(MOST_EVENTS).map(part).collect()
    }
}
