//! Which rows of an outline become lines. A small trace is shown whole. Of a large one the upper levels and the first children are
//! shown, as many as a page holds, so that opening it costs the same whatever its size. The reader opens the rest.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use hoptrail_query::assemble::TraceTree;

use super::{Outline, RowKey, View, Window};

/// An outline of at most so many items is shown whole.
const WHOLE: usize = 500;
/// Lines shown of a larger one before the reader opens anything.
const FIRST_LINES: usize = 250;
/// Children shown of an item in a larger one.
const FIRST_CHILDREN: usize = 20;
/// Levels shown of a larger one.
const FIRST_LEVELS: usize = 30;
/// Children that one click adds.
const STEP: usize = 200;
/// Children shown of one item at most; beyond that the window moves on.
const MOST_CHILDREN: usize = WHOLE;
/// Lines of a page at most.
const MOST_LINES: usize = 1_000;
/// A wanted item deeper than this below the top is shown with its nearest ancestors only.
const DEEP: usize = 60;
/// How many of its ancestors.
const NEAR: usize = 12;

/// A line of the waterfall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// An item of the outline.
    Item {
        /// Its index.
        index: usize,
        /// Steps below the top of the view.
        level: usize,
        /// Whether its children are shown; `None` when it has none.
        open: Option<bool>,
    },
    /// Children that are not shown.
    Rest(Rest),
}

/// Children of one item that are not shown, before or after those that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rest {
    /// The item; `None` for roots.
    pub(crate) parent: Option<usize>,
    pub(crate) level: usize,
    /// The index of the first hidden child among the children.
    pub(crate) first: usize,
    /// How many are hidden.
    pub(crate) hidden: usize,
    /// The window that a click asks for.
    pub(crate) next: Window,
    /// Whether they come after the shown ones.
    pub(crate) after: bool,
}

/// The lines of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) lines: Vec<Line>,
    /// The item at the top, when it is not the whole trace.
    pub(crate) top: Option<usize>,
    /// Whether a page's worth of lines was not enough.
    pub(crate) cut: bool,
}

/// The lines that `view` shows, those of the node `focus` and what is above it among them.
pub(crate) fn fold(tree: &TraceTree<'_>, outline: &Outline, view: &View, focus: Option<usize>) -> Folded {
    let focus = focus.and_then(|focus| outline.place(focus));
    let top = top(tree, outline, view, focus);
    let folder = folder(tree, outline, view, top, focus);
    let first = match top {
        Some(top) => folder.shown(None, std::iter::once(top)),
        None => folder.shown(None, outline.roots()),
    };
    let open = folder.choose(&first);
    let (lines, cut) = folder.emit(&first, &open);
    Folded { lines, top, cut }
}

fn folder<'t>(
    tree: &'t TraceTree<'t>,
    outline: &'t Outline,
    view: &'t View,
    top: Option<usize>,
    focus: Option<usize>,
) -> Folder<'t> {
    let size = top.map_or(outline.items.len(), |top| outline.items[top].next - top);
    Folder {
        tree,
        outline,
        view,
        focus,
        above_focus: focus.map(|focus| outline.ancestors(focus).collect()).unwrap_or_default(),
        opened: view.open.iter().copied().collect(),
        shut: view.shut.iter().copied().collect(),
        windows: view.windows.iter().copied().collect(),
        whole: size <= WHOLE,
        base: top.map_or(0, |top| outline.items[top].depth),
    }
}

/// The item at the top: the one asked for, unless the focus lies elsewhere or too deep below it.
fn top(tree: &TraceTree<'_>, outline: &Outline, view: &View, focus: Option<usize>) -> Option<usize> {
    let asked = view.root.and_then(|key| tree.find(&key)).and_then(|node| outline.place(node));
    let Some(focus) = focus else { return asked };
    let items = &outline.items;
    let asked = asked.filter(|&top| (top..items[top].next).contains(&focus));
    let base = asked.map_or(0, |top| items[top].depth);
    if items[focus].depth - base <= DEEP { asked } else { outline.ancestors(focus).nth(NEAR - 1) }
}

