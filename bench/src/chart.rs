//! Line charts as SVG, readable on light and dark pages.

use std::fmt::Write;

/// Lines over one axis of values.
#[derive(Debug)]
pub(crate) struct Panel {
    /// What is shown, with its unit.
    pub(crate) title: String,
    /// Whether the axis of values is logarithmic; otherwise it begins at zero.
    pub(crate) logarithmic: bool,
    /// The lines.
    pub(crate) series: Vec<Series>,
}

/// A line.
#[derive(Debug)]
pub(crate) struct Series {
    /// What it is.
    pub(crate) name: String,
    /// Its points, ascending.
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 640.0;
const HEIGHT: f64 = 170.0;
/// Between two panels: title, axis, air.
const GAP: f64 = 62.0;
/// Height of a line of text.
const LINE: f64 = 15.0;
const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #333 }
.title { font-size: 13px; font-weight: 600 }
.grid { stroke: #ddd; stroke-width: 1 }
polyline { fill: none; stroke-width: 2 }
.c0 { stroke: #1f6fb4; fill: #1f6fb4 } .c1 { stroke: #c2570c; fill: #c2570c } .c2 { stroke: #2f8f4e; fill: #2f8f4e }
.c3 { stroke: #b3261e; fill: #b3261e } .c4 { stroke: #7b4fb5; fill: #7b4fb5 } .c5 { stroke: #8a6d00; fill: #8a6d00 }
.c6 { stroke: #5f6b76; fill: #5f6b76 }
polyline.c0, polyline.c1, polyline.c2, polyline.c3, polyline.c4, polyline.c5, polyline.c6 { fill: none }
text.c0, text.c1, text.c2, text.c3, text.c4, text.c5, text.c6 { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #ccc } .grid { stroke: #444 }
  .c0 { stroke: #6db3f2; fill: #6db3f2 } .c1 { stroke: #f0a35e; fill: #f0a35e } .c2 { stroke: #74c98c; fill: #74c98c }
  .c3 { stroke: #f28b82; fill: #f28b82 } .c4 { stroke: #c3a1f0; fill: #c3a1f0 } .c5 { stroke: #d8bd5a; fill: #d8bd5a }
  .c6 { stroke: #a9b4be; fill: #a9b4be }
}
";
const COLOURS: usize = 7;

/// Panels below each other over one logarithmic axis.
#[must_use]
pub(crate) fn svg(across: &str, panels: &[Panel]) -> String {
    let height = (HEIGHT + GAP) * panels.len() as f64 + 10.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<style>{STYLE}</style>\n"
    );
    let points = || panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let Some(across_range) = Range::of(points().map(|point| point.0)) else { return out + "</svg>\n" };
    for (index, panel) in panels.iter().enumerate() {
        let top = (HEIGHT + GAP) * index as f64 + 30.0;
        panel.draw(&mut out, top, across_range, across);
    }
    out + "</svg>\n"
}

/// From the least to the most.
#[derive(Debug, Clone, Copy)]
struct Range {
    least: f64,
    most: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
        (least.is_finite() && least > 0.0).then_some(Self { least, most })
    }

    /// Where a value lies between the least (0) and the most (1).
    fn share(self, value: f64, logarithmic: bool) -> f64 {
        let (least, most, value) =
            if logarithmic { (self.least.ln(), self.most.ln(), value.ln()) } else { (self.least, self.most, value) };
        if most > least { (value - least) / (most - least) } else { 0.5 }
    }

    /// Round values inside.
    fn marks(self, logarithmic: bool) -> Vec<f64> {
        if logarithmic {
            let powers = (-3..12).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)));
            return powers.filter(|mark| (self.least * 0.999..=self.most * 1.001).contains(mark)).collect();
        }
        let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * 10_f64.powf(self.most.log10().floor() - 1.0));
        let step = step.into_iter().find(|step| self.most / step <= 6.0).unwrap_or(self.most / 4.0);
        (0..=6).map(|number| f64::from(number) * step).filter(|mark| *mark <= self.most).collect()
    }
}

impl Panel {
    fn draw(&self, out: &mut String, top: f64, across: Range, across_label: &str) {
        let values = self.series.iter().flat_map(|series| &series.points).map(|point| point.1);
        let Some(range) = Range::of(values) else { return };
        // Room above the highest line; below, a linear axis begins at zero.
        let range = if self.logarithmic {
            Range { least: range.least / 1.2, most: range.most * 1.2 }
        } else {
            Range { least: 0.0, most: range.most * 1.15 }
        };
        let bottom = top + HEIGHT;
        let x = |value: f64| LEFT + across.share(value, true) * (RIGHT - LEFT);
        let y = |value: f64| bottom - range.share(value, self.logarithmic) * HEIGHT;
        let _ = writeln!(out, "<text class=\"title\" x=\"8\" y=\"{:.1}\">{}</text>", top - 12.0, escape(&self.title));
        for mark in range.marks(self.logarithmic) {
            let at = y(mark);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            let _ = writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>", LEFT - 6.0, at + 4.0);
        }
        for mark in across.marks(true) {
            let at = x(mark);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/>");
            let (y, mark) = (bottom + 16.0, short(mark));
            let _ = writeln!(out, "<text x=\"{at:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{mark}</text>");
        }
        let _ =
            writeln!(out, "<text x=\"{}\" y=\"{:.1}\">{}</text>", RIGHT + 24.0, bottom + 16.0, escape(across_label));
        for (index, series) in self.series.iter().enumerate() {
            let points: Vec<String> =
                series.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
            let _ = writeln!(out, "<polyline class=\"c{}\" points=\"{}\"/>", index % COLOURS, points.join(" "));
        }
        self.draw_names(out, top, y);
    }

    /// The names at the ends of the lines, pushed apart where lines end close together.
    fn draw_names(&self, out: &mut String, top: f64, y: impl Fn(f64) -> f64) {
        let ends = self.series.iter().enumerate();
        let ends = ends.filter_map(|(index, series)| Some((index, series.points.last()?.1, series)));
        let mut ends: Vec<(usize, f64, &Series)> = ends.collect();
        ends.sort_by(|one, other| y(one.1).total_cmp(&y(other.1)));
        let mut free = top;
        for (index, value, series) in ends {
            let at = (y(value) + 4.0).max(free);
            free = at + LINE;
            let (class, name) = (index % COLOURS, escape(&series.name));
            let digits = if value < 100.0 { 2 } else { 0 };
            let _ = writeln!(
                out,
                "<text class=\"c{class}\" x=\"{}\" y=\"{at:.1}\">{name}: {value:.digits$}</text>",
                RIGHT + 12.0
            );
        }
    }
}

/// 2,000,000 as `2 M`.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(logarithmic: bool) -> Panel {
        let line = |name: &str, factor: f64| Series {
            name: name.to_owned(),
            points: vec![(1e6, factor), (1e7, factor * 1.1), (5e7, factor * 1.2)],
        };
        Panel {
            title: "a & b".to_owned(),
            logarithmic,
            series: vec![line("one", 1.0), line("two", 1.01), line("<3", 9.0)],
        }
    }

    #[test]
    fn a_chart_names_its_axes_and_lines() {
        let svg = svg("spans", &[panel(false), panel(true)]);
        for expected in
            ["a &amp; b", ">1 M<", ">50 M<", ">spans<", "one: 1.20", "&lt;3: 10.80", "prefers-color-scheme: dark"]
        {
            assert!(svg.contains(expected), "{expected:?} is not in\n{svg}");
        }
        assert_eq!(svg.matches("<polyline").count(), 6);
    }

    #[test]
    fn names_of_lines_that_end_together_do_not_meet() {
        let mut out = String::new();
        panel(false).draw_names(&mut out, 0.0, |value| value);
        let places = out.split(" y=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok());
        let places: Vec<f64> = places.collect();
        assert!(places.len() == 3 && places.windows(2).all(|pair| pair[1] - pair[0] >= LINE - 0.2), "{places:?}");
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(Range { least: 1e6, most: 5e7 }.marks(true), [1e6, 2e6, 5e6, 1e7, 2e7, 5e7]);
        assert_eq!(Range { least: 0.0, most: 48.0 }.marks(false), [0.0, 10.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn a_chart_of_nothing_is_empty_but_whole() {
        assert!(svg("spans", &[]).ends_with("</svg>\n"));
    }
}
