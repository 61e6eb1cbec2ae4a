//! The flame graph: spans that were reached the same way as one box, as wide as the work below it. Boxes are self time, so what ran side
//! by side is added.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use askama::Template;
use hoptrail_query::assemble::TraceTree;

use super::super::head::Head;
use super::super::tools::fields;
use super::changed;
use crate::chrome::Chrome;
use crate::colour::Palette;
use crate::filters::{self, plain_text};
use crate::format;
use crate::pages::search::shown_service;
use crate::url::Params;
use crate::waterfall::{Tab, View};

/// Levels that are drawn below the box at the top, and those above it.
const LEVELS: usize = 40;
const ABOVE: usize = 6;
/// Boxes narrower than this part are not drawn.
const NARROW: f64 = 0.001;
/// Most boxes, the upper ones first.
const MOST: usize = 1_200;
/// Height of a level.
const HEIGHT: usize = 22;

/// The page.
#[derive(Debug, Template)]
#[template(path = "trace_flame.html")]
pub(in super::super) struct FlamePage {
    chrome: Chrome,
    head: Head,
    boxes: Vec<FlameBox>,
    height: usize,
    /// Shows all again, when only a part is shown.
    whole: String,
    left_out: usize,
    heaviest: Vec<Heavy>,
}

/// A box; numbers are percent of the width.
#[derive(Debug)]
struct FlameBox {
    x: String,
    y: usize,
    width: String,
    colour: usize,
    text: String,
    title: String,
    href: String,
    above: bool,
}

/// A way on which much time is spent.
#[derive(Debug)]
struct Heavy {
    service: String,
    colour: usize,
    name: String,
    own: String,
    share: String,
    href: String,
}

/// Spans that were reached the same way.
#[derive(Debug)]
struct Frame<'t> {
    parent: Option<usize>,
    children: Vec<usize>,
    service: &'t str,
    name: &'t str,
    spans: usize,
    own: u64,
    /// With everything below.
    all: u64,
    /// Names the way.
    hash: u64,
}

/// Frames before their children.
fn frames<'t>(tree: &TraceTree<'t>) -> Vec<Frame<'t>> {
    let mut frames: Vec<Frame<'t>> = Vec::new();
    let mut known: HashMap<(Option<usize>, &'t str, &'t str), usize> = HashMap::new();
    let mut frame_of: Vec<Option<usize>> = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        let parent = node.parent.and_then(|parent| frame_of[parent]);
        let Some(span) = node.span() else {
            frame_of.push(parent);
            continue;
        };
        let (service, name) = (span.resource.service_name(), span.span.name.as_str());
        let at = *known.entry((parent, service, name)).or_insert_with(|| {
            let mut hasher = DefaultHasher::new();
            (parent.map(|parent| frames[parent].hash), service, name).hash(&mut hasher);
            frames.push(Frame {
                parent,
                children: vec![],
                service,
                name,
                spans: 0,
                own: 0,
                all: 0,
                hash: hasher.finish(),
            });
            frames.len() - 1
        });
        frames[at].spans += 1;
        frames[at].own = frames[at].own.saturating_add(node.self_nanos);
        frame_of.push(Some(at));
    }
    for at in (0..frames.len()).rev() {
        frames[at].all = frames[at].all.saturating_add(frames[at].own);
        if let Some(parent) = frames[at].parent {
            let all = frames[at].all;
            frames[parent].all = frames[parent].all.saturating_add(all);
            frames[parent].children.push(at);
        }
    }
    for at in 0..frames.len() {
        let mut children = std::mem::take(&mut frames[at].children);
        children.sort_by_key(|&child| (std::cmp::Reverse(frames[child].all), frames[child].name));
        frames[at].children = children;
    }
    frames
}

pub(in super::super) fn page(
    tree: &TraceTree<'_>,
    view: &View,
    params: &Params,
    head: Head,
) -> Result<FlamePage, String> {
    let asked = match params.text("frame") {
        "" => None,
        text => Some(
            u64::from_str_radix(text, 16)
                .map_err(|_| format!("frame {:?} is no name of a box", format::shortened(text, 60)))?,
        ),
    };
    let frames = frames(tree);
    let top = asked.and_then(|hash| frames.iter().position(|frame| frame.hash == hash));
    let palette = Palette::of(tree.summary.services.iter().map(|service| service.name.as_str()));
    let kept = fields(view, &[]);
    let id = head.id.clone();
    let drawing = Drawing { frames: &frames, palette: &palette, kept: &kept, id: &id };
    let (boxes, left_out, levels) = drawing.boxes(top);
    Ok(FlamePage {
        chrome: Chrome::new(),
        height: levels * HEIGHT,
        whole: if top.is_some() { changed(&id, &kept, &[]) } else { String::new() },
        heaviest: drawing.heaviest(view),
        boxes,
        left_out,
        head,
    })
}

