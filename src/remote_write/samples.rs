//! The series of a snapshot as remote write has them, whatever its version.

use hoptrail_query::prom::export::{Exemplar, Exported, Snapshot};
use hoptrail_query::prom::{FAMILIES, Family, Labels, Native, Numbers, Sample, bounds, le, seconds};

use super::config::Histograms;

/// One series with what is written of it now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written<'s> {
    pub(super) family: &'static Family,
    pub(super) labels: Labels,
    pub(super) value: Value,
    /// What it had one interval earlier, when it was not written then: 0 when it is new. Without it, what came before the first
    /// sample would be in no rate.
    pub(super) before: Option<Value>,
    pub(super) exemplars: Vec<&'s Exemplar>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Native(Native, f64),
}

/// All series of a snapshot.
pub(super) fn written(snapshot: &Snapshot, histograms: Histograms) -> impl Iterator<Item = Written<'_>> {
    snapshot.series.iter().flat_map(move |series| {
        let families = FAMILIES.iter().filter(|family| family.table == series.table);
        families.flat_map(move |family| of_family(family, series, histograms))
    })
}

fn of_family<'s>(family: &'static Family, series: &'s Exported, histograms: Histograms) -> Vec<Written<'s>> {
    if !family.is_histogram() {
        return vec![made(family, series, family.name.to_owned(), |numbers| number(family, Sample::Total, numbers))];
    }
    if family.durations(&series.numbers()).count_all() == 0 {
        return Vec::new();
    }
    let mut all = Vec::new();
    if histograms.has_native() {
        let exemplars = series.exemplars.iter().collect();
        let one = made(family, series, family.name.to_owned(), |numbers| native(family, numbers));
        all.push(Written { exemplars, ..one });
    }
    if histograms.has_classic() {
        all.extend(classic(family, series));
    }
    all
}

fn classic<'s>(family: &'static Family, series: &'s Exported) -> Vec<Written<'s>> {
    let of = |part: &str, sample| {
        made(family, series, format!("{}_{part}", family.name), |numbers| number(family, sample, numbers))
    };
    let mut above = 0.0;
    let mut all: Vec<Written<'_>> = bounds()
        .map(Some)
        .chain([None])
        .map(|bound| {
            let mut one = of("bucket", Sample::Bucket(bound));
            one.labels.set("le", le(bound));
            let end = bound.map_or(f64::INFINITY, hoptrail_storage::Bucket::longest_seconds);
            let within = |exemplar: &&Exemplar| exemplar.seconds > above && exemplar.seconds <= end;
            one.exemplars = series.exemplars.iter().filter(within).collect();
            above = end;
            one
        })
        .collect();
    all.extend([of("sum", Sample::Sum), of("count", Sample::Count)]);
    all
}

fn made<'s>(
    family: &'static Family,
    series: &'s Exported,
    name: String,
    value: impl Fn(&Numbers<'_>) -> Value,
) -> Written<'s> {
    Written {
        family,
        labels: series.labels.clone().with("__name__", name),
        value: value(&series.numbers()),
        before: series.before.as_ref().map(|before| value(&Exported::numbers_of(before))),
        exemplars: Vec::new(),
    }
}

fn number(family: &Family, sample: Sample, numbers: &Numbers<'_>) -> Value {
    Value::Number(family.value(sample, numbers))
}

/// The store never answers a negative count.
fn native(family: &Family, numbers: &Numbers<'_>) -> Value {
    let durations = family.durations(numbers);
    Value::Native(Native::of(durations).unwrap_or_default(), seconds(durations))
}

/// Milliseconds, as remote write has times.
pub(super) fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}
