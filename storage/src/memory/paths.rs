//! Call paths, put together trace by trace, written directly from the rules of [`crate::paths`].

use std::collections::{BTreeMap, BTreeSet};

use hoptrail_proto::model::{Extent, SpanKind, StatusCode, TraceSpan};

use super::pipeline::{spansets, union};
use super::whole::WholeTrace;
use crate::codec::len_u32;
use crate::contrast::Sides;
use crate::paths::{CallPath, CallPaths, Collected, PathsRequest, Step, Told, arranged, critical, start_of, top_down};
use crate::{Inspected, Pipeline, QueryContext, ReadError};

/// Service, name and kind.
type Key = (String, String, SpanKind);

/// Collects traces.
pub(super) struct Plain<'r> {
    request: &'r PathsRequest,
    /// By the whole path from the root.
    paths: BTreeMap<Vec<Key>, [Collected; 2]>,
    answer: CallPaths,
}

impl<'r> Plain<'r> {
    pub(super) fn new(request: &'r PathsRequest) -> Self {
        Self { request, paths: BTreeMap::new(), answer: CallPaths::default() }
    }

    pub(super) fn add(&mut self, spans: &[TraceSpan], context: &QueryContext) -> Result<(), ReadError> {
        context.check()?;
        let trace = &WholeTrace::new(spans);
        let is_found = |pipeline: &Pipeline| -> Result<bool, ReadError> {
            let found = union(&spansets(trace, pipeline, context)?);
            Ok(found.into_iter().any(|span| trace.runs_in(span, self.request.range)))
        };
        let is_selected = is_found(&self.request.selected)?;
        let is_other = self.request.others.as_ref().map_or(Ok(false), is_found)?;
        self.answer.inspected.spans += spans.len() as u64;
        if is_selected || is_other {
            self.answer.traces.add(Sides { selected: u64::from(is_selected), others: u64::from(!is_selected) });
            self.add_trace(trace, usize::from(!is_selected));
        }
        Ok(())
    }

    fn add_trace(&mut self, trace: &WholeTrace<'_>, side: usize) {
        let steps: Vec<Step<Key>> = (0..trace.spans.len()).map(|index| step(trace, index)).collect();
        let (order, children) = top_down(&steps);
        let (start, on_path) = (start_of(&steps), critical(&steps, &order, &children));
        let mut seen = BTreeSet::new();
        for (index, step) in steps.iter().enumerate() {
            let mut path = vec![step.key.clone()];
            let mut above = step.parent;
            while let Some(parent) = above {
                path.push(steps[parent].key.clone());
                above = steps[parent].parent;
            }
            path.reverse();
            let own = &mut self.paths.entry(path.clone()).or_default()[side];
            own.traces += u64::from(seen.insert(path));
            own.errors += u64::from(step.is_error);
            own.push(step.start.saturating_sub(start), step.end - step.start, on_path[index]);
            self.answer.critical[side] += on_path[index];
        }
    }

    pub(super) fn finish(self) -> CallPaths {
        let rank = |path: &[Key], sides: &[Collected; 2]| (sides[0].traces + sides[1].traces, len_u32(path.len()));
        let told = Told::of(self.paths.iter().map(|(path, sides)| rank(path, sides)));
        let all = self.paths.len();
        let paths: Vec<_> = self.paths.into_iter().filter(|(path, sides)| told.has(rank(path, sides))).collect();
        let places: BTreeMap<Vec<Key>, usize> = paths.iter().map(|(path, _)| path.clone()).zip(0..).collect();
        let left_out = all - paths.len();
        let path = |(path, sides): (Vec<Key>, [Collected; 2])| {
            let (service, name, kind) = path[path.len() - 1].clone();
            let parent = places.get(&path[..path.len() - 1]).copied();
            CallPath { parent, service, name, kind, sides: sides.map(Collected::numbers) }
        };
        let paths = arranged(paths.into_iter().map(path).collect());
        let inspected = Inspected { segments: 1, ..self.answer.inspected };
        CallPaths { paths, left_out, inspected, ..self.answer }
    }
}

fn step(trace: &WholeTrace<'_>, index: usize) -> Step<Key> {
    let TraceSpan { span, resource, .. } = trace.spans[index];
    Step {
        key: (resource.service_name().to_owned(), span.name.clone(), span.kind),
        parent: trace.tree().parents[index].index(),
        start: span.start_unix_nano,
        end: span.end_unix_nano.max(span.start_unix_nano),
        is_error: span.status.code == StatusCode::Error,
        is_real: Extent::are_real(span.start_unix_nano, span.end_unix_nano.max(span.start_unix_nano)),
    }
}
