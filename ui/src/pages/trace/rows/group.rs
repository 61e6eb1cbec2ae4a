//! One row for siblings that are alike.

use std::collections::HashMap;

use hoptrail_query::assemble::{Interval, NodeKind, TraceTree};
use hoptrail_query::conventions::{self, Area};

use super::draw::percent;
use super::{Bar, Drawing, MOST_INDENTED, Toggle, dom_id, service_of, titles};
use crate::filters::plain_text;
use crate::format::{self, Name};
use crate::waterfall::union;

/// Calls that overlap less than this part of their time run one after another.
const ONE_BY_ONE: f64 = 0.1;

/// The row of a group.
#[derive(Debug)]
pub(crate) struct GroupRow {
    pub(crate) dom_id: String,
    pub(crate) level: usize,
    pub(crate) indent: usize,
    pub(crate) toggle: Toggle,
    pub(crate) count: String,
    pub(crate) members: usize,
    pub(crate) service: String,
    pub(crate) full_name: String,
    pub(crate) name: Name,
    pub(crate) colour: usize,
    pub(crate) matched: bool,
    pub(crate) errors: usize,
    pub(crate) bar: Bar,
    /// `3.1 s · p95 90 ms`
    pub(crate) times: String,
    /// What one after another means here; empty when it means nothing.
    pub(crate) repeated: String,
}

/// What members of a group took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// All of them together.
    pub(crate) total: u64,
    pub(crate) p95: u64,
    /// The time in which at least one ran.
    pub(crate) busy: u64,
    pub(crate) hull: Interval,
}

/// What the members of a group took; they come by start.
pub(crate) fn times(tree: &TraceTree<'_>, members: &[usize]) -> Times {
    let drawn = || members.iter().map(|&member| &tree.nodes[member]).filter(|node| !node.outlier);
    let intervals = || drawn().map(|node| node.interval);
    let mut lengths: Vec<u64> = intervals().map(|interval| interval.nanos()).collect();
    lengths.sort_unstable();
    let rank = (lengths.len() * 95).div_ceil(100).max(1) - 1;
    Times {
        total: lengths.iter().fold(0, |sum, length| sum.saturating_add(*length)),
        p95: lengths.get(rank).copied().unwrap_or_default(),
        busy: union(intervals()).iter().fold(0, |sum, part| sum.saturating_add(part.nanos())),
        hull: Interval {
            start: intervals().map(|interval| interval.start).min().unwrap_or_default(),
            end: intervals().map(|interval| interval.end).max().unwrap_or_default(),
        },
    }
}

/// What the pattern of a group is called, when it is one: the same call again and again, each after the one before.
pub(crate) fn repeated(tree: &TraceTree<'_>, members: &[usize], times: Times) -> Option<&'static str> {
    let first = *members.first()?;
    let span = tree.nodes[first].span()?;
    let overlap = times.total.saturating_sub(times.busy) as f64;
    if overlap > ONE_BY_ONE * times.total as f64 {
        return None;
    }
    // The call itself may be one level below a span of the application.
    let area = conventions::area(&span.span).or_else(|| {
        let below = tree.children(first).find_map(|child| tree.nodes[child].span());
        below.and_then(|span| conventions::area(&span.span))
    });
    match area {
        Some(Area::Database) => Some("queries"),
        Some(Area::Http | Area::Rpc) => Some("calls"),
        Some(Area::GenAi) => Some("requests to a model"),
        Some(Area::Messaging | Area::Faas) | None => None,
    }
}

impl Drawing<'_> {
    pub(super) fn group_row(&self, item: usize, group: usize, level: usize, open: Option<bool>) -> GroupRow {
        let members = &self.outline.groups[group];
        let first = self.outline.items[item].node;
        let (service, name, _) = titles(self.tree, first);
        let key = self.outline.key(self.tree, item);
        let times = times(self.tree, members);
        let count = format::count(members.len() as u64);
        let repeated = repeated(self.tree, members, times).map(|what| {
            format!(
                "N+1: {count} {what} one after another, {} in all. One that asks for all of them would wait once.",
                format::duration(times.total)
            )
        });
        GroupRow {
            dom_id: dom_id(key),
            level: level + 1,
            indent: level.min(MOST_INDENTED),
            toggle: self.toggle(item, open.unwrap_or_default()),
            service,
            colour: self.palette.colour(service_of(&self.tree.nodes[first])),
            matched: members.iter().any(|&member| self.is_match(member)),
            errors: self.before.errors(item + 1, self.outline.items[item].next),
            bar: self.group_bar(members, times),
            times: format!("{} · p95 {}", format::duration(times.total), format::duration(times.p95)),
            repeated: repeated.unwrap_or_default(),
            name: Name::of(&name),
            full_name: name,
            members: members.len(),
            count,
        }
    }

    fn group_bar(&self, members: &[usize], times: Times) -> Bar {
        let Some((x, width)) = self.scale.bar(times.hull) else { return Bar::default() };
        let drawn = || members.iter().map(|&member| &self.tree.nodes[member]).filter(|node| !node.outlier);
        let mut critical: Vec<Interval> = drawn().flat_map(|node| node.critical.iter().copied()).collect();
        critical.sort_unstable_by_key(|interval| interval.start);
        Bar {
            visible: true,
            x: percent(x),
            width: percent(width),
            own: self.parts(union(drawn().map(|node| node.interval)).into_iter()),
            critical: self.parts(critical.into_iter()),
            label_x: percent(x + width),
            ..Bar::default()
        }
    }

    /// The most frequent kinds of rows: `4 210 × stock SELECT, 12 × GET`.
    pub(super) fn groups(&self, items: &[usize]) -> String {
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        for item in items.iter().map(|&item| &self.outline.items[item]) {
            let node = &self.tree.nodes[item.node];
            let name = match &node.kind {
                NodeKind::Span(span) => span.span.name.as_str(),
                NodeKind::Missing | NodeKind::Inferred(_) => "not received",
            };
            *counts.entry((service_of(node), name)).or_default() +=
                item.group.map_or(1, |group| self.outline.groups[group].len());
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