struct Folder<'t> {
    tree: &'t TraceTree<'t>,
    outline: &'t Outline,
    view: &'t View,
    focus: Option<usize>,
    above_focus: HashSet<usize>,
    opened: HashSet<RowKey>,
    shut: HashSet<RowKey>,
    windows: HashMap<Option<RowKey>, Window>,
    /// Whether the outline is small enough to be shown whole.
    whole: bool,
    /// Depth of the top.
    base: usize,
}

/// The children of an item that are shown, and how many there are before and after.
struct Shown {
    children: Vec<usize>,
    window: Window,
    total: usize,
}

impl Folder<'_> {
    /// The items whose children are shown, with these children: first what the reader asked for, then upper levels, then the critical path, then the long.
    fn choose(&self, first: &Shown) -> HashMap<usize, Shown> {
        let mut open = HashMap::new();
        let mut heap = BinaryHeap::new();
        let mut lines = first.children.len();
        first.children.iter().for_each(|&index| heap.push(self.rank(index)));
        while let Some((wanted, .., Reverse(index))) = heap.pop() {
            if !self.may_open(index, wanted) {
                continue;
            }
            let shown = self.shown(Some(index), self.outline.children(index));
            let cost = shown.children.len() + usize::from(shown.children.len() < shown.total);
            let room = if self.whole || wanted { MOST_LINES } else { FIRST_LINES };
            if lines + cost > room && !wanted {
                continue;
            }
            lines += cost;
            shown.children.iter().for_each(|&child| heap.push(self.rank(child)));
            open.insert(index, shown);
            if lines > MOST_LINES {
                break;
            }
        }
        open
    }

    fn rank(&self, index: usize) -> (bool, Reverse<usize>, bool, u64, Reverse<usize>) {
        let item = &self.outline.items[index];
        let node = &self.tree.nodes[item.node];
        let key = self.outline.key(self.tree, index);
        let wanted =
            self.above_focus.contains(&index) || self.opened.contains(&key) || self.windows.contains_key(&Some(key));
        (wanted, Reverse(item.depth), !node.critical.is_empty(), node.interval.nanos(), Reverse(index))
    }

    fn may_open(&self, index: usize, wanted: bool) -> bool {
        let item = &self.outline.items[index];
        let level = item.depth - self.base;
        let most_levels = if self.whole { usize::MAX } else { FIRST_LEVELS };
        let allowed = item.group.is_none() && level < self.view.level.unwrap_or(most_levels);
        let by_hand = self.shut.contains(&self.outline.key(self.tree, index)) && !self.above_focus.contains(&index);
        item.next > index + 1 && !by_hand && (allowed || wanted)
    }

    /// The part of an item's children that is shown. Walks over all of them once and keeps no more than it shows.
    fn shown(&self, parent: Option<usize>, children: impl Iterator<Item = usize> + Clone) -> Shown {
        let (mut total, mut wanted) = (0, None);
        for (place, child) in children.clone().enumerate() {
            total = place + 1;
            wanted = wanted.or((self.focus == Some(child) || self.above_focus.contains(&child)).then_some(place));
        }
        let key = parent.map(|parent| self.outline.key(self.tree, parent));
        let default = Window { start: 0, len: if self.whole { MOST_CHILDREN } else { FIRST_CHILDREN } };
        let mut window = self.windows.get(&key).copied().unwrap_or(default);
        window.len = window.len.min(MOST_CHILDREN);
        window.start = window.start.min(total.saturating_sub(1));
        if let Some(place) = wanted
            && !(window.start..window.start.saturating_add(window.len)).contains(&place)
        {
            window = Window { start: place.saturating_sub(FIRST_CHILDREN / 4), len: FIRST_CHILDREN };
        }
        let children = children.skip(window.start).take(window.len).collect();
        Shown { children, window, total }
    }

    fn emit(&self, first: &Shown, open: &HashMap<usize, Shown>) -> (Vec<Line>, bool) {
        let mut lines = Vec::new();
        let mut stack = Vec::new();
        self.push(None, first, 0, &mut stack);
        while let Some(line) = stack.pop() {
            if lines.len() >= MOST_LINES {
                return (lines, true);
            }
            let mut line = line;
            if let Line::Item { index, level, open: state } = &mut line {
                let has_children = self.outline.items[*index].next > *index + 1;
                let shown = open.get(index);
                *state = has_children.then_some(shown.is_some());
                if let Some(shown) = shown {
                    self.push(Some(*index), shown, *level + 1, &mut stack);
                }
            }
            lines.push(line);
        }
        (lines, false)
    }

    /// Puts the shown children and what stands for the others on the stack, last first.
    fn push(&self, parent: Option<usize>, shown: &Shown, level: usize, stack: &mut Vec<Line>) {
        let Window { start, len } = shown.window;
        let after = start.saturating_add(shown.children.len());
        if after < shown.total {
            let grown = len.max(FIRST_CHILDREN).saturating_add(STEP);
            let next =
                if grown <= MOST_CHILDREN { Window { start, len: grown } } else { Window { start: after, len: STEP } };
            let hidden = shown.total - after;
            stack.push(Line::Rest(Rest { parent, level, first: after, hidden, next, after: true }));
        }
        stack.extend(shown.children.iter().rev().map(|&index| Line::Item { index, level, open: None }));
        if start > 0 {
            let next = Window { start: start.saturating_sub(STEP), len: STEP.min(start) };
            stack.push(Line::Rest(Rest { parent, level, first: 0, hidden: start, next, after: false }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{InstrumentationScope, Resource, Span, SpanId, Trace, TraceId, TraceSpan};
    use hoptrail_query::assemble::{Clocks, NodeKey, assemble};

    use super::super::outline;
    use super::*;

    fn trace(count: u64, parent: impl Fn(u64) -> u64) -> Trace {
        let resource = Arc::new(Resource::default());
        let scope = Arc::new(InstrumentationScope::default());
        let span = |number: u64| Span {
            span_id: SpanId(number.to_be_bytes()),
            parent_span_id: Some(parent(number)).filter(|id| *id > 0).map(|id| SpanId(id.to_be_bytes())),
            start_unix_nano: 1_000 + number,
            end_unix_nano: 10_000_000 - number,
            ..Span::default()
        };
        let spans = (1..=count).map(|number| TraceSpan {
            span: span(number),
            resource: Arc::clone(&resource),
            scope: Arc::clone(&scope),
        });
        Trace { id: TraceId([1; 16]), spans: spans.collect() }
    }

    fn key(number: u64) -> NodeKey {
        NodeKey::of(SpanId(number.to_be_bytes()))
    }

    /// Lines of the view, where equal siblings have a row each.
    fn fold(tree: &TraceTree<'_>, view: &View, focus: Option<usize>) -> Folded {
        let each = view.reduced(|reduce| reduce.each = true);
        super::fold(tree, &outline(tree, &each, &[], focus), &each, focus)
    }

    fn row(number: u64) -> RowKey {
        RowKey::of(key(number))
    }

    fn nodes(folded: &Folded) -> Vec<usize> {
        folded
            .lines
            .iter()
            .filter_map(|line| if let Line::Item { index, .. } = line { Some(*index) } else { None })
            .collect()
    }

    #[test]
    fn a_small_trace_is_shown_whole() {
        let trace = trace(500, |number| number / 2);
        let tree = assemble(&trace, Clocks::AsSent);
        let folded = fold(&tree, &View::default(), None);
        assert_eq!(nodes(&folded), (0..500).collect::<Vec<_>>());
        assert!(!folded.cut && folded.lines.len() == 500);
    }

    #[test]
    fn large_traces_of_any_shape_fit_on_a_page() {
        type Parent = fn(u64) -> u64;
        let shapes: [(&str, Parent); 4] =
            [("chain", |n| n - 1), ("fan", |n| u64::from(n > 1)), ("bush", |n| n / 3), ("roots", |_| 0)];
        for (name, parent) in shapes {
            let trace = trace(20_000, parent);
            let tree = assemble(&trace, Clocks::AsSent);
            let folded = fold(&tree, &View::default(), None);
            assert!((15..=300).contains(&folded.lines.len()), "{name}: {}", folded.lines.len());
            let all: Vec<RowKey> = tree.nodes.iter().map(|node| RowKey::of(node.key)).collect();
            let greedy = View { open: all, ..View::default() };
            assert!(fold(&tree, &greedy, None).lines.len() <= MOST_LINES, "{name}");
        }
    }

    #[test]
    fn the_focus_is_always_on_the_page() {
        type Parent = fn(u64) -> u64;
        let shapes: [Parent; 4] = [|n| n - 1, |n| u64::from(n > 1), |n| n / 2, |_| 0];
        for parent in shapes {
            let trace = trace(20_000, parent);
            let tree = assemble(&trace, Clocks::AsSent);
            for number in [1, 2, 100, 9_999, 20_000] {
                let focus = tree.find(&key(number)).expect("node");
                let hostile = View { level: Some(0), shut: vec![row(1)], root: Some(key(3)), ..View::default() };
                for view in [View::default(), hostile] {
                    let folded = fold(&tree, &view, Some(focus));
                    assert!(nodes(&folded).contains(&focus), "span {number}");
                    assert!(folded.lines.len() <= 400);
                }
            }
        }
    }

    #[test]
    fn a_page_walks_over_the_children_of_a_node_twice_and_keeps_what_it_shows() {
        let trace = trace(50_000, |number| u64::from(number > 1));
        let tree = assemble(&trace, Clocks::AsSent);
        let view = View { windows: vec![(Some(row(1)), Window { start: 40_000, len: 10 })], ..View::default() };
        let walked = std::cell::Cell::new(0);
        let outline = outline(&tree, &view.reduced(|reduce| reduce.each = true), &[], None);
        let folder = folder(&tree, &outline, &view, None, None);
        let shown = folder.shown(Some(0), outline.children(0).inspect(|_| walked.set(walked.get() + 1)));
        assert_eq!((shown.total, shown.children.len()), (49_999, 10));
        assert!(walked.get() <= 2 * 49_999 && shown.children.capacity() < 100, "{}", walked.get());
    }

    #[test]
    fn hands_open_and_shut() {
        let trace = trace(7, |number| number / 2);
        let tree = assemble(&trace, Clocks::AsSent);
        let shown = |view: &View| nodes(&fold(&tree, view, None)).len();
        assert_eq!(shown(&View { shut: vec![row(2)], ..View::default() }), 5);
        assert_eq!(shown(&View { level: Some(0), ..View::default() }), 1);
        assert_eq!(shown(&View { level: Some(1), ..View::default() }), 3);
        assert_eq!(shown(&View { level: Some(0), open: vec![row(1)], ..View::default() }), 3);
        let below = fold(&tree, &View { root: Some(key(3)), ..View::default() }, None);
        assert_eq!((nodes(&below).len(), below.top), (3, tree.find(&key(3))));
    }

    #[test]
    fn clicks_walk_through_all_children() {
        let trace = trace(5_000, |number| u64::from(number > 1));
        let tree = assemble(&trace, Clocks::AsSent);
        let mut view = View::default();
        let mut seen = HashSet::new();
        for _ in 0..40 {
            let folded = fold(&tree, &view, None);
            seen.extend(nodes(&folded));
            let next = folded.lines.iter().find_map(|line| match line {
                Line::Rest(rest) if rest.after => Some(rest.clone()),
                _ => None,
            });
            let Some(next) = next else { break };
            assert_eq!(next.first + next.hidden, 4_999);
            view = view.windowed(Some(row(1)), next.next);
        }
        assert_eq!(seen.len(), 5_000);
        let folded = fold(&tree, &view, None);
        let before = folded.lines.iter().find_map(|line| match line {
            Line::Rest(rest) if !rest.after => Some(rest.next),
            _ => None,
        });
        assert!(before.is_some_and(|window| window.len == STEP));
    }
}
