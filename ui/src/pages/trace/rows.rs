//! Lines of the waterfall as the template wants them.

mod draw;
mod events;
mod group;

use hoptrail_proto::model::TraceSpan;
use hoptrail_query::assemble::{Node, NodeKind, PeerKind, TraceTree, Warning};

pub(super) use draw::Bar;
pub(super) use events::said;
pub(super) use group::{GroupRow, repeated, times};

use super::badges::{self, Badge};
use super::typical::Typical;
use crate::colour::Palette;
use crate::filters::plain_text;
use crate::format::{self, Name};
use crate::pages::search::shown_service;
use crate::waterfall::{Gap, Line, Outline, Rest, RowKey, Scale, View};

/// Levels that are indented; deeper ones are not indented further, and say which level they are.
const MOST_INDENTED: usize = 20;

/// A line of the waterfall.
#[derive(Debug)]
pub(crate) enum Row {
    Span(Box<SpanRow>),
    Group(Box<GroupRow>),
    Event(EventRow),
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
    /// Whether the row above it says the service already.
    pub(crate) same_service: bool,
    pub(crate) full_name: String,
    pub(crate) name: Name,
    pub(crate) colour: usize,
    pub(crate) kind: RowKind,
    pub(crate) href: String,
    pub(crate) selected: bool,
    pub(crate) matched: bool,
    pub(crate) error: bool,
    /// Whether an error is below it.
    pub(crate) leads_to_error: bool,
    /// Whether another process took over here.
    pub(crate) boundary: bool,
    pub(crate) skewed: bool,
    pub(crate) warned: bool,
    pub(crate) badges: Vec<Badge>,
    pub(crate) peer: Option<PeerChip>,
    pub(crate) bar: Bar,
    pub(crate) duration: String,
    pub(crate) rank: Option<RankText>,
    /// What a screen reader says besides service and name.
    pub(crate) spoken: String,
}

/// Where a duration lies among its kind.
#[derive(Debug)]
pub(crate) struct RankText {
    pub(crate) text: String,
    pub(crate) title: String,
    pub(crate) unusual: bool,
}

/// The other side of a call, which sends no spans.
#[derive(Debug)]
pub(crate) struct PeerChip {
    pub(crate) name: String,
    pub(crate) icon: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) href: String,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    Span,
    Missing,
    Inferred(&'static str),
}

/// The mark that opens or shuts a row.
#[derive(Debug)]
pub(crate) struct Toggle {
    pub(crate) href: String,
    pub(crate) open: bool,
    pub(crate) hidden: String,
    pub(crate) hidden_errors: usize,
}

/// Something that happened in a span.
#[derive(Debug, Default)]
pub(crate) struct EventRow {
    pub(crate) level: usize,
    pub(crate) indent: usize,
    pub(crate) colour: usize,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) offset: String,
    pub(crate) exception: bool,
    /// Where it is, percent; empty outside of the time shown.
    pub(crate) x: String,
    /// Whether its words stand before its mark.
    pub(crate) late: bool,
    pub(crate) href: String,
}

/// Nodes that are not shown.
#[derive(Debug)]
pub(crate) struct RestRow {
    pub(crate) dom_id: String,
    pub(crate) level: usize,
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
    pub(super) outline: &'t Outline,
    pub(super) view: &'t View,
    pub(super) scale: Scale,
    pub(super) palette: &'t Palette,
    pub(super) typical: &'t Typical,
    pub(super) selected: Option<usize>,
    /// Sorted.
    pub(super) matches: &'t [usize],
    pub(super) gaps: &'t [Gap],
    /// Errors and spans before each item, for those of any range of items.
    pub(super) before: Before,
    /// Errors before each node.
    pub(super) errors: Vec<u32>,
    pub(super) id: String,
}

/// How many errors and spans stand before each item, and in all.
pub(super) struct Before {
    errors: Vec<u32>,
    spans: Vec<u32>,
}

impl Before {
    pub(super) fn of(tree: &TraceTree<'_>, outline: &Outline) -> Self {
        let (mut errors, mut spans) = (vec![0], vec![0]);
        let (mut error, mut span) = (0, 0);
        for item in &outline.items {
            let node = &tree.nodes[item.node];
            if item.group.is_none() {
                error += u32::from(node.is_error());
                span += 1;
            }
            errors.push(error);
            spans.push(span);
        }
        Self { errors, spans }
    }

