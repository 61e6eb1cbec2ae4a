//! Reads the series that a selector chooses.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hoptrail_proto::model::TenantId;
use hoptrail_storage::{
    MINUTE, QueryContext, ReadError, RollupRequest, RollupSeries, RollupSteps, RollupTable, Rollups, TimeRange,
    TraceReader,
};
use promql_parser::label::{MatchOp, Matcher};

use super::counter::{Counter, Grid, PRESENT, Times};
use super::family::{FAMILIES, Family, Number, Numbers, Sample, all_names, is_known, labels_of, sample_labels};
use super::labels::{LE, Labels, NAME};
use super::plan::{Selector, Window};

/// Most numbers that a selector may have, of all its series and times.
const MOST_NUMBERS: usize = 5_000_000;
/// Bytes of a number with its mark, and about those of the labels of a series.
const NUMBER_BYTES: usize = 16;
const LABELS_BYTES: usize = 500;

/// A series of numbers, one for each time; `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) values: Vec<Option<f64>>,
}

/// Asks the store for one query. What was read stays, as one query often asks twice.
pub(super) struct Reading<'r> {
    pub(super) reader: &'r dyn TraceReader,
    pub(super) tenant: &'r TenantId,
    pub(super) context: &'r QueryContext,
    pub(super) times: Times,
    pub(super) dimensions: &'r [String],
    pub(super) warnings: Vec<String>,
    known: Vec<(RollupRequest, Rc<Rollups>)>,
}

/// Those samples of a family whose names a selector takes.
struct Chosen {
    family: &'static Family,
    name: String,
    samples: Vec<Sample>,
}

