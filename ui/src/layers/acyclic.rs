//! Turns edges round until there are no cycles.

use super::Graph;

/// How a node stands to the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// The edges in their order, those that close a cycle turned round. The walk begins where nothing leads to.
pub(super) fn acyclic(graph: &Graph) -> Vec<(usize, usize)> {
    let mut out: Vec<Vec<(usize, usize)>> = vec![vec![]; graph.nodes];
    let mut is_target = vec![false; graph.nodes];
    for (edge, (from, to)) in graph.edges.iter().enumerate() {
        if let Some(edges) = out.get_mut(*from).filter(|_| from != to) {
            edges.push((edge, *to));
        }
        if let Some(target) = is_target.get_mut(*to).filter(|_| from != to) {
            *target = true;
        }
    }
    let (sources, others): (Vec<usize>, Vec<usize>) =
        (0..graph.nodes).partition(|node| is_target.get(*node) == Some(&false));
    let mut states = vec![State::New; graph.nodes];
    let mut turned = vec![false; graph.edges.len()];
    for start in sources.into_iter().chain(others) {
        walk(start, &out, &mut states, &mut turned);
    }
    let edge = |((from, to), is_turned): (&(usize, usize), bool)| if is_turned { (*to, *from) } else { (*from, *to) };
    graph.edges.iter().zip(turned).map(edge).collect()
}

/// Goes as deep as it can; an edge to a node on the way closes a cycle.
fn walk(start: usize, out: &[Vec<(usize, usize)>], states: &mut [State], turned: &mut [bool]) {
    if states.get(start) != Some(&State::New) {
        return;
    }
    let mut path = vec![(start, 0)];
    states.iter_mut().skip(start).take(1).for_each(|state| *state = State::Open);
    while let Some((node, next)) = path.pop() {
        let Some((edge, to)) = out.get(node).and_then(|edges| edges.get(next)).copied() else {
            states.iter_mut().skip(node).take(1).for_each(|state| *state = State::Done);
            continue;
        };
        path.push((node, next + 1));
        match states.get(to) {
            Some(State::New) => {
                states.iter_mut().skip(to).take(1).for_each(|state| *state = State::Open);
                path.push((to, 0));
            }
            Some(State::Open) => turned.iter_mut().skip(edge).take(1).for_each(|turned| *turned = true),
            _ => {}
        }
    }
}
