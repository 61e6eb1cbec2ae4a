//! The map as SVG.

use std::fmt::Write;

use hoptrail_query::rollups::{Cell, NodeKind};

use super::graph::{Edge, Graph, as_seen};
use super::{Colour, Question};
use crate::filters::plain_text;
use crate::format;
use crate::layers::{self, Sizes, layout};
use crate::pages::red::{RateUnit, error_rate, percent, rate, seconds_text, service_href};
use crate::pages::search::shown_service;
use crate::pages::service::icon;

const SIZES: Sizes = Sizes { width: 170.0, height: 42.0, gap: 12.0, lane: 10.0, between: 50.0 };
/// Room around the map.
const MARGIN: f64 = 12.0;
/// Most characters of a name, beside a symbol and without.
const NAME: (usize, usize) = (16, 19);
/// How many of them are the end of a name that is cut.
const END: usize = 6;
/// From which part of failed calls on a colour is used.
const ERRORS: [f64; 4] = [0.0, 0.01, 0.05, 0.2];
/// From which p95 on, in nanoseconds.
const LATENCIES: [f64; 4] = [50e6, 200e6, 1e9, 5e9];

/// A drawing.
#[derive(Debug)]
pub(crate) struct Drawing {
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) nodes: Vec<DrawnNode>,
    pub(crate) edges: Vec<DrawnEdge>,
    /// The class of its colours.
    pub(crate) class: &'static str,
    /// What each colour means.
    pub(crate) key: Vec<(u8, String)>,
}

/// A node.
#[derive(Debug)]
pub(crate) struct DrawnNode {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) name: String,
    pub(crate) numbers: String,
    pub(crate) title: String,
    pub(crate) href: String,
    pub(crate) icon: &'static str,
    pub(crate) level: u8,
    /// Whether the map is drawn around it.
    pub(crate) is_chosen: bool,
}

/// An edge.
#[derive(Debug)]
pub(crate) struct DrawnEdge {
    pub(crate) path: String,
    pub(crate) width: String,
    pub(crate) title: String,
    pub(crate) level: u8,
}

/// What all parts of a drawing share.
struct Scale<'q> {
    question: &'q Question,
    seconds: f64,
    unit: RateUnit,
    /// The highest rate of an edge and of a node, in a second.
    highest: f64,
}

pub(super) fn drawing(graph: &Graph, question: &Question, seconds: f64) -> Drawing {
    let ends = graph.edges.iter().map(|edge| (edge.caller, edge.callee)).collect();
    let placed = layout(&layers::Graph { nodes: graph.nodes.len(), edges: ends }, SIZES);
    let counts = graph.nodes.iter().map(|(_, cell)| cell.count).chain(graph.edges.iter().map(|edge| edge.cell.count));
    let highest = counts.map(|count| rate(count, seconds)).fold(0.0, f64::max);
    let scale = Scale { question, seconds, unit: RateUnit::of(highest), highest };
    let nodes = (0..graph.nodes.len()).zip(&placed.nodes).filter_map(|(at, place)| scale.node(graph, at, *place));
    let edges = graph.edges.iter().zip(&placed.edges).map(|(edge, points)| {
        let own = placed.nodes.get(edge.caller).copied().unwrap_or_default();
        scale.edge(graph, edge, points, own)
    });
    Drawing {
        width: format!("{:.0}", placed.width + 2.0 * MARGIN),
        height: format!("{:.0}", placed.height + 2.0 * MARGIN),
        edges: edges.collect(),
        nodes: nodes.collect(),
        class: if question.colour == Colour::Errors { "by-errors" } else { "by-size" },
        key: scale.key(),
    }
}

