//! The tree of one trace. All passes are linear, however deep it is.

use std::cell::OnceCell;

use crate::codec::len_u32;
use crate::scan::ParentRow;
use crate::{Intrinsic, Relation};

/// The spans of a trace as a tree, by their indexes.
pub(crate) struct Tree {
    parents: Vec<ParentRow>,
    /// Parents before their children.
    downwards: Vec<u32>,
    numbers: OnceCell<Vec<Numbers>>,
}

/// What tree intrinsics say of a span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    left: i64,
    right: i64,
    children: i64,
}

impl Tree {
    /// The tree of spans with these parents. Spans stand in the order of their keys, and so do the children of one.
    pub(crate) fn new(parents: Vec<ParentRow>) -> Self {
        let downwards = downwards(&parents);
        Self { parents, downwards, numbers: OnceCell::new() }
    }

    /// The parent of a span, if it is here.
    pub(crate) fn parent(&self, span: usize) -> Option<usize> {
        self.parents.get(span).copied().and_then(row)
    }

    /// For each span whether a span of `left` stands to it as the relation says.
    pub(crate) fn related(&self, relation: Relation, left: &[bool]) -> Vec<bool> {
        match relation {
            Relation::Child => self.of_parents(|parent| is(left, parent)),
            Relation::Parent => self.parents_of(left),
            Relation::Descendant => self.below(left),
            Relation::Ancestor => self.above(left),
            Relation::Sibling => self.beside(left),
        }
    }

    fn of_parents(&self, of: impl Fn(usize) -> bool) -> Vec<bool> {
        self.parents.iter().map(|parent| row(*parent).is_some_and(&of)).collect()
    }

    fn parents_of(&self, left: &[bool]) -> Vec<bool> {
        let mut found = vec![false; self.parents.len()];
        for (parent, _) in self.parents.iter().zip(left).filter(|(_, left)| **left) {
            set(&mut found, row(*parent));
        }
        found
    }

    fn below(&self, left: &[bool]) -> Vec<bool> {
        let mut found = vec![false; self.parents.len()];
        for span in &self.downwards {
            let span = *span as usize;
            if self.parent(span).is_some_and(|parent| is(left, parent) || is(&found, parent)) {
                set(&mut found, Some(span));
            }
        }
        found
    }

    fn above(&self, left: &[bool]) -> Vec<bool> {
        let mut found = vec![false; self.parents.len()];
        for span in self.downwards.iter().rev() {
            let span = *span as usize;
            if is(left, span) || is(&found, span) {
                set(&mut found, self.parent(span));
            }
        }
        found
    }

    fn beside(&self, left: &[bool]) -> Vec<bool> {
        let mut children = vec![0u32; self.parents.len()];
        for (parent, _) in self.parents.iter().zip(left).filter(|(_, left)| **left) {
            if let Some(count) = row(*parent).and_then(|parent| children.get_mut(parent)) {
                *count += 1;
            }
        }
        let others = |(span, parent): (usize, &ParentRow)| {
            let all = row(*parent).and_then(|parent| children.get(parent)).copied().unwrap_or_default();
            all > u32::from(is(left, span))
        };
        self.parents.iter().enumerate().map(others).collect()
    }

    /// The value of a tree intrinsic; `None` for the others.
    pub(crate) fn number(&self, intrinsic: Intrinsic, span: usize) -> Option<i64> {
        let numbers = self.numbers.get_or_init(|| self.walk());
        let of = |span: usize| numbers.get(span);
        match intrinsic {
            Intrinsic::ChildCount => of(span).map(|numbers| numbers.children),
            Intrinsic::NestedSetLeft => of(span).map(|numbers| numbers.left),
            Intrinsic::NestedSetRight => of(span).map(|numbers| numbers.right),
            Intrinsic::NestedSetParent => match self.parents.get(span)? {
                ParentRow::Root => Some(-1),
                ParentRow::Outside => Some(0),
                ParentRow::Row(parent) => of(*parent as usize).map(|numbers| numbers.left),
            },
            _ => None,
        }
    }

    /// Numbers the spans. A subtree of n spans takes 2n numbers that follow one another, so no walk back up is needed.
    fn walk(&self) -> Vec<Numbers> {
        let mut numbers = vec![Numbers::default(); self.parents.len()];
        let mut sizes = vec![1i64; self.parents.len()];
        for span in self.downwards.iter().rev() {
            let size = sizes.get(*span as usize).copied().unwrap_or_default();
            if let Some(parent) = self.parent(*span as usize) {
                sizes.get_mut(parent).into_iter().for_each(|known| *known += size);
                numbers.get_mut(parent).into_iter().for_each(|known| known.children += 1);
            }
        }
        // The next number for a child of each span, and for a root.
        let (mut next, mut next_root) = (vec![0i64; self.parents.len()], 1i64);
        for span in &self.downwards {
            let span = *span as usize;
            let size = 2 * sizes.get(span).copied().unwrap_or_default();
            let place = match self.parent(span) {
                Some(parent) => next.get_mut(parent),
                None => Some(&mut next_root),
            };
            let Some(place) = place else { continue };
            let left = *place;
            *place += size;
            if let (Some(numbers), Some(next)) = (numbers.get_mut(span), next.get_mut(span)) {
                (numbers.left, numbers.right, *next) = (left, left + size - 1, left + 1);
            }
        }
        numbers
    }
}

