//! Which nodes have a row at all: the tree without what the reader leaves out, where one row stands for siblings that are alike.

use hoptrail_query::assemble::{Folding, Node, NodeKind, TraceTree};

use super::{Reduce, RowKey, View};

/// Fewer siblings than this are not taken together.
const LEAST_ALIKE: usize = 5;

/// A possible row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Index of its node in the tree; of a group's first member.
    pub(crate) node: usize,
    /// The nodes it stands for, when it is the row of a group: an index into [`Outline::groups`].
    pub(crate) group: Option<usize>,
    /// Index of the item above it.
    pub(crate) parent: Option<usize>,
    /// Steps from its root, which has 0.
    pub(crate) depth: usize,
    /// Index after the last item below it.
    pub(crate) next: usize,
}

/// The possible rows of a trace, depth first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) items: Vec<Item>,
    /// Siblings that are alike, each by start.
    pub(crate) groups: Vec<Vec<usize>>,
    /// The item of each node that has one.
    places: Vec<Option<usize>>,
}

impl Outline {
    /// The item of a node.
    pub(crate) fn place(&self, node: usize) -> Option<usize> {
        self.places.get(node).copied().flatten()
    }

    /// Indexes of the items without one above them.
    pub(crate) fn roots(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        self.siblings(0, self.items.len())
    }

    /// Indexes of the items right below an item.
    pub(crate) fn children(&self, index: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        self.siblings(index + 1, self.items.get(index).map_or(0, |item| item.next))
    }

    /// Steps from `first` over whole subtrees until `end`.
    fn siblings(&self, first: usize, end: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        let within = move |at: usize| (at < end.min(self.items.len())).then_some(at);
        std::iter::successors(within(first), move |&at| within(self.items[at].next))
    }

    /// Indexes of the items above an item, nearest first.
    pub(crate) fn ancestors(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let above = |at: usize| self.items.get(at).and_then(|item| item.parent);
        std::iter::successors(above(index), move |&at| above(at))
    }

    /// The name of an item's row.
    pub(crate) fn key(&self, tree: &TraceTree<'_>, index: usize) -> RowKey {
        let item = &self.items[index];
        RowKey { node: tree.nodes[item.node].key, is_group: item.group.is_some() }
    }
}

/// The rows that a trace may have in this view. `matches` are the nodes found, ascending; `focus` has a row in any case.
pub(crate) fn outline(tree: &TraceTree<'_>, view: &View, matches: &[usize], focus: Option<usize>) -> Outline {
    let kept = kept(tree, &view.reduce, matches, focus);
    let above = nearest_kept(tree, &kept);
    let groups = if view.reduce.each { vec![] } else { groups(tree, &kept, &above) };
    arrange(&kept, &above, groups)
}

/// Which nodes are shown.
fn kept(tree: &TraceTree<'_>, reduce: &Reduce, matches: &[usize], focus: Option<usize>) -> Vec<bool> {
    let total = u128::from(tree.interval.nanos());
    let is_long = |node: &Node<'_>| u128::from(node.interval.nanos()) * 100_000 >= total * u128::from(reduce.least);
    let is_hidden = |node: &Node<'_>| {
        node.span().is_some_and(|span| reduce.hide.iter().any(|name| name == span.resource.service_name()))
    };
    // The other side of a call is drawn in the row of its caller.
    let mut kept: Vec<bool> = tree
        .nodes
        .iter()
        .map(|node| !matches!(node.kind, NodeKind::Inferred(_)) && is_long(node) && !is_hidden(node))
        .collect();
    if reduce.only {
        let mut wanted = vec![false; tree.nodes.len()];
        matches.iter().for_each(|&index| wanted[index] = true);
        for (index, node) in tree.nodes.iter().enumerate().rev() {
            if let Some(parent) = node.parent.filter(|_| wanted[index]) {
                wanted[parent] = true;
            }
        }
        kept.iter_mut().zip(wanted).for_each(|(kept, wanted)| *kept &= wanted);
    }
    if let Some(focus) = focus {
        kept[focus] = true;
    }
    kept
}

/// The nearest ancestor of each node that is shown.
fn nearest_kept(tree: &TraceTree<'_>, kept: &[bool]) -> Vec<Option<usize>> {
    let mut above: Vec<Option<usize>> = Vec::with_capacity(kept.len());
    for node in &tree.nodes {
        above.push(node.parent.and_then(|parent| if kept[parent] { Some(parent) } else { above[parent] }));
    }
    above
}

/// Siblings that are alike, of which enough are shown side by side.
fn groups(tree: &TraceTree<'_>, kept: &[bool], above: &[Option<usize>]) -> Vec<Vec<usize>> {
    let alike = tree.alike(&Folding { by: vec![], least: LEAST_ALIKE, levels: usize::MAX });
    let shown = |group: Vec<usize>| -> Vec<usize> { group.into_iter().filter(|&index| kept[index]).collect() };
    let has_enough = |group: &Vec<usize>| group.len() >= LEAST_ALIKE && above[group[0]] == tree.nodes[group[0]].parent;
    alike.into_iter().map(shown).filter(has_enough).collect()
}

