//! What stands out in a trace: counts in one line, which unfolds to sentences that lead to the spans.

use hoptrail_query::assemble::{ClockSkew, Clocks, TraceTree};

use super::rows::{repeated, times};
use super::typical::Typical;
use crate::filters::plain_text;
use crate::format;
use crate::pages::search::shown_service;
use crate::waterfall::{Gap, Outline, RowKey, View};

/// Most sentences of one kind.
const MOST: usize = 8;

/// What stands out.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) counts: Vec<Count>,
    pub(crate) sentences: Vec<Sentence>,
}

/// A count in the line.
#[derive(Debug)]
pub(crate) struct Count {
    pub(crate) icon: &'static str,
    pub(crate) text: String,
}

/// A sentence about the trace, and where it leads.
#[derive(Debug, Default)]
pub(crate) struct Sentence {
    pub(crate) icon: &'static str,
    pub(crate) text: String,
    pub(crate) link: &'static str,
    pub(crate) href: String,
}

/// What findings are looked for in.
pub(super) struct Look<'t> {
    pub(super) tree: &'t TraceTree<'t>,
    pub(super) view: &'t View,
    pub(super) gaps: &'t [Gap],
    pub(super) outline: &'t Outline,
    pub(super) typical: &'t Typical,
    pub(super) damage: Option<&'t str>,
    pub(super) id: &'t str,
}

