//! A whole trace: its spans in their order, what they say together, and how they hang together.

use std::cell::OnceCell;

use hoptrail_proto::model::{StatusCode, TraceSpan};

use super::parents::{Parent, parents};
use crate::copies::Contents;
use crate::{Relation, TimeRange};

/// All spans of a trace. A span is known by its index.
pub(super) struct WholeTrace<'a> {
    /// In the order of start, id and content. A correct sender makes no two spans of one start and id, but with an order for them answers
    /// stay the same.
    pub(super) spans: Vec<&'a TraceSpan>,
    pub(super) start: u64,
    pub(super) duration: u64,
    /// Service and name of the root.
    pub(super) root: Option<(String, String)>,
    /// Many questions do not need it.
    tree: OnceCell<Tree>,
}

/// How the spans hang together.
pub(super) struct Tree {
    pub(super) parents: Vec<Parent>,
    pub(super) children: Vec<Vec<usize>>,
    /// The number of each span on the way down, and on the way up.
    pub(super) left: Vec<i64>,
    pub(super) right: Vec<i64>,
}

impl<'a> WholeTrace<'a> {
    pub(super) fn new(spans: &'a [TraceSpan]) -> Self {
        // Times that cannot be real count only when the trace has no others.
        let mut times: Vec<_> = spans.iter().map(|span| span.span.extent()).collect();
        if times.iter().any(|time| time.is_real) {
            times.retain(|time| time.is_real);
        }
        let start = times.iter().map(|time| time.start).min().unwrap_or_default();
        let end = times.iter().map(|time| time.end).max().unwrap_or_default();
        let (mut contents, mut spans) = (Contents::default(), spans.iter().collect::<Vec<_>>());
        spans.sort_by_cached_key(|span| (span.span.start_unix_nano, span.span.span_id, contents.hash(span)));
        let roots = spans.iter().filter(|span| span.span.parent_span_id.is_none());
        let root = roots.min_by_key(|root| root.span.extent().order_start());
        let root = root.map(|root| (root.resource.service_name().to_owned(), root.span.name.clone()));
        Self { spans, start, duration: end - start, root, tree: OnceCell::new() }
    }

    /// How many spans failed.
    pub(super) fn errors(&self) -> usize {
        self.spans.iter().filter(|span| span.span.status.code == StatusCode::Error).count()
    }

    pub(super) fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::new(&self.spans))
    }

    /// Whether a span runs in a range.
    pub(super) fn runs_in(&self, span: usize, range: Option<TimeRange>) -> bool {
        let span = &self.spans[span].span;
        let end = span.end_unix_nano.max(span.start_unix_nano);
        range.is_none_or(|range| span.start_unix_nano < range.end && range.start <= end)
    }
}

impl Tree {
    fn new(spans: &[&TraceSpan]) -> Self {
        let parents = parents(spans);
        let mut children = vec![Vec::new(); spans.len()];
        for (child, parent) in parents.iter().enumerate() {
            parent.index().into_iter().for_each(|parent| children[parent].push(child));
        }
        let mut tree = Self { parents, children, left: vec![0; spans.len()], right: vec![0; spans.len()] };
        tree.walk();
        tree
    }

    /// Numbers the spans.
    fn walk(&mut self) {
        enum Way {
            Down(usize),
            Up(usize),
        }
        let roots = (0..self.parents.len()).filter(|span| self.parents[*span].index().is_none());
        let mut ways: Vec<Way> = roots.rev().map(Way::Down).collect();
        let mut number = 0;
        while let Some(way) = ways.pop() {
            number += 1;
            match way {
                Way::Down(span) => {
                    self.left[span] = number;
                    ways.push(Way::Up(span));
                    ways.extend(self.children[span].iter().rev().map(|child| Way::Down(*child)));
                }
                Way::Up(span) => self.right[span] = number,
            }
        }
    }

    /// Whether `right` stands to `left` as the relation says.
    pub(super) fn stands(&self, left: usize, relation: Relation, right: usize) -> bool {
        match relation {
            Relation::Child => self.parents[right] == Parent::Span(left),
            Relation::Parent => self.parents[left] == Parent::Span(right),
            Relation::Descendant => self.left[left] < self.left[right] && self.right[right] < self.right[left],
            Relation::Ancestor => self.stands(right, Relation::Descendant, left),
            Relation::Sibling => {
                left != right && self.parents[left].index().is_some() && self.parents[left] == self.parents[right]
            }
        }
    }
}
