//! Bars, and what is marked on them.

use hoptrail_query::assemble::{Interval, NodeKind};

use super::{Drawing, EventRow, MOST_INDENTED};
use crate::filters::plain_text;
use crate::format;
use crate::waterfall::{merged, own};

/// Events drawn on a bar, and rows of them below it.
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
            let after = format::duration(time.saturating_sub(node.interval.start));
            let title = format!("{} at +{after}", plain_text(&format::shortened(name, 60)));
            Part { x: percent(self.scale.position(time)), width: String::new(), title }
        };
        events.filter(|(time, _)| inside(time)).take(MOST_EVENTS).map(part).collect()
    }

    /// A row for each event of a span, by time.
    pub(super) fn event_rows(&self, index: usize, level: usize) -> Vec<EventRow> {
        let node = &self.tree.nodes[index];
        let Some(span) = node.span() else { return vec![] };
        let mut events: Vec<_> = span.span.events.iter().collect();
        events.sort_by_key(|event| event.time_unix_nano);
        let href = self.view.selecting(Some(node.key)).href(&self.id, &format!("s-{}", node.key));
        let row = |event: &&hoptrail_proto::model::SpanEvent| {
            let time = event.time_unix_nano.saturating_add_signed(node.shift_nanos);
            let inside = self.scale.range.start <= time && time <= self.scale.range.end;
            EventRow {
                level: level + 1,
                indent: level.min(MOST_INDENTED),
                name: format::shortened(if event.name.is_empty() { "(no name)" } else { &event.name }, 80),
                text: said(event),
                offset: format!("+{}", format::duration(time.saturating_sub(node.interval.start))),
                exception: event.name == "exception",
                x: if inside { percent(self.scale.position(time)) } else { String::new() },
                href: href.clone(),
            }
        };
        events.iter().take(MOST_EVENTS).map(row).collect()
    }
}

/// The words of an event in one line: what an exception or a log line says, else its attributes.
pub(crate) fn said(event: &hoptrail_proto::model::SpanEvent) -> String {
    const MOST: usize = 160;
    let value =
        |key: &str| event.attributes.iter().find(|attribute| attribute.key == key).map(|one| format::value(&one.value));
    let message = ["exception.message", "message", "log.message", "body"].into_iter().find_map(value);
    let text = match (value("exception.type"), message) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => {
            let pairs = event
                .attributes
                .iter()
                .take(6)
                .map(|one| format!("{}={}", one.key, format::shortened(&format::value(&one.value), 60)));
            pairs.collect::<Vec<_>>().join(" ")
        }
    };
    format::shortened(text.lines().next().unwrap_or_default(), MOST)
}