/// What was read for one set of labels: in the steps, and of what was before them, with its sign.
type OfKey<'r> = (Vec<&'r RollupSeries>, Vec<(f64, &'r RollupSeries)>);

impl<'r> Reading<'r> {
    pub(super) fn new(
        reader: &'r dyn TraceReader,
        tenant: &'r TenantId,
        context: &'r QueryContext,
        (times, dimensions): (Times, &'r [String]),
    ) -> Self {
        Self { reader, tenant, context, times, dimensions, warnings: Vec::new(), known: Vec::new() }
    }

    /// The counters themselves; they count from the beginning.
    pub(super) fn counters(&mut self, selector: &Selector) -> Result<Vec<Series>, ReadError> {
        self.series(selector, 0, true, |counter, grid, time| counter.at(grid, time))
    }

    /// A number of each window of a length.
    pub(super) fn windows(
        &mut self,
        selector: &Selector,
        window: Window,
        length: u64,
    ) -> Result<Vec<Series>, ReadError> {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let over = |counter: &Counter, grid: &Grid, time: u64, length: u64| {
            counter.at(grid, time) - counter.at(grid, time.saturating_sub(length))
        };
        let last = length.min(MINUTE);
        let series = self.series(selector, length, false, |counter, grid, time| match window {
            Window::Increase => over(counter, grid, time, length),
            Window::Rate => over(counter, grid, time, length) / seconds(length),
            Window::LastRate => over(counter, grid, time, last) / seconds(last),
        })?;
        let unnamed = |series: Series| Series { labels: series.labels.without(NAME), ..series };
        Ok(series.into_iter().map(unnamed).collect())
    }

    fn series(
        &mut self,
        selector: &Selector,
        window: u64,
        from_the_beginning: bool,
        number: impl Fn(&Counter, &Grid, u64) -> f64,
    ) -> Result<Vec<Series>, ReadError> {
        let steps = self.times.steps(window, selector.offset);
        let mut found = Vec::new();
        for chosen in self.chosen(selector) {
            let service = service(&selector.matchers);
            let table = table(chosen.family, selector);
            let read = self.rollups(table, steps, service.as_ref())?;
            let grid = Grid::new(steps, read.resolution, self.times.now);
            self.note_coarse(&grid, read.resolution);
            let mut before = Vec::new();
            for (sign, steps) in beginning(steps).into_iter().filter(|_| from_the_beginning) {
                before.push((sign, self.rollups(table, steps, service.as_ref())?));
            }
            let counters = self.counters_of(&chosen, selector, &grid, &read.series, &before)?;
            self.reserve(found.len() + counters.len())?;
            for (labels, (counter, spans)) in counters {
                let value = |time: u64| {
                    let time = time.saturating_add_signed(-selector.offset);
                    let since = time.saturating_sub(window.max(PRESENT));
                    let is_there = spans.at(&grid, time) > spans.at(&grid, since);
                    is_there.then(|| number(&counter, &grid, time))
                };
                let values: Vec<Option<f64>> = self.times.iter().map(value).collect();
                if values.iter().any(Option::is_some) {
                    found.push(Series { labels, values });
                }
                self.context.check()?;
            }
        }
        Ok(found)
    }

    /// The names that a selector chooses. Names that nobody has are said.
    fn chosen(&mut self, selector: &Selector) -> Vec<Chosen> {
        let named: Vec<&Matcher> = selector.matchers.iter().filter(|matcher| matcher.name == NAME).collect();
        for matcher in &named {
            if matcher.op == MatchOp::Equal && !is_known(&matcher.value) {
                let names = all_names();
                self.warnings.push(format!("there is no metric {} here; there are {names}", matcher.value));
            }
        }
        let is_named = |name: &str| named.iter().all(|matcher| matcher.is_match(name));
        let of_family = |family: &'static Family| {
            let names = family.names().into_iter().filter(|(name, _)| is_named(name));
            names.map(move |(name, samples)| Chosen { family, name, samples }).collect::<Vec<_>>()
        };
        FAMILIES.iter().flat_map(of_family).collect()
    }

    /// The counters of the chosen samples by labels, each with that of its spans. Keys that differ in no label are one series.
    fn counters_of(
        &self,
        chosen: &Chosen,
        selector: &Selector,
        grid: &Grid,
        read: &[RollupSeries],
        before: &[(f64, Rc<Rollups>)],
    ) -> Result<BTreeMap<Labels, (Counter, Counter)>, ReadError> {
        let is_chosen = |labels: &Labels, matcher: &Matcher| matcher.is_match(labels.get(&matcher.name));
        let (of_sample, of_key): (Vec<&Matcher>, Vec<&Matcher>) =
            selector.matchers.iter().filter(|matcher| matcher.name != NAME).partition(|matcher| matcher.name == LE);
        let mut by_key: BTreeMap<Labels, OfKey<'_>> = BTreeMap::new();
        for series in read {
            let Some(labels) = labels_of(&series.key, self.dimensions) else { continue };
            if of_key.iter().all(|matcher| is_chosen(&labels, matcher)) {
                by_key.entry(labels).or_default().0.push(series);
            }
        }
        for (sign, series) in before.iter().flat_map(|(sign, read)| read.series.iter().map(move |one| (*sign, one))) {
            let labels = labels_of(&series.key, self.dimensions).unwrap_or_default();
            by_key.entry(labels).and_modify(|(_, earlier)| earlier.push((sign, series)));
        }
        let mut counters = BTreeMap::new();
        for (of_key, (here, earlier)) in &by_key {
            self.context.check()?;
            let (of_spans, sample) = presence(chosen.family);
            let spans = counter(&of_spans, sample, grid, here);
            for sample in &chosen.samples {
                let labels = sample_labels(of_key, &chosen.name, *sample);
                if of_sample.iter().all(|matcher| is_chosen(&labels, matcher)) {
                    let mut numbers = counter(chosen.family, *sample, grid, here);
                    let before = earlier.iter().map(|(sign, series)| sign * total(chosen.family, *sample, series));
                    numbers.before = before.sum();
                    counters.insert(labels, (numbers, spans.clone()));
                }
            }
        }
        Ok(counters)
    }

    /// Takes the memory of so many series. Fails where these are too many.
    fn reserve(&self, series: usize) -> Result<(), ReadError> {
        let numbers = series.saturating_mul(self.times.count);
        if numbers > MOST_NUMBERS {
            return Err(ReadError::Series { series, intervals: self.times.count, most: MOST_NUMBERS });
        }
        let bytes = numbers * NUMBER_BYTES + series * LABELS_BYTES;
        self.context.reserve(bytes)?.keep();
        Ok(())
    }

    fn rollups(
        &mut self,
        table: RollupTable,
        steps: RollupSteps,
        service: Option<&String>,
    ) -> Result<Rc<Rollups>, ReadError> {
        let service = service.filter(|_| table != RollupTable::Edges).cloned();
        let is_known = |known: &RollupRequest| known.table == table && known.steps == steps && known.service == service;
        if let Some((_, rollups)) = self.known.iter().find(|(known, _)| is_known(known)) {
            return Ok(Rc::clone(rollups));
        }
        let request = RollupRequest { table, steps, service };
        let rollups = Rc::new(self.reader.rollups(self.tenant, &request, self.context)?);
        self.known.push((request, Rc::clone(&rollups)));
        Ok(rollups)
    }

    fn note_coarse(&mut self, grid: &Grid, resolution: u64) {
        if grid.is_coarse() {
            let minutes = resolution / MINUTE;
            self.warnings
                .push(format!("the counts of this time are kept by {minutes} minutes and are spread evenly in them"));
        }
    }

    /// The labels of all series of a time that one of the selectors chooses; of all that there are when there is none.
    pub(super) fn labels_in(&mut self, selectors: &[Selector], steps: RollupSteps) -> Result<Vec<Labels>, ReadError> {
        let all = [Selector { matchers: Vec::new(), offset: 0, by_service: false }];
        let selectors = if selectors.is_empty() { &all } else { selectors };
        let mut found = BTreeSet::new();
        for selector in selectors {
            for chosen in self.chosen(selector) {
                let read = self.rollups(chosen.family.table, steps, service(&selector.matchers).as_ref())?;
                let grid = Grid::new(steps, read.resolution, self.times.now);
                let counters = self.counters_of(&chosen, selector, &grid, &read.series, &[])?;
                let present = counters.into_iter().filter(|(_, (_, spans))| spans.at(&grid, u64::MAX) > 0.0);
                let before = found.len();
                found.extend(present.map(|(labels, _)| labels));
                self.reserve(found.len() - before)?;
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Where the numbers of a family are.
fn table(family: &Family, selector: &Selector) -> RollupTable {
    match family.table {
        RollupTable::Spans if selector.by_service => RollupTable::Services,
        table => table,
    }
}

/// What says whether a series is there: a counter is with its spans, also while it is 0, and a histogram is with its durations.
fn presence(family: &Family) -> (Family, Sample) {
    if family.is_histogram() {
        return (*family, Sample::Count);
    }
    (Family { number: Number::Count, ..*family }, Sample::Total)
}

fn counter(family: &Family, sample: Sample, grid: &Grid, series: &[&RollupSeries]) -> Counter {
    let mut steps: BTreeMap<usize, f64> = BTreeMap::new();
    for one in series {
        let numbers = one.cells.iter().map(|(step, cell)| (*step, family.value(sample, &Numbers::of(&one.key, cell))));
        numbers.for_each(|(step, number)| *steps.entry(step).or_default() += number);
    }
    Counter::new(grid, steps.into_iter())
}

fn total(family: &Family, sample: Sample, series: &RollupSeries) -> f64 {
    series.cells.iter().map(|(_, cell)| family.value(sample, &Numbers::of(&series.key, cell))).sum()
}

/// The service that a selector names, if it names one: then nothing else is read.
fn service(matchers: &[Matcher]) -> Option<String> {
    let named = matchers.iter().find(|matcher| matcher.name == "service" && matcher.op == MatchOp::Equal);
    named.map(|matcher| matcher.value.clone()).filter(|name| !name.is_empty())
}

/// What is before the steps: everything, without what came since. The store keeps everything as one number.
fn beginning(steps: RollupSteps) -> [(f64, RollupSteps); 2] {
    let ever = RollupSteps::whole(TimeRange { start: 0, end: u64::MAX });
    let step = (u64::MAX - steps.start) / MINUTE * MINUTE;
    [(1.0, ever), (-1.0, RollupSteps { start: steps.start, step, count: 1 })]
}
