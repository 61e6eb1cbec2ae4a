//! Who calls whom and when.

use rand::RngExt;

use super::Dice;

/// A span's position in the tree of its trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    /// Its id.
    pub(crate) id: u64,
    /// Its parent's id; 0 for the root.
    pub(crate) parent: u64,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    /// Nanoseconds.
    pub(crate) duration: u64,
}

/// A tree of `count` spans, each after its parent and in the first half of its time.
pub(crate) fn tree(dice: &mut Dice, count: usize, start: u64, longest: u64) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    for at in 0..count {
        let id = dice.random::<u64>() | 1;
        let parent = (at > 0).then(|| nodes[dice.random_range(0..at)]);
        let (parent, start, most) = match parent {
            None => (0, start, longest),
            Some(parent) => {
                let later = dice.random_range(0..=parent.duration / 2);
                (parent.id, parent.start + later, parent.duration - later)
            }
        };
        nodes.push(Node { id, parent, start, duration: dice.random_range(1..=most.max(1)) });
    }
    nodes
}

/// A job that lasts `whole`: its root is exported at once, the steps below it begin any time later and take seconds.
pub(crate) fn long(dice: &mut Dice, start: u64, whole: u64) -> Vec<Node> {
    let root = dice.random::<u64>() | 1;
    let mut nodes = vec![Node { id: root, parent: 0, start, duration: whole }];
    for _ in 1..dice.random_range(5..=34) {
        let (id, later) = (dice.random::<u64>() | 1, dice.random_range(0..whole));
        let duration = dice.random_range(1..=2_000_000_000);
        nodes.push(Node { id, parent: root, start: start + later, duration });
    }
    nodes
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_span_begins_in_the_first_half_of_its_parent() {
        for seed in 0..50 {
            let nodes = tree(&mut Dice::seed_from_u64(seed), 30, 1_000, 2_000_000_000);
            for node in &nodes[1..] {
                let parent = nodes.iter().find(|parent| parent.id == node.parent).expect("the parent is there");
                assert!((parent.start..=parent.start + parent.duration / 2).contains(&node.start));
                assert!(node.duration > 0);
            }
        }
    }
}
