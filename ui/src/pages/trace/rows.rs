//! Lines of the waterfall as the template wants them.

use std::collections::HashMap;

use hoptrail_query::assemble::{Node, NodeKind, TraceTree, Warning};

use crate::colour::Palette;
use crate::filters::plain_text;
use crate::format;
use crate::pages::search::shown_service;
use crate::waterfall::{Line, Rest, Scale, View};

/// Levels that are indented; deeper ones are not indented further, and say which level they are.
const MOST_INDENTED: usize = 20;
/// Gaps in the critical path narrower than this are not drawn: about a pixel, in percent.
const NARROW: f64 = 0.12;
/// Events drawn on a bar.
const MOST_EVENTS: usize = 40;

/// A line of the waterfall.
#[derive(Debug)]
pub(crate) enum Row {
    Span(Box<SpanRow>),
    Rest(RestRow),
}

/// A node.
#[derive(Debug)]
pub(crate) struct SpanRow {
    pub(crate) dom_id: String,
    pub(crate) level: usize,
    pub(crate) indent: usize,
    pub(crate) toggle: Option<Toggle>,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) colour: usize,
    pub(crate) kind: RowKind,
    pub(crate) href: String,
    pub(crate) selected: bool,
    pub(crate) matched: bool,
    pub(crate) error: bool,
    pub(crate) skewed: bool,
    pub(crate) warned: bool,
    pub(crate) bar: Bar,
    pub(crate) duration: String,
    /// What a screen reader says besides service and name.
    pub(crate) spoken: String,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    Span,
    Missing,
    Inferred(&'static str),
}

/// The mark that opens or shuts a node.
#[derive(Debug)]
pub(crate) struct Toggle {
    pub(crate) href: String,
    pub(crate) open: bool,
    pub(crate) hidden: String,
    pub(crate) hidden_errors: usize,
}

/// A bar; numbers are percent of the width.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) x: String,
    pub(crate) width: String,
    /// Whether any of it lies in the time shown.
    pub(crate) visible: bool,
    pub(crate) critical: Vec<(String, String)>,
    pub(crate) events: Vec<(String, String)>,
    /// Where the duration stands.
    pub(crate) label_x: String,
}

/// Nodes that are not shown.
#[derive(Debug)]
pub(crate) struct RestRow {
    pub(crate) dom_id: String,
    pub(crate) indent: usize,
    pub(crate) text: String,
    pub(crate) errors: usize,
    pub(crate) groups: String,
    pub(crate) href: String,
    pub(crate) action: String,
}

/// What rows are drawn from.
pub(super) struct Drawing<'t> {
    pub(super) tree: &'t TraceTree<'t>,
    pub(super) view: &'t View,
    pub(super) scale: Scale,
    pub(super) palette: &'t Palette,
    pub(super) selected: Option<usize>,
    /// Sorted.
    pub(super) matches: &'t [usize],
    /// Errors before each node, for the errors of any range of nodes.
    pub(super) errors_before: Vec<u32>,
    pub(super) id: String,
}

