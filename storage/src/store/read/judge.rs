//! Judges traces for a query: which spans of a trace are the answer.

mod trace_rows;

use hashbrown::HashMap;
use hoptrail_proto::model::TraceId;

use super::leaves::Leaves;
use super::scan_unit::ScanUnit;
use super::trace_loader::TraceLoader;
use crate::codec::bits::Bitmap;
use crate::explain::Counted;
use crate::judge::{Program, Spanset, judge};
use crate::scan::{RowGroup, TraceStart};
use crate::search::SearchRequest;
use crate::{Order, Pipeline, ReadError, TimeRange};

pub(super) use trace_rows::TraceRows;

/// A question about whole traces. Threads of a query share it.
pub(super) struct Judge<'s, 'a> {
    pub(super) loader: &'s TraceLoader<'s, 'a>,
    pipeline: &'s Pipeline,
    pub(super) program: Program,
    pub(super) leaves: Leaves,
    /// Whether a span that satisfies the only leaf is in the answer, whatever the trace.
    pub(super) is_plain: bool,
    /// When a span of the answer must run.
    pub(super) range: Option<TimeRange>,
}

/// A trace with spans in the answer.
pub(super) struct Judged<'j, 's, 'a> {
    pub(super) trace: TraceRows<'j, 's, 'a>,
    /// Not empty.
    pub(super) spansets: Vec<Spanset>,
}

impl<'s, 'a> Judge<'s, 'a> {
    pub(super) fn new(
        loader: &'s TraceLoader<'s, 'a>,
        pipeline: &'s Pipeline,
        range: Option<TimeRange>,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            loader,
            pipeline,
            program: Program::new(pipeline),
            leaves: Leaves::new(loader.context)?,
            is_plain: pipeline.as_filter().is_some_and(|filter| !filter.needs_trace()),
            range,
        })
    }

    /// Says how the question is answered, when somebody asks.
    pub(super) fn explain(&self, request: &SearchRequest) {
        let context = self.loader.context;
        context.say(|| format!("answer: {}", self.pipeline));
        context.say(|| {
            let order = match &request.order {
                Order::Newest => "newest first, until no unit left can have a newer one".to_owned(),
                Order::By { value, descending } => {
                    format!("by {value}, {} first; all units are read", if *descending { "greatest" } else { "least" })
                }
            };
            format!("order:  {order}")
        });
        for (index, filter) in self.program.filters.iter().enumerate() {
            context.say(|| format!("leaf {index}: {filter}    (columns tell, span by span)"));
        }
        for value in &self.program.values {
            context.say(|| format!("value:  {value}    (columns tell, span by span)"));
        }
        if self.is_plain {
            context.say(|| {
                "a span that satisfies the leaf is in the answer; its trace is counted from columns".to_owned()
            });
        } else {
            context.say(|| {
                "each trace that may be in the answer is judged as a whole, by its rows in all units".to_owned()
            });
            context.say(|| format!("passed over where this cannot hold: {}", self.program.required()));
        }
    }

    /// The rows of a unit, of these, that may be in an answer.
    pub(super) fn answers(&self, unit: &ScanUnit, group: &dyn RowGroup, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let leaves = match self.leaves.of(unit) {
            Some(known) => known,
            None => {
                self.loader.context.count(Counted::Rows, among.count());
                self.leaves.scan(unit.id(), group, &self.program, among, self.loader.context)?
            }
        };
        Ok(self.program.candidates(&leaves, among))
    }

    /// The rows of a unit, of these, that may be in an answer and run in the range.
    pub(super) fn candidates(
        &self,
        unit: &ScanUnit,
        group: &dyn RowGroup,
        among: &Bitmap,
    ) -> Result<Bitmap, ReadError> {
        let rows = self.answers(unit, group, among)?;
        match self.range {
            Some(range) => running(group, rows, range),
            None => Ok(rows),
        }
    }

    /// The traces of these rows of a unit that may be in an answer, since one of these rows runs in the range. Each has the count of all its
    /// rows there that may be.
    pub(super) fn traces(
        &self,
        unit: &ScanUnit,
        group: &dyn RowGroup,
        among: &Bitmap,
    ) -> Result<Vec<TraceStart>, ReadError> {
        let rows = self.answers(unit, group, among)?;
        let Some(range) = self.range else { return group.traces_of(&rows) };
        let mut traces = group.traces_of(&running(group, rows.clone(), range)?)?;
        if self.program.least_rows() > 1 && !traces.is_empty() {
            let all = group.traces_of(&rows)?;
            let counts: HashMap<TraceId, usize> = all.into_iter().map(|trace| (trace.id, trace.rows)).collect();
            traces.iter_mut().for_each(|trace| trace.rows = counts.get(&trace.id).copied().unwrap_or_default());
        }
        Ok(traces)
    }

    /// The units in which a span of the answer may run in the range, newest first.
    pub(super) fn units(&self) -> Vec<ScanUnit> {
        let mut units = self.loader.snapshot.view.units();
        let all = units.len();
        units.retain(|unit| unit.runs_in(self.range));
        self.loader.context.count(Counted::Units, all);
        self.loader.context.count(Counted::OutsideRange, all - units.len());
        units
    }

    /// Notes that filters over values find nothing in a unit that every span of an answer has.
    pub(super) fn rule_out(&self, unit: &ScanUnit) {
        self.loader.context.count(Counted::RuledOut, 1);
        // Leaves of an order may hold on other spans of the unit, such as parents.
        if self.is_plain && self.program.filters.len() <= 1 {
            self.leaves.rule_out(unit.id(), &self.program);
        }
    }

    /// The trace with its spansets, when a span of these runs in the range.
    pub(super) fn judge(&self, id: TraceId) -> Result<Option<Judged<'_, 's, 'a>>, ReadError> {
        self.loader.context.count(Counted::Judged, 1);
        let trace = TraceRows::of(self, id)?;
        let spansets = judge(&self.program, &trace)?;
        let runs = match self.range {
            _ if spansets.is_empty() => false,
            None => true,
            Some(range) => {
                let runs = trace.runs_in(range)?;
                let mut rows = spansets.iter().flat_map(|spanset| &spanset.rows);
                rows.any(|row| runs.get(*row as usize).copied().unwrap_or(false))
            }
        };
        Ok(runs.then_some(Judged { trace, spansets }))
    }
}

/// Those of these rows whose span runs in the range.
fn running(group: &dyn RowGroup, mut rows: Bitmap, range: TimeRange) -> Result<Bitmap, ReadError> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let starts = group.starts()?;
    let (mut inside, mut before) = (Bitmap::none(rows.len()), Bitmap::none(rows.len()));
    for (row, start) in starts.iter().enumerate() {
        inside.insert_if(row, range.contains(*start));
        before.insert_if(row, *start < range.start);
    }
    before.and(&rows);
    if !before.is_empty() {
        group.each_duration(&before, &mut |row, nanos| {
            let end = starts.get(row).copied().unwrap_or_default().saturating_add(nanos);
            inside.insert_if(row, range.start <= end);
        })?;
    }
    rows.and(&inside);
    Ok(rows)
}
