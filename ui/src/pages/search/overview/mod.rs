//! All spans that match, counted: over time and duration, and by what they say. It comes beside the results, and does not keep them
//! waiting: what is not counted soon is left to a link.

mod facets;
mod heat;
mod narrowed;

use std::time::Duration;

use hoptrail_query::metrics::{RangeRequest, SeriesSet, range_steps};
use hoptrail_query::{Steps, TimeRange, traceql};

pub(crate) use self::facets::{Facet, FacetValue};
pub(crate) use self::heat::HeatOfAll;
pub(super) use self::narrowed::narrowed;
use super::form::Form;
use super::question::Traces;
use super::text;
use crate::context::Visit;
use crate::{format, plot};

/// How long the page waits.
const TIMEOUT: Duration = Duration::from_millis(150);
/// About how many columns the heatmap has.
const COLUMNS: u64 = 60;
/// Most series of one question. A field with more values is counted in part, and the page says so.
const MOST_SERIES: usize = 10_000;
const MINUTE: u64 = 60_000_000_000;

/// All that match.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    pub(crate) heat: Option<HeatOfAll>,
    pub(crate) facets: Vec<Facet>,
    /// How many spans match: `1 204 spans`; empty when they were not counted.
    pub(crate) total: String,
    /// The page that counts what is not counted here; empty when all is.
    pub(crate) rest: String,
    /// The query whose spans are counted, for the field that adds an attribute.
    pub(crate) is_asked: bool,
}

/// Counts what matches, as far as it does not take long.
pub(super) async fn overview(visit: &Visit, form: &Form, question: &Traces) -> Overview {
    let Some(count) = Count::of(visit, form, question) else { return Overview::default() };
    let rest = form.with("overview", "1");
    let waits = !form.overview.is_empty();
    // Counting keeps a core busy: readers who come meanwhile see their results at once, and count with the link.
    let turn = visit.app.overviews.try_acquire().ok().filter(|_| visit.service().has_room());
    if !waits && turn.is_none() {
        return Overview { rest, is_asked: true, ..Overview::default() };
    }
    let ends = tokio::time::Instant::now() + TIMEOUT;
    let mut overview = Overview { is_asked: true, ..Overview::default() };
    let work = count.all(&mut overview);
    let is_whole = if waits {
        work.await;
        true
    } else {
        tokio::time::timeout_at(ends, work).await.is_ok()
    };
    if !is_whole {
        overview.rest = rest;
    }
    overview
}

/// What is counted.
struct Count<'a> {
    visit: &'a Visit,
    form: &'a Form,
    /// The spans.
    matching: &'a str,
    range: Option<TimeRange>,
}

impl<'a> Count<'a> {
    /// `None` for a query behind which no function may stand.
    fn of(visit: &'a Visit, form: &'a Form, question: &'a Traces) -> Option<Self> {
        let matching = text::matching(&question.matching);
        traceql::compile_metrics(&format!("{matching} | count_over_time()")).ok()?;
        Some(Self { visit, form, matching, range: question.request.range })
    }

    async fn all(&self, overview: &mut Overview) {
        overview.heat = self.heat().await;
        let mut total = None;
        for field in facets::fields(self.form) {
            let Some(values) = self.by(&field).await else { continue };
            // Each span has a service, if only an empty one.
            total = total.or(Some(values.iter().map(|(_, spans)| spans).sum::<u64>()));
            overview.total = total.map(|spans| format::counted(spans as usize, "span", "spans")).unwrap_or_default();
            overview.facets.extend(facets::facet(self.form, &field, values, total.unwrap_or_default()));
        }
    }

    async fn heat(&self) -> Option<HeatOfAll> {
        let range = self.range.filter(|range| range.start > 0)?;
        let end = range.end.min(self.visit.now.saturating_add(MINUTE));
        let step = plot::round_up((end.checked_sub(range.start)? / COLUMNS).max(1));
        let steps = range_steps(range.start, end, Some(step), u64::MAX).ok()?;
        let set = self.ask("histogram_over_time(duration)", steps).await?;
        heat::heat(self.visit, self.form, steps, &set.series)
    }

    /// How many spans have each value of a field.
    async fn by(&self, field: &str) -> Option<Vec<(hoptrail_proto::model::AnyValue, u64)>> {
        let (start, end) = self.range.map_or((0, u64::MAX), |range| (range.start, range.end));
        // An interval has its end and not its start.
        let start = start.saturating_sub(1);
        let steps = Steps { start, step: end.saturating_sub(1) - start, count: 1 };
        let set = self.ask(&format!("count_over_time() by ({field})"), steps).await?;
        let spans = |values: &[f64]| values.iter().copied().filter(|spans| spans.is_finite()).sum::<f64>() as u64;
        let value =
            |labels: &[(String, hoptrail_proto::model::AnyValue)]| labels.first().map(|(_, value)| value.clone());
        let values = set.series.iter().filter_map(|series| Some((value(&series.labels)?, spans(&series.values))));
        Some(values.filter(|(_, spans)| *spans > 0).collect())
    }

    async fn ask(&self, function: &str, steps: Steps) -> Option<SeriesSet> {
        let query = traceql::compile_metrics(&format!("{} | {function}", self.matching)).ok()?;
        let request = RangeRequest { query, steps, exemplars: 0, max_series: MOST_SERIES };
        self.visit.service().metrics(&self.visit.tenant, request).await.ok().map(|answer| answer.value)
    }
}
