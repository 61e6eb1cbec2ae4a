//! Who called whom in this trace.

use std::collections::BTreeMap;

use askama::Template;
use hoptrail_query::assemble::{NodeKind, PeerKind, TraceTree};

use super::super::head::Head;
use super::super::rows::peer_icon;
use crate::chrome::Chrome;
use crate::filters::{self, plain_text};
use crate::format;
use crate::layers::{self, Sizes, layout};
use crate::pages::map::draw::{cut, path};
use crate::pages::search::shown_service;
use crate::waterfall::{Tab, View};

const SIZES: Sizes = Sizes { width: 170.0, height: 42.0, gap: 12.0, lane: 10.0, between: 64.0 };
const MARGIN: f64 = 12.0;
/// Most boxes: those with the most time.
const MOST: usize = 80;
/// Most connections between them: those with the most time.
const MOST_DRAWN: usize = 300;
/// Most connections in the table.
const MOST_EDGES: usize = 300;

/// The page.
#[derive(Debug, Template)]
#[template(path = "trace_graph.html")]
pub(in super::super) struct GraphPage {
    chrome: Chrome,
    head: Head,
    width: String,
    height: String,
    nodes: Vec<DrawnPlace>,
    edges: Vec<DrawnCall>,
    rows: Vec<Row>,
    left_out: usize,
    /// Connections with less time that are not drawn.
    undrawn: usize,
}

#[derive(Debug)]
struct DrawnPlace {
    x: String,
    y: String,
    name: String,
    numbers: String,
    title: String,
    icon: &'static str,
    href: String,
    failed: bool,
}

#[derive(Debug)]
struct DrawnCall {
    path: String,
    width: String,
    title: String,
    failed: bool,
}

#[derive(Debug)]
struct Row {
    caller: String,
    called: String,
    icon: &'static str,
    calls: String,
    errors: usize,
    total: String,
    longest: String,
}

/// A service or a peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'t> {
    Service(&'t str),
    Peer(&'t str, u8),
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    count: usize,
    errors: usize,
    nanos: u64,
    longest: u64,
}

impl Sum {
    fn add(&mut self, nanos: u64, failed: bool) {
        self.count += 1;
        self.errors += usize::from(failed);
        self.nanos = self.nanos.saturating_add(nanos);
        self.longest = self.longest.max(nanos);
    }
}

/// From one place to another, by index.
type Call = (usize, usize, Sum);

/// What happens in each place, and between them.
struct Graph<'t> {
    places: Vec<(Place<'t>, Sum)>,
    edges: Vec<Call>,
}

fn graph<'t>(tree: &'t TraceTree<'t>) -> Graph<'t> {
    let mut places: BTreeMap<Place<'t>, Sum> = BTreeMap::new();
    let mut edges: BTreeMap<(Place<'t>, Place<'t>), Sum> = BTreeMap::new();
    // The nearest span above each node that was received.
    let mut above: Vec<Option<usize>> = Vec::with_capacity(tree.nodes.len());
    for (index, node) in tree.nodes.iter().enumerate() {
        let caller = node.parent.and_then(|parent| above[parent]);
        above.push(if node.span().is_some() { Some(index) } else { caller });
        let Some(place) = place(&node.kind) else { continue };
        let caller_node = caller.map(|caller| &tree.nodes[caller]);
        let failed = node.is_error()
            || (matches!(node.kind, NodeKind::Inferred(_)) && caller_node.is_some_and(|node| node.is_error()));
        let own = if node.span().is_some() { node.self_nanos } else { node.interval.nanos() };
        places.entry(place.clone()).or_default().add(own, failed);
        let from = caller_node.and_then(|node| self::place(&node.kind)).filter(|from| *from != place);
        if let Some(from) = from {
            edges.entry((from, place)).or_default().add(node.interval.nanos(), failed);
        }
    }
    let index: BTreeMap<&Place<'t>, usize> = places.keys().enumerate().map(|(at, place)| (place, at)).collect();
    let at = |place: &Place<'t>| index.get(place).copied().unwrap_or_default();
    let edges = edges.iter().map(|((from, to), sum)| (at(from), at(to), *sum)).collect();
    Graph { edges, places: places.into_iter().collect() }
}

fn place<'t>(kind: &'t NodeKind<'t>) -> Option<Place<'t>> {
    match kind {
        NodeKind::Span(span) => Some(Place::Service(span.resource.service_name())),
        NodeKind::Inferred(peer) => Some(Place::Peer(
            &peer.name,
            match peer.kind {
                PeerKind::Database => 0,
                PeerKind::Queue => 1,
                PeerKind::Service => 2,
            },
        )),
        NodeKind::Missing => None,
    }
}

impl Place<'_> {
    fn name(&self) -> String {
        match self {
            Self::Service(name) => shown_service(name),
            Self::Peer(name, _) => (*name).to_owned(),
        }
    }

    fn icon(&self) -> &'static str {
        match self {
            Self::Service(_) => "",
            Self::Peer(_, 0) => peer_icon(PeerKind::Database),
            Self::Peer(_, 1) => peer_icon(PeerKind::Queue),
            Self::Peer(..) => peer_icon(PeerKind::Service),
        }
    }
}

