//! Traces by start and duration, as points.

use std::collections::HashMap;

use hoptrail_proto::model::TraceId;
use hoptrail_query::{Steps, TraceHit};
use jiff::tz::TimeZone;

use super::entry::Entry;
use super::results::{title, totals};
use crate::filters::plain_text;
use crate::format;
use crate::plot::Columns;

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// A minute, an hour, a day and a hundred days, in seconds.
const LONG: [u64; 4] = [60, 3_600, 86_400, 8_640_000];

/// The plot.
#[derive(Debug, PartialEq)]
pub(crate) struct Scatter {
    pub(crate) points: Vec<Point>,
    pub(crate) times: Vec<Tick>,
    pub(crate) durations: Vec<Tick>,
    pub(crate) zone: String,
}

/// A trace. Positions are percent from the left and the top.
#[derive(Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: String,
    pub(crate) y: String,
    /// Radius in pixels, larger for more spans.
    pub(crate) radius: u32,
    pub(crate) error: bool,
    pub(crate) href: String,
    pub(crate) title: String,
}

/// A line of the grid with its label.
#[derive(Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: String,
    pub(crate) label: String,
}

/// Durations on a logarithmic axis: they differ by orders of magnitude, and the slow ones are the interesting ones.
struct Axis {
    least: f64,
    most: f64,
}

impl Axis {
    fn of(durations: impl Iterator<Item = u64> + Clone) -> Self {
        let (least, most) = (log(durations.clone().min().unwrap_or(1)), log(durations.max().unwrap_or(1)));
        // A third of a decade above and below keeps points off the edges and single points in the middle.
        Self { least: (least - 0.33).max(0.0), most: most + 0.33 }
    }

    /// Percent from the top.
    fn position(&self, nanos: u64) -> f64 {
        100.0 - 100.0 * (log(nanos) - self.least) / (self.most - self.least)
    }

    /// Round durations: every power of ten, with few of them also twice and five times these, with many every other one.
    fn ticks(&self) -> Vec<Tick> {
        let decades = self.most - self.least;
        let factors: &[u64] = if decades < 2.0 { &[1, 2, 5] } else { &[1] };
        let small =
            (0..11).map(|power| 10_u64.pow(power)).flat_map(|unit| factors.iter().map(move |factor| factor * unit));
        let large = LONG.iter().flat_map(|unit| [unit * SECOND, 10 * unit * SECOND]);
        let values: Vec<u64> = small.filter(|value| *value < 60 * SECOND).chain(large).collect();
        let inside = values.into_iter().filter(|value| (self.least..=self.most).contains(&(*value as f64).log10()));
        let tick = |value: u64| Tick { at: format!("{:.2}", self.position(value)), label: format::duration(value) };
        inside.step_by(if decades > 4.5 { 2 } else { 1 }).map(tick).collect()
    }
}

/// The logarithm of a duration. Nothing is shorter than a nanosecond on the axis.
fn log(nanos: u64) -> f64 {
    (nanos.max(1) as f64).log10()
}

/// The plot of these traces; `None` when there are too few to compare. A trace that started before `earliest`, the start of the
/// search's time range, stands at the left edge, so that one span with a wrong clock does not squeeze all others together.
pub(super) fn plot(
    hits: &[TraceHit],
    entries: &HashMap<TraceId, Entry>,
    earliest: u64,
    zone: &TimeZone,
) -> Option<Scatter> {
    if hits.len() < 2 {
        return None;
    }
    let starts = || hits.iter().map(|hit| hit.start_unix_nano.max(earliest));
    let (first, last) = (starts().min()?, starts().max()?);
    let axis = Axis::of(hits.iter().map(|hit| hit.duration_nanos));
    let range = (last - first).max(1);
    let x = |start: u64| 3.0 + 94.0 * (start - first) as f64 / range as f64;
    let points = hits
        .iter()
        .map(|hit| point(hit, entries, x(hit.start_unix_nano.max(earliest)), axis.position(hit.duration_nanos)));
    let mut points: Vec<Point> = points.collect();
    points.sort_by_key(|point| point.error);
    Some(Scatter {
        points,
        times: times(first, range, zone),
        durations: axis.ticks(),
        zone: format::zone_between(first, last, zone),
    })
}