impl Scale<'_> {
    fn node(&self, graph: &Graph, at: usize, (x, y): (f64, f64)) -> Option<DrawnNode> {
        let (node, cell) = graph.nodes.get(at)?;
        let is_service = node.kind == NodeKind::Service;
        let name = if is_service { shown_service(&node.name) } else { node.name.clone() };
        let icon = icon(node.kind);
        let kind = if is_service { "" } else { node.kind.name() };
        let own = service_href(&node.name, self.question.times.pairs());
        let around = self.question.around(&node.name);
        let is_chosen = is_service && !node.name.is_empty() && node.name == self.question.service;
        Some(DrawnNode {
            x: format!("{:.1}", x + MARGIN),
            y: format!("{:.1}", y - SIZES.height / 2.0 + MARGIN),
            name: plain_text(&cut(&name, if icon.is_empty() { NAME.1 } else { NAME.0 })),
            numbers: self.short(cell),
            title: format!("{} {kind}: {}", plain_text(&format::shortened(&name, 200)), self.words(cell)),
            href: match (is_service, own.is_empty()) {
                (false, _) | (_, true) => String::new(),
                _ if self.question.service.is_empty() || is_chosen => own,
                _ => around,
            },
            icon,
            level: self.level(cell),
            is_chosen,
        })
    }

    fn edge(&self, graph: &Graph, edge: &Edge, points: &[(f64, f64)], own: (f64, f64)) -> DrawnEdge {
        let cell = as_seen(&edge.cell);
        let name = |at: usize| {
            let node = graph.nodes.get(at).map(|(node, _)| node.name.as_str()).unwrap_or_default();
            plain_text(&format::shortened(&shown_service(node), 80))
        };
        let share = if self.highest > 0.0 { rate(cell.count, self.seconds) / self.highest } else { 0.0 };
        DrawnEdge {
            path: if points.is_empty() { around(own) } else { path(points) },
            width: format!("{:.1}", 1.2 + 2.8 * share.sqrt()),
            title: format!("{} → {}: {}", name(edge.caller), name(edge.callee), self.words(&cell)),
            level: self.level(&cell),
        }
    }

    /// `12/s · 0.1 % · 220 ms`
    fn short(&self, cell: &Cell) -> String {
        let errors = error_rate(cell).map_or_else(|| "–".to_owned(), percent);
        let p95 = seconds_text(cell.durations.quantile(0.95));
        format!("{} · {errors} · {p95}", self.unit.short(rate(cell.count, self.seconds)))
    }

    fn words(&self, cell: &Cell) -> String {
        let errors = error_rate(cell).map_or_else(|| "–".to_owned(), percent);
        let quantile = |q| seconds_text(cell.durations.quantile(q));
        let rate = self.unit.text(rate(cell.count, self.seconds));
        format!("{rate}, {errors} failed, p50 {}, p95 {}", quantile(0.5), quantile(0.95))
    }

    /// From 0, which is nothing of note, to 4.
    fn level(&self, cell: &Cell) -> u8 {
        let reached = |steps: [f64; 4], value: f64| steps.iter().filter(|step| value > **step).count() as u8;
        match self.question.colour {
            Colour::Errors => error_rate(cell).map_or(0, |part| reached(ERRORS, part)),
            Colour::Latency => cell.durations.quantile(0.95).map_or(0, |nanos| reached(LATENCIES, nanos)),
            Colour::Rate => reached(self.rates(), rate(cell.count, self.seconds)),
        }
    }

    /// Quarters of the highest rate on a logarithmic scale.
    fn rates(&self) -> [f64; 4] {
        [1e-3, 1e-2, 0.1, 0.5].map(|part| part * self.highest)
    }

    fn key(&self) -> Vec<(u8, String)> {
        let texts: [String; 4] = match self.question.colour {
            Colour::Errors => ["some fail", "over 1 %", "over 5 %", "over 20 %"].map(str::to_owned),
            Colour::Latency => LATENCIES.map(|nanos| format!("p95 over {}", seconds_text(Some(nanos)))),
            Colour::Rate => self.rates().map(|rate| format!("over {}", self.unit.text(rate))),
        };
        let nothing = match self.question.colour {
            Colour::Errors => "none fails".to_owned(),
            Colour::Latency => "shorter".to_owned(),
            Colour::Rate => "rarer".to_owned(),
        };
        [nothing].into_iter().chain(texts).zip(0..).map(|(text, level)| (level, text)).collect()
    }
}

/// The first and the last characters of a name: names often differ at their end.
pub(crate) fn cut(name: &str, most: usize) -> String {
    let count = name.chars().count();
    if count <= most {
        return name.to_owned();
    }
    let first = name.chars().take(most - END - 1);
    first.chain(['…']).chain(name.chars().skip(count - END)).collect()
}

/// A line through points that bends between layers and runs straight through them.
pub(crate) fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().map(|(x, y)| (x + MARGIN, y + MARGIN)).enumerate() {
        let before = at.checked_sub(1).and_then(|before| points.get(before));
        _ = match before {
            None => write!(path, "M{x:.1} {y:.1}"),
            // Through a layer.
            Some((_, last)) if (last + MARGIN - y).abs() < 0.05 => write!(path, "H{x:.1}"),
            Some((last_x, last_y)) => {
                let (from_x, from_y) = (last_x + MARGIN, last_y + MARGIN);
                let middle = f64::midpoint(from_x, x);
                write!(path, "C{middle:.1} {from_y:.1} {middle:.1} {y:.1} {x:.1} {y:.1}")
            }
        };
    }
    path
}

/// A loop above the right end of a node.
fn around((x, y): (f64, f64)) -> String {
    let (right, top) = (x + SIZES.width - 14.0 + MARGIN, y - SIZES.height / 2.0 + MARGIN);
    format!("M{:.1} {top:.1}c0 -11 18 -11 18 -1", right - 18.0)
}
