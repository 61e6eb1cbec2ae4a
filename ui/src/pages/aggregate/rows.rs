//! Steps of the call path as rows.

use hoptrail_query::why::{CallPath, CallPaths, PathNumbers, condition};
use hoptrail_query::{Field, Intrinsic, Value};

use super::MOST;
use crate::colour::Palette;
use crate::format;
use crate::pages::asked::Asked;
use crate::pages::search::shown_service;

/// Levels that are drawn apart.
const DEEPEST: usize = 20;

/// A step.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) depth: usize,
    pub(super) colour: usize,
    pub(super) service: String,
    pub(super) name: String,
    pub(super) href: String,
    /// One or two.
    pub(super) sides: Vec<Side>,
}

/// Its numbers on a side; empty where no trace has it.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) is_there: bool,
    /// `92 %` of the traces.
    pub(super) share: String,
    /// `×3.2`; empty when each trace has it once.
    pub(super) times: String,
    pub(super) median: String,
    pub(super) slow: String,
    pub(super) errors: String,
    pub(super) has_errors: bool,
    pub(super) critical: String,
    /// Of the bars, percent: where it begins, its median, and what 95 of 100 do not exceed.
    pub(super) x: String,
    pub(super) width: String,
    pub(super) ghost: String,
}

/// The rows of what most traces have, and the time that the drawing is long.
pub(super) fn rows(found: &CallPaths, asked: &Asked) -> (Vec<Row>, u64) {
    let shown = most_frequent(&found.paths);
    let numbers =
        || shown.iter().filter_map(|index| found.paths.get(*index)).flat_map(|path| path.sides.iter().flatten());
    let end = |own: &PathNumbers| own.start[0].saturating_add(own.duration[1]);
    let scale = numbers().map(end).max().unwrap_or_default();
    let palette = Palette::of(found.paths.iter().map(|path| path.service.as_str()));
    let count = if asked.question.others.is_empty() { 1 } else { 2 };
    let totals = [found.traces.selected, found.traces.others];
    let mut depths: Vec<usize> = Vec::with_capacity(found.paths.len());
    for path in &found.paths {
        depths.push(path.parent.and_then(|parent| depths.get(parent)).map_or(0, |above| above + 1));
    }
    let row = |index: usize| {
        let path = found.paths.get(index)?;
        let side = |side: usize| {
            path.sides[side]
                .map_or_else(Side::default, |own| shown_side(&own, totals[side], found.critical[side], scale))
        };
        Some(Row {
            depth: depths.get(index).copied().unwrap_or_default().min(DEEPEST),
            colour: palette.colour(&path.service),
            service: format::shortened(&shown_service(&path.service), 80),
            name: format::shortened(&path.name, 160),
            href: query(path).map(|query| asked.search(&query)).unwrap_or_default(),
            sides: (0..count).map(side).collect(),
        })
    };
    (shown.iter().filter_map(|index| row(*index)).collect(), scale)
}

/// The steps that most traces have, in their order. No step is in more traces than the one above it, so none loses what it hangs on.
fn most_frequent(paths: &[CallPath]) -> Vec<usize> {
    let traces = |path: &CallPath| path.sides.iter().flatten().map(|own| own.traces).sum::<u64>();
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(paths.get(*index).map_or(0, traces)));
    order.truncate(MOST);
    order.sort_unstable();
    order
}

fn shown_side(own: &PathNumbers, traces: u64, critical: u64, scale: u64) -> Side {
    let percent = |nanos: u64| if scale == 0 { 0.0 } else { (100.0 * nanos as f64 / scale as f64).min(100.0) };
    let times = own.spans as f64 / own.traces.max(1) as f64;
    let x = percent(own.start[0]);
    let width = |nanos: u64| format!("{:.2}", (percent(own.start[0].saturating_add(nanos)) - x).max(0.3));
    Side {
        is_there: true,
        share: format::percent(own.traces, traces),
        times: if own.spans == own.traces { String::new() } else { format!("×{times:.1}") },
        median: format::duration(own.duration[0]),
        slow: format::duration(own.duration[1]),
        errors: if own.errors == 0 { String::new() } else { format::percent(own.errors, own.spans) },
        has_errors: own.errors > 0,
        critical: if own.critical == 0 { String::new() } else { format::percent(own.critical, critical) },
        x: format!("{x:.2}"),
        width: width(own.duration[0]),
        ghost: width(own.duration[1]),
    }
}

/// A search for the spans of a step.
fn query(path: &CallPath) -> Option<String> {
    let service = condition(&Field::service(), &Value::string(path.service.as_str()))?;
    let name = condition(&Field::Intrinsic(Intrinsic::Name), &Value::string(path.name.as_str()))?;
    Some(format!("{{ {service} && {name} }}"))
}