struct Drawing<'d> {
    frames: &'d [Frame<'d>],
    palette: &'d Palette,
    kept: &'d [(&'static str, String)],
    id: &'d str,
}

impl Drawing<'_> {
    /// The boxes from `top` down, how many were too narrow or too deep, and the number of levels.
    fn boxes(&self, top: Option<usize>) -> (Vec<FlameBox>, usize, usize) {
        let mut above: Vec<usize> =
            std::iter::successors(top.and_then(|top| self.frames[top].parent), |&at| self.frames[at].parent)
                .take(ABOVE)
                .collect();
        above.reverse();
        let mut boxes: Vec<FlameBox> =
            above.iter().enumerate().map(|(level, &at)| self.drawn(at, level, 0.0, 1.0, true)).collect();
        let first: Vec<usize> = match top {
            Some(top) => vec![top],
            None => (0..self.frames.len()).filter(|&at| self.frames[at].parent.is_none()).collect(),
        };
        let whole = first.iter().map(|&at| self.frames[at].all).fold(0, u64::saturating_add).max(1) as f64;
        let (mut left_out, mut deepest) = (0, above.len());
        // Level by level, so that of very many the upper ones are drawn.
        let mut row: Vec<(usize, f64)> = Vec::new();
        let mut x = 0.0;
        for at in first {
            row.push((at, x));
            x += self.frames[at].all as f64 / whole;
        }
        let mut level = above.len();
        while !row.is_empty() {
            let mut below = Vec::new();
            for (at, x) in row {
                let frame = &self.frames[at];
                let width = frame.all as f64 / whole;
                if width < NARROW || level - above.len() >= LEVELS || boxes.len() >= MOST {
                    left_out += 1;
                    continue;
                }
                boxes.push(self.drawn(at, level, x, width, false));
                let mut child_x = x;
                for &child in &frame.children {
                    below.push((child, child_x));
                    child_x += self.frames[child].all as f64 / whole;
                }
                deepest = level + 1;
            }
            row = below;
            level += 1;
        }
        (boxes, left_out, deepest.max(1))
    }

    fn drawn(&self, at: usize, level: usize, x: f64, width: f64, above: bool) -> FlameBox {
        let frame = &self.frames[at];
        let (service, name) = self.names(frame);
        let spans = format::counted(frame.spans, "span", "spans");
        FlameBox {
            x: format!("{:.3}", x * 100.0),
            y: level * HEIGHT,
            width: format!("{:.3}", width * 100.0),
            colour: self.palette.colour(frame.service),
            text: plain_text(&name),
            title: format!(
                "{} {}: {spans}, {} of work, {} of it its own",
                plain_text(&service),
                plain_text(&name),
                format::duration(frame.all),
                format::duration(frame.own)
            ),
            href: changed(self.id, self.kept, &[("frame", format!("{:x}", frame.hash).as_str())]),
            above,
        }
    }

    fn names(&self, frame: &Frame<'_>) -> (String, String) {
        let name = if frame.name.is_empty() { "(no name)" } else { frame.name };
        (format::shortened(&shown_service(frame.service), 80), format::shortened(name, 120))
    }

    /// Names by their own time, wherever they were reached.
    fn heaviest(&self, view: &View) -> Vec<Heavy> {
        const SHOWN: usize = 12;
        let mut sums: HashMap<(&str, &str), u64> = HashMap::new();
        for frame in self.frames {
            let sum = sums.entry((frame.service, frame.name)).or_default();
            *sum = sum.saturating_add(frame.own);
        }
        let all: u64 = sums.values().fold(0, |sum, own| sum.saturating_add(*own));
        let mut sorted: Vec<_> = sums.into_iter().collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let heavy = |((service, name), own): ((&str, &str), u64)| Heavy {
            service: format::shortened(&shown_service(service), 80),
            colour: self.palette.colour(service),
            name: format::shortened(if name.is_empty() { "(no name)" } else { name }, 120),
            own: format::duration(own),
            share: format::percent(own, all),
            href: View { tab: Tab::Spans, find: format::shortened(&format!("{service} {name}"), 300), ..view.clone() }
                .href(self.id, ""),
        };
        sorted.into_iter().take(SHOWN).map(heavy).collect()
    }
}