impl Drawing<'_> {
    pub(super) fn row(&self, line: &Line) -> Row {
        match line {
            Line::Node { index, level, open } => Row::Span(Box::new(self.span_row(*index, *level, *open))),
            Line::Rest(rest) => Row::Rest(self.rest_row(rest)),
        }
    }

    fn span_row(&self, index: usize, level: usize, open: Option<bool>) -> SpanRow {
        let node = &self.tree.nodes[index];
        let (service, name, kind) = titles(self.tree, index);
        let dom_id = format!("s-{}", node.key);
        let selected = self.selected == Some(index);
        let target = self.view.selecting(Some(node.key).filter(|_| !selected));
        let owner = if let NodeKind::Inferred(_) = node.kind { node.parent.unwrap_or(index) } else { index };
        SpanRow {
            level: level + 1,
            indent: level.min(MOST_INDENTED),
            toggle: open.map(|open| self.toggle(index, open)),
            colour: self.palette.colour(service_of(&self.tree.nodes[owner])),
            kind,
            href: target.href(&self.id, &dom_id),
            selected,
            matched: self.matches.binary_search(&index).is_ok(),
            error: node.is_error(),
            skewed: node.warnings.iter().any(|warning| matches!(warning, Warning::ClockSkew { .. })),
            warned: node.warnings.iter().any(|warning| !warning.is_remark() && *warning != Warning::NotReceived),
            bar: self.bar(node),
            duration: format::duration(node.interval.nanos()),
            spoken: spoken(node, level, self.tree.interval.start),
            dom_id,
            service,
            name,
        }
    }

    fn toggle(&self, index: usize, open: bool) -> Toggle {
        let node = &self.tree.nodes[index];
        Toggle {
            href: self.view.toggled(node.key, open).href(&self.id, &format!("s-{}", node.key)),
            open,
            hidden: format::count((node.next - index - 1) as u64),
            hidden_errors: self.errors(index + 1, node.next),
        }
    }

    fn errors(&self, from: usize, to: usize) -> usize {
        (self.errors_before[to] - self.errors_before[from]) as usize
    }

    fn bar(&self, node: &Node<'_>) -> Bar {
        let placed = self.scale.bar(node.interval).filter(|_| !node.outlier);
        let (x, width) = placed.unwrap_or_default();
        let critical = merged(node.critical.iter().filter_map(|part| self.scale.bar(*part)));
        Bar {
            visible: placed.is_some(),
            critical: critical.into_iter().map(|(x, width)| (percent(x), percent(width))).collect(),
            events: self.events(node),
            label_x: percent(x + width),
            x: percent(x),
            width: percent(width),
        }
    }

    fn events(&self, node: &Node<'_>) -> Vec<(String, String)> {
        let Some(span) = node.span() else { return vec![] };
        let inside = |time: &u64| (self.scale.range.start..=self.scale.range.end).contains(time);
        let events = span.span.events.iter().map(|event| {
            let time = event.time_unix_nano.saturating_add_signed(node.shift_nanos);
            (time, &event.name)
        });
        events
            .filter(|(time, _)| inside(time))
            .take(MOST_EVENTS)
            .map(|(time, name)| {
                let after = format::duration(time.saturating_sub(node.interval.start));
                (
                    percent(self.scale.position(time)),
                    format!("{} at +{after}", plain_text(&format::shortened(name, 60))),
                )
            })
            .collect()
    }

    fn rest_row(&self, rest: &Rest) -> RestRow {
        let hidden = self.hidden(rest);
        let key = rest.parent.map(|parent| self.tree.nodes[parent].key);
        let dom_id = format!(
            "{}-{}",
            if rest.after { "more" } else { "less" },
            key.map_or("roots".into(), |key| key.to_string())
        );
        let noun = if rest.parent.is_some() { ("child", "children") } else { ("root", "roots") };
        let direction = if rest.after { "more" } else { "earlier" };
        RestRow {
            indent: rest.level.min(MOST_INDENTED),
            text: format!(
                "{} {direction} {}",
                format::count(rest.hidden as u64),
                if rest.hidden == 1 { noun.0 } else { noun.1 }
            ),
            errors: hidden.iter().map(|&index| self.errors(index, self.tree.nodes[index].next)).sum(),
            groups: self.groups(&hidden),
            href: self.view.windowed(key, rest.next).href(&self.id, &dom_id),
            action: format!("Show {}", format::count(rest.hidden.min(200) as u64)),
            dom_id,
        }
    }

    /// Indexes of the children that a rest stands for.
    fn hidden(&self, rest: &Rest) -> Vec<usize> {
        match rest.parent {
            Some(parent) => self.tree.children(parent).skip(rest.first).take(rest.hidden).collect(),
            None => self.tree.roots().skip(rest.first).take(rest.hidden).collect(),
        }
    }

    /// The most frequent kinds of nodes: `4 210 × stock SELECT, 12 × GET`.
    fn groups(&self, nodes: &[usize]) -> String {
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        for node in nodes.iter().map(|&index| &self.tree.nodes[index]) {
            let name = node.span().map_or("not received", |span| span.span.name.as_str());
            *counts.entry((service_of(node), name)).or_default() += 1;
        }
        let mut sorted: Vec<_> = counts.into_iter().collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let named = sorted.iter().take(3).map(|((service, name), count)| {
            let name = format::shortened(name, 40);
            format!("{} × {} {}", format::count(*count as u64), plain_text(service), plain_text(&name))
        });
        let more = sorted.len().saturating_sub(3);
        let tail = (more > 0).then(|| format!("{more} other names"));
        named.chain(tail).collect::<Vec<_>>().join(" · ")
    }
}

/// A number of percent, for the style of a bar.
fn percent(value: f64) -> String {
    format!("{value:.3}")
}

/// Stretches (left edge and width, percent, ascending) without gaps too narrow to be seen, so that there are few of them.
fn merged(stretches: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (x, width) in stretches {
        match merged.last_mut() {
            Some((left, length)) if x - (*left + *length) < NARROW => *length = x + width - *left,
            _ => merged.push((x, width)),
        }
    }
    merged
}

/// Service, name and kind of a node as shown.
fn titles(tree: &TraceTree<'_>, index: usize) -> (String, String, RowKind) {
    let node = &tree.nodes[index];
    match &node.kind {
        NodeKind::Span(span) => {
            let name = if span.span.name.is_empty() { "(no name)" } else { &span.span.name };
            (shown_service(span.resource.service_name()), name.to_owned(), RowKind::Span)
        }
        NodeKind::Missing => ("not received".to_owned(), format!("span {}", node.key.span_id), RowKind::Missing),
        NodeKind::Inferred(peer) => {
            (peer.name.clone(), format!("{}, sends no spans", peer.kind.name()), RowKind::Inferred(peer.kind.name()))
        }
    }
}

/// The service of a span; empty for other nodes.
pub(super) fn service_of<'a>(node: &Node<'a>) -> &'a str {
    node.span().map_or("", |span| span.resource.service_name())
}

fn spoken(node: &Node<'_>, level: usize, start: u64) -> String {
    let mut parts = vec![
        format!("level {}", level.saturating_add(1)),
        format!("takes {}", format::duration(node.interval.nanos())),
        format!("starts after {}", format::duration(node.interval.start.saturating_sub(start))),
    ];
    if node.is_error() {
        parts.push("error".to_owned());
    }
    if !node.critical.is_empty() {
        parts.push("on the critical path".to_owned());
    }
    if !node.warnings.is_empty() {
        parts.push(format::counted(node.warnings.len(), "remark", "remarks"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_very_many_stretches_is_drawn_with_few() {
        assert_eq!(merged([(0.0, 10.0), (10.05, 5.0), (50.0, 1.0)].into_iter()), [(0.0, 15.05), (50.0, 1.0)]);
        let many = (0..100_000).map(|at| (f64::from(at) / 1_000.0, 0.000_5));
        assert!(merged(many).len() <= 1_000);
    }
}