fn row(parent: ParentRow) -> Option<usize> {
    match parent {
        ParentRow::Row(row) => Some(row as usize),
        ParentRow::Root | ParentRow::Outside => None,
    }
}

fn is(set: &[bool], span: usize) -> bool {
    set.get(span).copied().unwrap_or(false)
}

fn set(found: &mut [bool], span: Option<usize>) {
    span.and_then(|span| found.get_mut(span)).into_iter().for_each(|found| *found = true);
}

/// All spans, parents before their children, and the children of one in their order.
fn downwards(parents: &[ParentRow]) -> Vec<u32> {
    if parents.iter().enumerate().all(|(span, parent)| row(*parent).is_none_or(|parent| parent < span)) {
        return (0..len_u32(parents.len())).collect();
    }
    // The children of each parent, one after the other.
    let mut first = vec![0usize; parents.len() + 1];
    let known = |parent: &ParentRow| row(*parent).filter(|parent| *parent < parents.len());
    parents.iter().filter_map(known).for_each(|parent| first.get_mut(parent + 1).into_iter().for_each(|n| *n += 1));
    let mut sum = 0;
    first.iter_mut().for_each(|start| {
        sum += *start;
        *start = sum;
    });
    let mut children = vec![0u32; sum];
    let mut next = first.clone();
    for (span, parent) in (0u32..).zip(parents) {
        let Some(place) = known(parent).and_then(|parent| next.get_mut(parent)) else { continue };
        children.get_mut(*place).into_iter().for_each(|child| *child = span);
        *place += 1;
    }
    let roots = (0u32..).zip(parents).filter(|(_, parent)| known(parent).is_none());
    let mut order: Vec<u32> = roots.map(|(span, _)| span).collect();
    let mut at = 0;
    while let Some(span) = order.get(at).copied() {
        let range = first.get(span as usize).copied().zip(first.get(span as usize + 1).copied());
        order.extend(range.and_then(|(from, to)| children.get(from..to)).unwrap_or_default());
        at += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two roots, an orphan, and children that come before their parents.
    ///
    /// ```text
    /// 0 ── 2 ── 1      5 (orphan) ── 6
    ///   └─ 3           4
    /// ```
    fn tree() -> Tree {
        let row = ParentRow::Row;
        Tree::new(vec![ParentRow::Root, row(2), row(0), row(0), ParentRow::Root, ParentRow::Outside, row(5)])
    }

    fn related(relation: Relation, left: &[usize]) -> Vec<usize> {
        let left: Vec<bool> = (0..7).map(|span| left.contains(&span)).collect();
        let found = tree().related(relation, &left);
        (0..7).filter(|span| found[*span]).collect()
    }

    #[test]
    fn relations_follow_the_tree() {
        assert_eq!(related(Relation::Child, &[0, 5]), [2, 3, 6]);
        assert_eq!(related(Relation::Parent, &[1, 6, 4]), [2, 5]);
        assert_eq!(related(Relation::Descendant, &[0]), [1, 2, 3]);
        assert_eq!(related(Relation::Ancestor, &[1]), [0, 2]);
        assert_eq!(related(Relation::Sibling, &[2]), [3]);
        assert_eq!(related(Relation::Sibling, &[2, 3]), [2, 3]);
        assert_eq!(
            related(Relation::Sibling, &[0, 4, 5, 6]),
            Vec::<usize>::new(),
            "roots and only children have no siblings"
        );
    }

    #[test]
    fn numbers_nest() {
        let tree = tree();
        let numbers =
            |intrinsic| (0..7).map(|span| tree.number(intrinsic, span).expect("a number")).collect::<Vec<_>>();
        assert_eq!(numbers(Intrinsic::NestedSetLeft), [1, 3, 2, 6, 9, 11, 12]);
        assert_eq!(numbers(Intrinsic::NestedSetRight), [8, 4, 5, 7, 10, 14, 13]);
        assert_eq!(numbers(Intrinsic::NestedSetParent), [-1, 2, 1, 1, -1, 0, 11]);
        assert_eq!(numbers(Intrinsic::ChildCount), [2, 0, 1, 0, 0, 1, 0]);
        assert_eq!(tree.number(Intrinsic::Name, 0), None);
    }

    #[test]
    fn a_chain_of_any_depth_is_walked() {
        let parents =
            (0..100_000u32).map(|span| if span == 99_999 { ParentRow::Root } else { ParentRow::Row(span + 1) });
        let tree = Tree::new(parents.collect());
        assert_eq!(tree.number(Intrinsic::NestedSetLeft, 0), Some(100_000));
        let found = tree.related(Relation::Ancestor, &(0..100_000).map(|span| span == 0).collect::<Vec<_>>());
        assert_eq!(found.iter().filter(|found| **found).count(), 99_999);
    }
}