/// What stands in the outline.
#[derive(Clone, Copy)]
enum Entry {
    Node(usize),
    Group(usize),
}

fn arrange(kept: &[bool], above: &[Option<usize>], groups: Vec<Vec<usize>>) -> Outline {
    let mut group_of: Vec<Option<usize>> = vec![None; kept.len()];
    for (at, group) in groups.iter().enumerate() {
        group.iter().for_each(|&member| group_of[member] = Some(at));
    }
    // The entries below each node in one list; those of roots are last.
    let mut below: Vec<Vec<Entry>> = vec![vec![]; kept.len()];
    let mut roots = vec![];
    for node in (0..kept.len()).filter(|&node| kept[node]) {
        let entry = match group_of[node] {
            Some(at) if groups[at].first() == Some(&node) => Entry::Group(at),
            Some(_) => continue,
            None => Entry::Node(node),
        };
        above[node].map_or(&mut roots, |parent| &mut below[parent]).push(entry);
    }
    let mut items: Vec<Item> = Vec::new();
    let mut places = vec![None; kept.len()];
    let mut stack: Vec<(Entry, Option<usize>, usize)> = roots.into_iter().rev().map(|entry| (entry, None, 0)).collect();
    while let Some((entry, parent, depth)) = stack.pop() {
        let at = items.len();
        let (node, group) = match entry {
            Entry::Node(node) => {
                places[node] = Some(at);
                stack.extend(
                    std::mem::take(&mut below[node]).into_iter().rev().map(|entry| (entry, Some(at), depth + 1)),
                );
                (node, None)
            }
            Entry::Group(group) => {
                let members = groups[group].iter().rev().map(|&node| (Entry::Node(node), Some(at), depth + 1));
                stack.extend(members);
                (groups[group][0], Some(group))
            }
        };
        items.push(Item { node, group, parent, depth, next: at + 1 });
    }
    for index in (0..items.len()).rev() {
        if let Some(parent) = items[index].parent {
            items[parent].next = items[parent].next.max(items[index].next);
        }
    }
    Outline { items, groups, places }
}

#[cfg(test)]
mod tests {
    use hoptrail_query::assemble::{Clocks, assemble};

    use super::super::tests::{Sketch, trace_of};
    use super::*;

    /// A root with two services below, six equal children and a database.
    fn sketch() -> Vec<Sketch> {
        let mut spans = vec![
            Sketch::new(1, 0, "front", "GET", (0, 1_000)),
            Sketch::new(2, 1, "shop", "list", (10, 900)),
            Sketch::new(3, 2, "db", "slow", (20, 500)),
        ];
        spans.extend((4..10).map(|id| Sketch::new(id, 2, "shop", "read", (500 + id * 10, 505 + id * 10))));
        spans
    }

    /// Number of the span, depth, and how many a row stands for.
    fn rows(view: &View, matches: &[u64], focus: Option<u64>) -> Vec<(u64, usize, usize)> {
        let trace = trace_of(&sketch());
        let tree = assemble(&trace, Clocks::AsSent);
        let number = |node: usize| u64::from_be_bytes(tree.nodes[node].key.span_id.0);
        let index = |id: u64| (0..tree.nodes.len()).find(|&node| number(node) == id).expect("a node");
        let mut found: Vec<usize> = matches.iter().map(|&id| index(id)).collect();
        found.sort_unstable();
        let outline = outline(&tree, view, &found, focus.map(index));
        outline
            .items
            .iter()
            .map(|item| (number(item.node), item.depth, item.group.map_or(1, |group| outline.groups[group].len())))
            .collect()
    }

    #[test]
    fn equal_siblings_have_one_row_above_them() {
        let all = rows(&View::default(), &[], None);
        assert_eq!(all[..5], [(1, 0, 1), (2, 1, 1), (3, 2, 1), (4, 2, 6), (4, 3, 1)]);
        assert_eq!(all.len(), 10);
        let each = View::default().reduced(|reduce| reduce.each = true);
        assert_eq!(rows(&each, &[], None).len(), 9);
    }

    #[test]
    fn what_is_below_a_hidden_service_moves_up() {
        let view = View::default().reduced(|reduce| reduce.hide = vec!["shop".into()]);
        assert_eq!(rows(&view, &[], None), [(1, 0, 1), (3, 1, 1)]);
        assert_eq!(rows(&view, &[], Some(9)), [(1, 0, 1), (3, 1, 1), (9, 1, 1)], "the span looked at stays");
    }

    #[test]
    fn short_spans_and_those_not_found_are_left_out() {
        let long = View::default().reduced(|reduce| reduce.least = 20_000);
        assert_eq!(rows(&long, &[], None), [(1, 0, 1), (2, 1, 1), (3, 2, 1)]);
        let only = View::default().reduced(|reduce| reduce.only = true);
        assert_eq!(rows(&only, &[5], None), [(1, 0, 1), (2, 1, 1), (5, 2, 1)]);
        assert_eq!(rows(&only, &[], None), []);
    }
}