impl Look<'_> {
    pub(super) fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        for (icon, count, mut sentences) in [
            self.damage(),
            self.missing(),
            self.clocks(),
            self.unusual(),
            self.repeated(),
            self.unaccounted(),
            self.warned(),
        ] {
            if !count.is_empty() {
                findings.counts.push(Count { icon, text: count });
                sentences.iter_mut().for_each(|sentence| sentence.icon = icon);
                findings.sentences.append(&mut sentences);
            }
        }
        findings
    }

    fn damage(&self) -> (&'static str, String, Vec<Sentence>) {
        let Some(damage) = self.damage else { return Default::default() };
        let text = format!("This trace is incomplete: {damage}.");
        ("i-warn", "incomplete".to_owned(), vec![Sentence { text, ..Sentence::default() }])
    }

    fn missing(&self) -> (&'static str, String, Vec<Sentence>) {
        let missing = self.tree.summary.missing;
        if missing == 0 {
            return Default::default();
        }
        let count = format!("{} not received", format::counted(missing, "span", "spans"));
        let text = format!(
            "This trace is incomplete: {missing} {} not been received. Reload in a moment if it is young; else it was not sampled, or its \
             service sends no spans.",
            if missing == 1 {
                "span that others name as their parent has"
            } else {
                "spans that others name as their parents have"
            }
        );
        ("i-missing", count, vec![Sentence { text, ..Sentence::default() }])
    }

    fn clocks(&self) -> (&'static str, String, Vec<Sentence>) {
        let skews = &self.tree.skews;
        let other = match self.view.clocks {
            Clocks::AsSent => Clocks::Corrected,
            Clocks::Corrected => Clocks::AsSent,
        };
        let href = View { clocks: other, ..self.view.clone() }.href(self.id, "");
        let link = if other == Clocks::AsSent { "Show times as sent" } else { "Correct the clocks" };
        let mut sentences: Vec<Sentence> =
            skews.iter().map(|skew| Sentence { text: skew_text(skew), ..Sentence::default() }).collect();
        if let Some(first) = sentences.first_mut() {
            (first.link, first.href) = (link, href);
        }
        let count = match skews.len() {
            0 => String::new(),
            _ if self.view.clocks == Clocks::Corrected => "clocks corrected".to_owned(),
            1 => "clocks disagree".to_owned(),
            many => format!("clocks of {many} pairs of hosts disagree"),
        };
        ("i-clock", count, sentences)
    }

    /// Spans that take longer than nearly all of their kind, and a part of the trace that matters.
    fn unusual(&self) -> (&'static str, String, Vec<Sentence>) {
        let least = self.tree.interval.nanos() / 100;
        let mut found: Vec<(u64, usize, String)> = Vec::new();
        for (index, node) in self.tree.nodes.iter().enumerate() {
            let Some(span) = node.span().filter(|_| node.interval.nanos() >= least && !node.outlier) else { continue };
            if let Some(rank) = self.typical.rank(span).filter(super::typical::Rank::is_unusual) {
                found.push((node.interval.nanos(), index, rank.sentence()));
            }
        }
        found.sort_by_key(|(nanos, index, _)| (std::cmp::Reverse(*nanos), *index));
        let count = match found.len() {
            0 => String::new(),
            1 => "1 span is unusual here".to_owned(),
            many => format!("{} spans are unusual here", format::count(many as u64)),
        };
        let sentence = |(nanos, index, words): &(u64, usize, String)| Sentence {
            text: format!("{} took {}: {words}.", self.title(*index), format::duration(*nanos)),
            ..self.leading(*index)
        };
        ("i-clock", count, found.iter().take(MOST).map(sentence).collect())
    }

    /// Calls that are made again and again.
    fn repeated(&self) -> (&'static str, String, Vec<Sentence>) {
        let mut found: Vec<(u64, usize, String)> = Vec::new();
        for group in &self.outline.groups {
            let times = times(self.tree, group);
            if let (Some(what), Some(&first)) = (repeated(self.tree, group, times), group.first()) {
                let above =
                    self.tree.nodes[first].parent.map_or_else(|| "the trace".to_owned(), |parent| self.title(parent));
                let text = format!(
                    "N+1: {} × {} one after another below {above}, {} in all. One of the {what} that asks for all would wait once.",
                    format::count(group.len() as u64),
                    self.title(first),
                    format::duration(times.total)
                );
                found.push((times.total, first, text));
            }
        }
        found.sort_by_key(|(total, first, _)| (std::cmp::Reverse(*total), *first));
        let count = match found.len() {
            0 => String::new(),
            many => format!("{} N+1", format::count(many as u64)),
        };
        let sentence = |(_, first, text): &(u64, usize, String)| {
            let key = RowKey { node: self.tree.nodes[*first].key, is_group: true };
            Sentence {
                text: text.clone(),
                link: "Show",
                href: self.view.selecting(None).href(self.id, &format!("s-{key}")),
                icon: "",
            }
        };
        ("i-group", count, found.iter().take(MOST).map(sentence).collect())
    }

    /// Time that nobody accounts for.
    fn unaccounted(&self) -> (&'static str, String, Vec<Sentence>) {
        let count = match self.gaps.len() {
            0 => String::new(),
            many => format!("{} in {}", format::duration(self.lost()), format::counted(many, "gap", "gaps")),
        };
        let sentence = |gap: &Gap| {
            let length = gap.interval.nanos();
            let share = format::percent(length, self.tree.interval.nanos());
            let at = format::duration(gap.interval.start.saturating_sub(self.tree.interval.start));
            match gap.node {
                Some(index) => Sentence {
                    text: format!(
                        "{} ({share}) from {at} on, nobody accounts for: {} ran and none of its spans below did. It worked or waited \
                         itself, or what it called sends no spans.",
                        format::duration(length),
                        self.title(index)
                    ),
                    ..self.leading(index)
                },
                None => Sentence {
                    text: format!(
                        "{} ({share}) from {at} on, no span ran at all: a queue, a timer, or a service that sends no spans.",
                        format::duration(length)
                    ),
                    ..Sentence::default()
                },
            }
        };
        ("i-gap", count, self.gaps.iter().take(MOST).map(sentence).collect())
    }

    /// Nanoseconds of all gaps, each moment counted once.
    fn lost(&self) -> u64 {
        let mut intervals: Vec<_> = self.gaps.iter().map(|gap| gap.interval).collect();
        intervals.sort_unstable_by_key(|interval| interval.start);
        crate::waterfall::union(intervals.into_iter()).iter().map(hoptrail_query::assemble::Interval::nanos).sum()
    }

    fn warned(&self) -> (&'static str, String, Vec<Sentence>) {
        let warned = self.tree.summary.warned;
        if warned == 0 {
            return Default::default();
        }
        let text = format!(
            "{} warnings; the detail of each says what they mean.",
            match warned {
                1 => "1 span has".to_owned(),
                many => format!("{} spans have", format::count(many as u64)),
            }
        );
        let href = View { find: ":warning".into(), span: None, ..self.view.clone() }.href(self.id, "waterfall");
        let sentence = Sentence { text, link: "Find them", href, icon: "" };
        ("i-warn", format!("{} with warnings", format::count(warned as u64)), vec![sentence])
    }

    /// Service and name of a node.
    fn title(&self, index: usize) -> String {
        match self.tree.nodes[index].span() {
            Some(span) => {
                let service = format::shortened(&shown_service(span.resource.service_name()), 60);
                format!("{} {}", plain_text(&service), plain_text(&format::shortened(&span.span.name, 80)))
            }
            None => "a span that was not received".to_owned(),
        }
    }

    /// A sentence that leads to a span.
    fn leading(&self, index: usize) -> Sentence {
        let key = self.tree.nodes[index].key;
        let href = self.view.selecting(Some(key)).href(self.id, &format!("s-{key}"));
        Sentence { link: "Show", href, ..Sentence::default() }
    }
}

fn skew_text(skew: &ClockSkew) -> String {
    let direction = if skew.offset_nanos < 0 { "ahead of" } else { "behind" };
    format!(
        "The clock of {} is about {} {direction} that of {} (at least {}, measured from {}).",
        plain_text(&skew.host),
        format::duration(skew.offset_nanos.unsigned_abs()),
        plain_text(&skew.reference),
        format::duration(skew.at_least_nanos),
        format::counted(skew.calls, "call", "calls"),
    )
}
