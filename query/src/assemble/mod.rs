//! From the spans of a trace, in any order and any condition, to a tree that can be drawn. Pure: no clock, no I/O.
//!
//! Nothing is lost: every span becomes exactly one node, whatever its ids and times say, and what is unusual about it is
//! marked with a [`Warning`]. No step recurses, so a chain of 100,000 spans is as good as a bush of them.

mod critical;
mod draft;
mod fold;
mod inspect;
mod key;
mod peer;
mod resolve;
mod selftime;
mod skew;
mod subset;
mod summary;
#[cfg(test)]
mod tests;
mod times;
mod tree;
mod warning;

use hoptrail_proto::model::{SpanId, StatusCode, Trace, TraceId, TraceSpan};

pub use fold::Folding;
pub use hoptrail_storage::{Peer, PeerKind};
pub use key::NodeKey;
pub use skew::ClockSkew;
pub use subset::Around;
pub use summary::{ServicePart, Summary};
pub use warning::Warning;

/// What to do about clocks that disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clocks {
    /// Times as the senders stated them.
    #[default]
    AsSent,
    /// Times shifted by host until causes come before effects.
    Corrected,
}

/// A stretch of time, nanoseconds since 1970 UTC, `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

impl Interval {
    /// Its length in nanoseconds.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// What a node stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind<'a> {
    /// A span that was received.
    Span(&'a TraceSpan),
    /// A span that others name as their parent and that has not been received.
    Missing,
    /// The other side of a call, which reports no spans itself: a database, a queue, a legacy or foreign service.
    Inferred(Peer),
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    /// Names the node; the same span keeps its key when other spans arrive later.
    pub key: NodeKey,
    /// What it stands for.
    pub kind: NodeKind<'a>,
    /// Index of the parent.
    pub parent: Option<usize>,
    /// Steps from its root, which has 0.
    pub depth: usize,
    /// Index after the last node of its subtree.
    pub next: usize,
    /// Where to draw it. Differs from the span's times when those cannot be drawn or clocks were corrected.
    pub interval: Interval,
    /// By how much correction moved it, in nanoseconds.
    pub shift_nanos: i64,
    /// Its time cannot be real, while the time of other spans can. The trace's own range leaves it out.
    pub outlier: bool,
    /// Time in which no child of it ran, in nanoseconds.
    pub self_nanos: u64,
    /// When it decided how long the trace takes; ascending, not overlapping.
    pub critical: Vec<Interval>,
    /// What a reader should know of it.
    pub warnings: Vec<Warning>,
}

impl<'a> Node<'a> {
    /// The span, unless the node stands for something that was not received.
    #[must_use]
    pub fn span(&self) -> Option<&'a TraceSpan> {
        match self.kind {
            NodeKind::Span(span) => Some(span),
            NodeKind::Missing | NodeKind::Inferred(_) => None,
        }
    }

    /// Whether it is a span with status error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.span().is_some_and(|span| span.span.status.code == StatusCode::Error)
    }
}

/// A trace with its parent links resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceTree<'a> {
    /// The trace.
    pub id: TraceId,
    /// Depth first, children by start; a subtree is the range from a node to its [`Node::next`]. Never empty for a trace with spans.
    pub nodes: Vec<Node<'a>>,
    /// Clocks that disagree.
    pub skews: Vec<ClockSkew>,
    /// Earliest start and latest end as drawn, without outliers: as sent, what a search says of the trace.
    pub interval: Interval,
    /// The trace in numbers.
    pub summary: Summary,
}

impl<'a> TraceTree<'a> {
    /// Indexes of the nodes without a parent.
    pub fn roots(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        tree::siblings(&self.nodes, 0, self.nodes.len())
    }

    /// Indexes of the children of the node at `index`, by start.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        let next = self.nodes.get(index).map_or(0, |node| node.next);
        tree::siblings(&self.nodes, index + 1, next)
    }

    /// Index of the node with this key.
    #[must_use]
    pub fn find(&self, key: &NodeKey) -> Option<usize> {
        self.nodes.iter().position(|node| node.key == *key)
    }

    /// Index of the first node that stands for the span with this id.
    #[must_use]
    pub fn find_span(&self, id: SpanId) -> Option<usize> {
        self.find(&NodeKey::of(id))
    }

    /// The root that stands for the trace: the earliest span without a parent, else the earliest root of any kind.
    #[must_use]
    pub fn main_root(&self) -> Option<&Node<'a>> {
        self.nodes.get(tree::main_root(&self.nodes)?)
    }

    /// Indexes of the ancestors of the node at `index`, nearest first.
    pub fn ancestors(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.nodes.get(index).and_then(|node| node.parent), |&at| self.nodes[at].parent)
    }
}

/// Resolves parents, times and peers of a trace.
///
/// ```
/// use std::sync::Arc;
/// use hoptrail_proto::model::{Span, SpanId, Trace, TraceId, TraceSpan};
/// use hoptrail_query::assemble::{Clocks, Warning, assemble};
///
/// let span = Span { span_id: SpanId([1; 8]), parent_span_id: Some(SpanId([2; 8])), ..Span::default() };
/// let spans = vec![TraceSpan { span, resource: Arc::default(), scope: Arc::default() }];
/// let trace = Trace { id: TraceId([1; 16]), spans };
///
/// let tree = assemble(&trace, Clocks::AsSent);
/// // The parent was not received: a placeholder stands above the span.
/// assert_eq!(tree.nodes.len(), 2);
/// assert_eq!(tree.nodes[1].parent, Some(0));
/// assert!(tree.nodes[1].warnings.contains(&Warning::MissingParent(SpanId([2; 8]))));
/// ```
#[must_use]
pub fn assemble(trace: &Trace, clocks: Clocks) -> TraceTree<'_> {
    let mut drafts = resolve::link(&trace.spans);
    inspect::mark(&mut drafts);
    let order = draft::top_down(&drafts);
    times::settle(&mut drafts, &order);
    let skews = skew::measure(&mut drafts, &order, clocks);
    times::surround_missing(&mut drafts);
    peer::infer(&mut drafts, trace.id);
    let mut nodes = tree::arrange(drafts);
    let interval = times::range(&nodes);
    selftime::measure(&mut nodes);
    critical::mark(&mut nodes);
    let summary = summary::summarize(&nodes, interval);
    TraceTree { id: trace.id, nodes, skews, interval, summary }
}