pub(in super::super) fn page(tree: &TraceTree<'_>, view: &View, head: Head) -> GraphPage {
    let graph = graph(tree);
    let kept = kept(&graph);
    let place_of = |at: usize| kept.iter().position(|&one| one == at);
    let mut drawn: Vec<Call> =
        graph.edges.iter().filter_map(|(from, to, sum)| Some((place_of(*from)?, place_of(*to)?, *sum))).collect();
    let all = drawn.len();
    drawn.sort_by_key(|(from, to, sum)| (std::cmp::Reverse(sum.nanos), *from, *to));
    drawn.truncate(MOST_DRAWN);
    let undrawn = all - drawn.len();
    drawn.sort_unstable_by_key(|(from, to, _)| (*from, *to));
    let ends = drawn.iter().map(|(from, to, _)| (*from, *to)).collect();
    let placed = layout(&layers::Graph { nodes: kept.len(), edges: ends }, SIZES);
    let most = drawn.iter().map(|(.., sum)| sum.count).max().unwrap_or(1).max(1);
    let name = |at: usize| plain_text(&format::shortened(&graph.places[kept[at]].0.name(), 80));
    let edges = drawn.iter().zip(&placed.edges).filter(|(_, points)| !points.is_empty());
    let edge = |((from, to, sum), points): (&Call, &Vec<(f64, f64)>)| DrawnCall {
        path: path(points),
        width: format!("{:.1}", 1.2 + 2.8 * (sum.count as f64 / most as f64).sqrt()),
        title: format!("{} → {}: {}", name(*from), name(*to), words(*sum)),
        failed: sum.errors > 0,
    };
    let id = head.id.clone();
    let nodes = kept.iter().zip(&placed.nodes).map(|(&at, &(x, y))| node(&graph.places[at], x, y, view, &id));
    GraphPage {
        chrome: Chrome::new(),
        width: format!("{:.0}", placed.width + 2.0 * MARGIN),
        height: format!("{:.0}", placed.height + 2.0 * MARGIN),
        nodes: nodes.collect(),
        edges: edges.map(edge).collect(),
        rows: rows(&graph),
        left_out: graph.places.len() - kept.len(),
        undrawn,
        head,
    }
}

/// The places that are drawn, in the order of their names.
fn kept(graph: &Graph<'_>) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..graph.places.len()).collect();
    kept.sort_by_key(|&at| (std::cmp::Reverse(graph.places[at].1.nanos), at));
    kept.truncate(MOST);
    kept.sort_unstable();
    kept
}

fn node((place, sum): &(Place<'_>, Sum), x: f64, y: f64, view: &View, id: &str) -> DrawnPlace {
    let name = place.name();
    let what = if place.icon().is_empty() { ("span", "spans") } else { ("call", "calls") };
    let numbers = format!("{} · {}", format::counted(sum.count, what.0, what.1), format::duration(sum.nanos));
    let find = View { tab: Tab::Spans, find: format::shortened(&name, 300), span: None, ..view.clone() };
    DrawnPlace {
        x: format!("{:.1}", x + MARGIN),
        y: format!("{:.1}", y - SIZES.height / 2.0 + MARGIN),
        title: format!("{}: {}", plain_text(&format::shortened(&name, 200)), words(*sum)),
        name: plain_text(&cut(&name, if place.icon().is_empty() { 19 } else { 16 })),
        numbers,
        icon: place.icon(),
        href: find.href(id, ""),
        failed: sum.errors > 0,
    }
}

fn words(sum: Sum) -> String {
    format!(
        "{} times, {} failed, {} in all, the longest {}",
        format::count(sum.count as u64),
        sum.errors,
        format::duration(sum.nanos),
        format::duration(sum.longest)
    )
}

/// Connections, those with the most time first.
fn rows(graph: &Graph<'_>) -> Vec<Row> {
    let mut sorted: Vec<&Call> = graph.edges.iter().collect();
    sorted.sort_by_key(|(from, to, sum)| (std::cmp::Reverse(sum.nanos), *from, *to));
    let row = |(from, to, sum): &Call| {
        let called = &graph.places[*to].0;
        Row {
            caller: format::shortened(&graph.places[*from].0.name(), 100),
            called: format::shortened(&called.name(), 100),
            icon: called.icon(),
            calls: format::count(sum.count as u64),
            errors: sum.errors,
            total: format::duration(sum.nanos),
            longest: format::duration(sum.longest),
        }
    };
    sorted.into_iter().take(MOST_EDGES).map(row).collect()
}