    fn errors(&self, from: usize, to: usize) -> usize {
        (self.errors[to] - self.errors[from]) as usize
    }

    fn spans(&self, from: usize, to: usize) -> usize {
        (self.spans[to] - self.spans[from]) as usize
    }
}

/// How many errors stand before each node, and in all.
pub(super) fn errors_before(tree: &TraceTree<'_>) -> Vec<u32> {
    let mut sum = 0;
    let counts = tree.nodes.iter().map(|node| {
        sum += u32::from(node.is_error());
        sum
    });
    std::iter::once(0).chain(counts).collect()
}

impl Drawing<'_> {
    /// All rows, those of events among them where the view asks for them; and whether there was no room for all of these.
    pub(super) fn rows(&self, lines: &[Line]) -> (Vec<Row>, bool) {
        let (mut rows, mut waiting) = (Vec::with_capacity(lines.len()), events::Waiting::default());
        for line in lines {
            if self.view.events {
                let (level, start) = self.place_of(line);
                waiting.before(level, start, &mut rows);
            }
            match line {
                Line::Rest(rest) => rows.push(Row::Rest(self.rest_row(rest))),
                Line::Item { index, level, open } => match self.outline.items[*index].group {
                    Some(group) => rows.push(Row::Group(Box::new(self.group_row(*index, group, *level, *open)))),
                    None => {
                        let node = self.outline.items[*index].node;
                        rows.push(Row::Span(Box::new(self.span_row(*index, *level, *open))));
                        if self.view.events {
                            waiting.add(self, node, *level);
                        }
                    }
                },
            }
        }
        waiting.rest(&mut rows);
        (rows, waiting.cut)
    }

    pub(super) fn span_row(&self, item: usize, level: usize, open: Option<bool>) -> SpanRow {
        let index = self.outline.items[item].node;
        let node = &self.tree.nodes[index];
        let (service, name, kind) = titles(self.tree, index);
        let dom_id = format!("s-{}", node.key);
        let selected = self.selected == Some(index);
        let target = self.view.selecting(Some(node.key).filter(|_| !selected));
        let owner = if let NodeKind::Inferred(_) = node.kind { node.parent.unwrap_or(index) } else { index };
        let above = node.parent.and_then(|parent| self.tree.nodes[parent].span());
        let own = node.span();
        let peer = self.peer(index);
        let rank = own.and_then(|span| self.rank_text(span));
        SpanRow {
            level: level + 1,
            indent: level.min(MOST_INDENTED),
            toggle: open.map(|open| self.toggle(item, open)),
            same_service: above.zip(own).is_some_and(|(a, b)| a.resource.service_name() == b.resource.service_name()),
            boundary: own.is_some_and(|span| hoptrail_query::conventions::has_remote_parent(&span.span)),
            colour: self.palette.colour(service_of(&self.tree.nodes[owner])),
            kind,
            href: target.href(&self.id, &dom_id),
            selected,
            matched: self.is_match(index),
            error: node.is_error(),
            leads_to_error: self.errors[node.next] > self.errors[index + 1],
            skewed: node.warnings.iter().any(|warning| matches!(warning, Warning::ClockSkew { .. })),
            warned: node.warnings.iter().any(|warning| !warning.is_remark() && *warning != Warning::NotReceived),
            badges: own.map(|span| badges::badges(&span.span, peer.is_some())).unwrap_or_default(),
            bar: self.bar(index),
            duration: format::duration(node.interval.nanos()),
            spoken: spoken(node, self.tree.interval.start, peer.as_ref(), rank.as_ref()),
            peer,
            rank,
            dom_id,
            service,
            name: Name::of(&name),
            full_name: name,
        }
    }

    /// Whether the node was found, or the peer in its row.
    fn is_match(&self, index: usize) -> bool {
        let has = |index: usize| self.matches.binary_search(&index).is_ok();
        has(index) || peer_of(self.tree, index).is_some_and(has)
    }

    fn peer(&self, index: usize) -> Option<PeerChip> {
        let at = peer_of(self.tree, index).filter(|&at| self.outline.place(at).is_none())?;
        let NodeKind::Inferred(peer) = &self.tree.nodes[at].kind else { return None };
        let key = self.tree.nodes[at].key;
        Some(PeerChip {
            name: peer.name.clone(),
            icon: peer_icon(peer.kind),
            kind: peer.kind.name(),
            href: self.view.selecting(Some(key)).href(&self.id, &format!("s-{key}")),
        })
    }

    fn rank_text(&self, span: &TraceSpan) -> Option<RankText> {
        // Half of all spans need no word.
        let rank = self.typical.rank(span).filter(|rank| rank.shorter >= 0.5)?;
        Some(RankText { text: rank.text(), title: rank.sentence(), unusual: rank.is_unusual() })
    }

    fn toggle(&self, item: usize, open: bool) -> Toggle {
        let key = self.outline.key(self.tree, item);
        let next = self.outline.items[item].next;
        Toggle {
            href: self.view.toggled(key, open).href(&self.id, &dom_id(key)),
            open,
            hidden: format::count(self.before.spans(item + 1, next) as u64),
            hidden_errors: self.before.errors(item + 1, next),
        }
    }

    fn rest_row(&self, rest: &Rest) -> RestRow {
        let hidden = self.hidden(rest);
        let key = rest.parent.map(|parent| self.outline.key(self.tree, parent));
        let dom_id = format!(
            "{}-{}",
            if rest.after { "more" } else { "less" },
            key.map_or("roots".into(), |key| key.to_string())
        );
        let noun = if rest.parent.is_some() { ("child", "children") } else { ("root", "roots") };
        let direction = if rest.after { "more" } else { "earlier" };
        let errors = |&item: &usize| self.before.errors(item, self.outline.items[item].next);
        RestRow {
            level: rest.level + 1,
            indent: rest.level.min(MOST_INDENTED),
            text: format!(
                "{} {direction} {}",
                format::count(rest.hidden as u64),
                if rest.hidden == 1 { noun.0 } else { noun.1 }
            ),
            errors: hidden.iter().map(errors).sum(),
            groups: self.groups(&hidden),
            href: self.view.windowed(key, rest.next).href(&self.id, &dom_id),
            action: format!("Show {}", format::count(rest.hidden.min(200) as u64)),
            dom_id,
        }
    }

    /// Indexes of the items that a rest stands for.
    fn hidden(&self, rest: &Rest) -> Vec<usize> {
        match rest.parent {
            Some(parent) => self.outline.children(parent).skip(rest.first).take(rest.hidden).collect(),
            None => self.outline.roots().skip(rest.first).take(rest.hidden).collect(),
        }
    }
}

