//! The whole trace in a strip: a few lanes, in the order of the waterfall, each filled where its spans run.

use std::collections::HashMap;

use hoptrail_query::assemble::{NodeKind, TraceTree};

use super::Scale;

/// Lanes of the strip.
const LANES: usize = 24;
/// Columns in which time is counted.
const COLUMNS: usize = 160;

/// A filled part of a lane.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    /// Lane from the top.
    pub(crate) lane: usize,
    /// Left edge, percent.
    pub(crate) x: f64,
    /// Width, percent.
    pub(crate) width: f64,
    /// The service that runs in the lane longest.
    pub(crate) service: usize,
    /// Whether a span with an error is in it.
    pub(crate) error: bool,
}

/// The blocks and the number of lanes. `service` gives the index of a node's service.
pub(crate) fn minimap(tree: &TraceTree<'_>, service: impl Fn(usize) -> usize) -> (Vec<Block>, usize) {
    let scale = Scale::new(tree.interval);
    let spans: Vec<usize> = (0..tree.nodes.len()).filter(|&index| is_drawn(tree, index)).collect();
    let lanes = spans.len().min(LANES);
    let mut blocks = Vec::new();
    for lane in 0..lanes {
        let members = &spans[lane * spans.len() / lanes..(lane + 1) * spans.len() / lanes];
        if let &[only] = members {
            blocks.extend(single(tree, &scale, lane, only, service(only)));
        } else {
            fill(tree, &scale, lane, members, &service, &mut blocks);
        }
    }
    (blocks, lanes)
}

fn is_drawn(tree: &TraceTree<'_>, index: usize) -> bool {
    let node = &tree.nodes[index];
    !node.outlier && matches!(node.kind, NodeKind::Span(_))
}

fn single(tree: &TraceTree<'_>, scale: &Scale, lane: usize, index: usize, service: usize) -> Option<Block> {
    let node = &tree.nodes[index];
    let (x, width) = scale.bar(node.interval)?;
    Some(Block { lane, x, width, service, error: node.is_error() })
}

/// Merges many spans into runs of filled columns, in the colour of the service that runs longest.
fn fill(
    tree: &TraceTree<'_>,
    scale: &Scale,
    lane: usize,
    members: &[usize],
    service: &impl Fn(usize) -> usize,
    blocks: &mut Vec<Block>,
) {
    // What a column holds; the larger wins.
    const EMPTY: u8 = 0;
    const SPAN: u8 = 1;
    const ERROR: u8 = 2;
    let mut columns = [EMPTY; COLUMNS];
    let mut time_of: HashMap<usize, u64> = HashMap::new();
    for &index in members {
        let node = &tree.nodes[index];
        let Some((x, width)) = scale.bar(node.interval) else { continue };
        let mark = if node.is_error() { ERROR } else { SPAN };
        for column in &mut columns[column(x)..=column(x + width)] {
            *column = mark.max(*column);
        }
        let time = time_of.entry(service(index)).or_default();
        *time = time.saturating_add(node.self_nanos);
    }
    let service = time_of.into_iter().max_by_key(|(service, time)| (*time, *service)).map_or(0, |(service, _)| service);
    let width = 100.0 / COLUMNS as f64;
    let mut at = 0;
    for run in columns.chunk_by(|a, b| a == b) {
        if run[0] != EMPTY {
            let error = run[0] == ERROR;
            blocks.push(Block { lane, x: at as f64 * width, width: run.len() as f64 * width, service, error });
        }
        at += run.len();
    }
}

/// The column at so many percent from the left.
fn column(percent: f64) -> usize {
    ((percent / 100.0 * COLUMNS as f64) as usize).min(COLUMNS - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{InstrumentationScope, Resource, Span, SpanId, Trace, TraceId, TraceSpan};
    use hoptrail_query::assemble::{Clocks, assemble};

    use super::*;

    fn trace(count: u64) -> Trace {
        let span = |number: u64| TraceSpan {
            span: Span {
                span_id: SpanId(number.to_be_bytes()),
                start_unix_nano: 1_000 + number * 10,
                end_unix_nano: 1_000 + number * 10 + 10,
                ..Span::default()
            },
            resource: Arc::new(Resource::default()),
            scope: Arc::new(InstrumentationScope::default()),
        };
        Trace { id: TraceId([1; 16]), spans: (1..=count).map(span).collect() }
    }

    #[test]
    fn few_spans_have_a_lane_each() {
        let trace = trace(3);
        let (blocks, lanes) = minimap(&assemble(&trace, Clocks::AsSent), |index| index);
        assert_eq!((blocks.len(), lanes), (3, 3));
        assert_eq!(blocks.iter().map(|block| block.service).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn many_spans_cost_no_more_blocks_than_the_strip_has_cells() {
        let trace = trace(50_000);
        let (blocks, lanes) = minimap(&assemble(&trace, Clocks::AsSent), |index| index % 3);
        assert_eq!(lanes, LANES);
        assert!(blocks.len() <= LANES * COLUMNS);
        assert!(blocks.iter().all(|block| block.x >= 0.0 && block.x + block.width <= 100.001));
    }
}
