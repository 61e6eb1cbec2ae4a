//! Rows of events, at their place in time: an event stands below its span, after the children that began before it.

use std::iter::Peekable;
use std::vec::IntoIter;

use hoptrail_proto::model::SpanEvent;

use super::draw::{offset, percent};
use super::{Drawing, EventRow, MOST_INDENTED, Row};
use crate::format;
use crate::waterfall::Line;

/// Rows of events of one span; a last one says how many more it has.
const MOST_OF_A_SPAN: usize = 40;
/// Rows of events of a page.
const MOST_OF_A_PAGE: usize = 1_000;

/// Rows of events with their times.
type Events = Peekable<IntoIter<(u64, EventRow)>>;

/// The events of spans that are open, which wait for their place.
#[derive(Default)]
pub(super) struct Waiting {
    /// The level of a span, and its events by time.
    spans: Vec<(usize, Events)>,
    /// Rows so far.
    rows: usize,
    /// Whether there was no room for all.
    pub(super) cut: bool,
}

impl Waiting {
    /// Puts the events of the span at this node up.
    pub(super) fn add(&mut self, drawing: &Drawing<'_>, node: usize, level: usize) {
        let rows = drawing.event_rows(node, level + 1);
        let room = MOST_OF_A_PAGE.saturating_sub(self.rows);
        self.cut |= rows.len() > room;
        self.rows += rows.len().min(room);
        let rows: Vec<(u64, EventRow)> = rows.into_iter().take(room).collect();
        if !rows.is_empty() {
            self.spans.push((level, rows.into_iter().peekable()));
        }
    }

    /// Takes the rows that come before a line of this level which begins at `start`.
    pub(super) fn before(&mut self, level: usize, start: u64, rows: &mut Vec<Row>) {
        while let Some((_, events)) = self.spans.pop_if(|(of, _)| *of >= level) {
            rows.extend(events.map(|(_, row)| Row::Event(row)));
        }
        // Of the span right above the line those that were before it.
        if let Some((_, events)) = self.spans.last_mut().filter(|(of, _)| of + 1 == level) {
            while let Some((_, row)) = events.next_if(|(time, _)| *time < start) {
                rows.push(Row::Event(row));
            }
        }
    }

    /// Takes all that are left.
    pub(super) fn rest(&mut self, rows: &mut Vec<Row>) {
        self.before(0, u64::MAX, rows);
    }
}

impl Drawing<'_> {
    /// The level of a line, and when what it stands for begins.
    pub(super) fn place_of(&self, line: &Line) -> (usize, u64) {
        let start = |item: usize| self.tree.nodes[self.outline.items[item].node].interval.start;
        match line {
            Line::Item { index, level, .. } => (*level, start(*index)),
            Line::Rest(rest) if rest.after => {
                (rest.level, self.hidden(rest).first().map_or(u64::MAX, |&item| start(item)))
            }
            Line::Rest(rest) => (rest.level, 0),
        }
    }

    /// A row for each event of a span with its time, by time.
    fn event_rows(&self, index: usize, level: usize) -> Vec<(u64, EventRow)> {
        let node = &self.tree.nodes[index];
        let Some(span) = node.span() else { return vec![] };
        let mut events: Vec<&SpanEvent> = span.span.events.iter().collect();
        events.sort_by_key(|event| event.time_unix_nano);
        let href = self.view.selecting(Some(node.key)).href(&self.id, &format!("s-{}", node.key));
        let blank = || EventRow {
            level: level + 1,
            indent: level.min(MOST_INDENTED),
            colour: self.palette.colour(span.resource.service_name()),
            href: href.clone(),
            ..EventRow::default()
        };
        let row = |event: &&SpanEvent| {
            let time = event.time_unix_nano.saturating_add_signed(node.shift_nanos);
            let inside = self.scale.range.start <= time && time <= self.scale.range.end;
            let x = self.scale.position(time);
            let row = EventRow {
                name: format::shortened(if event.name.is_empty() { "(no name)" } else { &event.name }, 80),
                text: said(event),
                offset: offset(time, node.interval.start),
                exception: event.name == "exception",
                x: if inside { percent(x) } else { String::new() },
                late: x > 88.0,
                ..blank()
            };
            (time, row)
        };
        let mut rows: Vec<(u64, EventRow)> = events.iter().take(MOST_OF_A_SPAN).map(row).collect();
        if let Some(next) = events.get(MOST_OF_A_SPAN) {
            let more = events.len() - MOST_OF_A_SPAN;
            let name = format::counted(more, "more event", "more events");
            rows.push((next.time_unix_nano, EventRow { name, ..blank() }));
        }
        rows
    }
}

/// The words of an event in one line: what an exception or a log line says, else its attributes.
pub(crate) fn said(event: &SpanEvent) -> String {
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