/// The part of the page that has a row.
pub(super) fn dom_id(key: RowKey) -> String {
    format!("s-{key}")
}

/// The node of the peer that was inferred from a span.
pub(super) fn peer_of(tree: &TraceTree<'_>, index: usize) -> Option<usize> {
    tree.children(index).find(|&child| matches!(tree.nodes[child].kind, NodeKind::Inferred(_)))
}

pub(super) fn peer_icon(kind: PeerKind) -> &'static str {
    match kind {
        PeerKind::Database => "i-database",
        PeerKind::Queue => "i-queue",
        PeerKind::Service => "i-service",
    }
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
        NodeKind::Inferred(peer) => (
            peer.name.clone(),
            format!("{}, sends no spans", peer.kind.name()),
            RowKind::Inferred(peer_icon(peer.kind)),
        ),
    }
}

/// The service of a span; empty for other nodes.
pub(super) fn service_of<'a>(node: &Node<'a>) -> &'a str {
    node.span().map_or("", |span| span.resource.service_name())
}

fn spoken(node: &Node<'_>, start: u64, peer: Option<&PeerChip>, rank: Option<&RankText>) -> String {
    let mut parts = vec![
        format!("takes {}", format::duration(node.interval.nanos())),
        format!("starts after {}", format::duration(node.interval.start.saturating_sub(start))),
    ];
    parts.extend(peer.map(|peer| format!("calls {} {}", peer.kind, plain_text(&peer.name))));
    parts.extend(rank.filter(|rank| rank.unusual).map(|rank| rank.title.clone()));
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
