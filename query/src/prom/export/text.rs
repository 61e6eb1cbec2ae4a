//! A snapshot as OpenMetrics text.

use std::fmt::{self, Write};

use super::{Exemplar, Exported, Snapshot};
use crate::prom::family::{FAMILIES, Family, Sample, bounds, le};
use crate::prom::labels::{LE, Labels};

/// The type of the text.
pub(super) const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole text.
pub(super) fn write(snapshot: &Snapshot) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for family in &FAMILIES {
        let kind = if family.is_histogram() { "histogram" } else { "counter" };
        let name = family.name.trim_end_matches("_total");
        writeln!(out, "# HELP {name} {}.\n# TYPE {name} {kind}", family.help)?;
        for series in snapshot.series.iter().filter(|series| series.table == family.table) {
            if family.is_histogram() {
                histogram(&mut out, family, series)?
            } else {
                counter(&mut out, family, series)?
            }
        }
    }
    out.push_str("# EOF\n");
    Ok(out)
}

fn counter(out: &mut String, family: &Family, series: &Exported) -> fmt::Result {
    let number = family.value(Sample::Total, &series.numbers());
    line(out, family.name, &series.labels, number)?;
    ending(out, series.exemplars.first())
}

fn histogram(out: &mut String, family: &Family, series: &Exported) -> fmt::Result {
    let numbers = series.numbers();
    if family.durations(&numbers).count_all() == 0 {
        return Ok(());
    }
    let mut above = 0.0;
    let bucket = format!("{}_bucket", family.name);
    for bound in bounds().map(Some).chain([None]) {
        let labels = series.labels.clone().with(LE, le(bound));
        line(out, &bucket, &labels, family.value(Sample::Bucket(bound), &numbers))?;
        let end = bound.map_or(f64::INFINITY, |bound| bound.longest_seconds());
        let is_within = |exemplar: &&Exemplar| exemplar.seconds > above && exemplar.seconds <= end;
        ending(out, series.exemplars.iter().find(is_within))?;
        above = end;
    }
    for (part, sample) in [("sum", Sample::Sum), ("count", Sample::Count)] {
        line(out, &format!("{}_{part}", family.name), &series.labels, family.value(sample, &numbers))?;
        out.push('\n');
    }
    Ok(())
}

fn line(out: &mut String, name: &str, labels: &Labels, number: f64) -> fmt::Result {
    out.push_str(name);
    for (at, (name, value)) in labels.iter().enumerate() {
        write!(out, "{}{name}=\"", if at == 0 { '{' } else { ',' })?;
        escape(out, value);
        out.push('"');
    }
    let end = if labels.iter().next().is_some() { "}" } else { "" };
    write!(out, "{end} {number}")
}

fn escape(out: &mut String, value: &str) {
    for sign in value.chars() {
        match sign {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            sign => out.push(sign),
        }
    }
}

/// The exemplar of a line and its end.
fn ending(out: &mut String, exemplar: Option<&Exemplar>) -> fmt::Result {
    if let Some(Exemplar { trace_id, span_id, seconds, time }) = exemplar {
        let millis = time / 1_000_000;
        let (second, milli) = (millis / 1000, millis % 1000);
        write!(out, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} {seconds} {second}.{milli:03}")?;
    }
    out.push('\n');
    Ok(())
}
