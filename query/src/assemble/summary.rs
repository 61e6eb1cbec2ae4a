//! A trace in numbers.

use hashbrown::HashMap;

use super::{Interval, Node, NodeKind, tree};

/// A trace in numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Service and name of the root that stands for the trace; `None` when only placeholders stand at the top.
    pub root: Option<(String, String)>,
    /// Spans received.
    pub spans: usize,
    /// Spans with status error.
    pub errors: usize,
    /// Levels of the tree.
    pub depth: usize,
    /// Nanoseconds from the earliest start to the latest end, without outliers.
    pub duration_nanos: u64,
    /// Services in the order in which they first appear.
    pub services: Vec<ServicePart>,
    /// Spans that are named as parents and were not received.
    pub missing: usize,
    /// Peers inferred.
    pub inferred: usize,
    /// Spans with warnings that are more than remarks.
    pub warned: usize,
}

/// A service's part in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServicePart {
    /// Its name; empty when the resource does not say.
    pub name: String,
    /// Its spans.
    pub spans: usize,
    /// Those with status error.
    pub errors: usize,
    /// Sum of self times, in nanoseconds.
    pub self_nanos: u64,
    /// Its time on the critical path, in nanoseconds.
    pub critical_nanos: u64,
}

pub(super) fn summarize(nodes: &[Node<'_>], interval: Interval) -> Summary {
    let mut summary = Summary { duration_nanos: interval.nanos(), ..Summary::default() };
    let root = tree::main_root(nodes).and_then(|root| nodes[root].span());
    summary.root = root.map(|span| (span.resource.service_name().to_owned(), span.span.name.clone()));
    let mut places: HashMap<&str, usize> = HashMap::new();
    for node in nodes {
        summary.depth = summary.depth.max(node.depth + 1);
        let span = match &node.kind {
            NodeKind::Span(span) => span,
            NodeKind::Missing => {
                summary.missing += 1;
                continue;
            }
            NodeKind::Inferred(_) => {
                summary.inferred += 1;
                continue;
            }
        };
        let name = span.resource.service_name();
        let place = *places.entry(name).or_insert_with(|| {
            summary.services.push(ServicePart { name: name.to_owned(), ..ServicePart::default() });
            summary.services.len() - 1
        });
        count(&mut summary.services[place], node);
        summary.spans += 1;
        summary.errors += usize::from(node.is_error());
        summary.warned += usize::from(node.warnings.iter().any(|warning| !warning.is_remark()));
    }
    summary
}

fn count(part: &mut ServicePart, node: &Node<'_>) {
    part.spans += 1;
    part.errors += usize::from(node.is_error());
    part.self_nanos = part.self_nanos.saturating_add(node.self_nanos);
    let critical: u64 = node.critical.iter().map(Interval::nanos).sum();
    part.critical_nanos = part.critical_nanos.saturating_add(critical);
}