/// Round times. Where all starts are as good as one, that one.
fn times(first: u64, range: u64, zone: &TimeZone) -> Vec<Tick> {
    if range < MILLISECOND {
        return vec![Tick { at: "50.00".to_owned(), label: format::time_of_day(first, zone) }];
    }
    let ticks = Columns(Steps { start: first, step: range, count: 1 }).ticks(zone);
    ticks.into_iter().map(|tick| Tick { at: format!("{:.2}", 3.0 + 0.94 * tick.at), label: tick.label }).collect()
}

fn point(hit: &TraceHit, entries: &HashMap<TraceId, Entry>, x: f64, y: f64) -> Point {
    let (spans, errors) = totals(hit);
    let name = title(hit, entries).name;
    let name = if name.is_empty() && hit.root.is_none() { "root not received" } else { &name };
    let errors_text = if errors > 0 { format!(", {errors} errors") } else { String::new() };
    Point {
        x: format!("{x:.2}"),
        y: format!("{y:.2}"),
        radius: 4 + (spans.max(1).ilog10() * 2).min(8),
        error: errors > 0,
        href: format!("/trace/{}", hit.trace_id),
        title: format!(
            "{}: {}, {}{errors_text}",
            plain_text(&format::shortened(name, 60)),
            format::duration(hit.duration_nanos),
            format::counted(usize::try_from(spans).unwrap_or_default(), "span", "spans"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::TraceId;

    use super::*;

    fn hit(start: u64, duration: u64) -> TraceHit {
        TraceHit {
            trace_id: TraceId([1; 16]),
            root: None,
            start_unix_nano: start,
            duration_nanos: duration,
            services: vec![],
            sets: vec![],
        }
    }

    #[test]
    fn points_lie_inside_and_in_order() {
        let hits = [hit(1_000, 5), hit(2_000, 50_000), hit(3_000, 0), hit(1_500, u64::MAX)];
        let plot = plot(&hits, &HashMap::new(), 0, &TimeZone::UTC).expect("plot");
        let number = |text: &str| text.parse::<f64>().expect("number");
        let positions: Vec<(f64, f64)> = plot.points.iter().map(|point| (number(&point.x), number(&point.y))).collect();
        assert!(positions.iter().all(|(x, y)| (0.0..=100.0).contains(x) && (0.0..=100.0).contains(y)), "{positions:?}");
        assert!(positions[0].0 < positions[1].0 && positions[1].1 < positions[0].1, "later is right, longer is higher");
        assert!(plot.durations.iter().all(|tick| (0.0..=100.0).contains(&number(&tick.at))));
        assert_eq!(plot.times.len(), 1);
    }

    #[test]
    fn a_single_trace_is_no_plot_and_equal_ones_are_one() {
        assert_eq!(plot(&[hit(1, 1)], &HashMap::new(), 0, &TimeZone::UTC), None);
        assert!(
            plot(&[hit(7, 9), hit(7, 9)], &HashMap::new(), 0, &TimeZone::UTC)
                .is_some_and(|plot| !plot.durations.is_empty())
        );
    }

    #[test]
    fn no_time_stands_twice_on_the_axis() {
        for length in [MILLISECOND, 30 * MILLISECOND, SECOND, 3 * SECOND, 7 * SECOND, 4_000 * SECOND, 900_000 * SECOND]
        {
            let start = 1_760_000_000_123_456_789;
            let plot =
                plot(&[hit(start, 1), hit(start + length, 1)], &HashMap::new(), 0, &TimeZone::UTC).expect("plot");
            let mut labels: Vec<&str> = plot.times.iter().map(|tick| tick.label.as_str()).collect();
            let count = labels.len();
            labels.dedup();
            assert!(count > 1 && labels.len() == count, "{length}: {labels:?}");
        }
    }

    #[test]
    fn a_wrong_clock_does_not_squeeze_the_others() {
        let hits = [hit(10, 5), hit(5_000, 5), hit(5_100, 5)];
        let plot = plot(&hits, &HashMap::new(), 4_900, &TimeZone::UTC).expect("plot");
        let positions: Vec<&str> = plot.points.iter().map(|point| point.x.as_str()).collect();
        assert_eq!(positions, ["3.00", "50.00", "97.00"]);
    }
}
