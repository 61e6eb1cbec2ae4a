//! The spansets that a pipeline makes of a trace, written directly from the rules of [`Pipeline`].

use std::collections::BTreeSet;

use super::compare::compare;
use super::evaluate::Subject;
use super::number::{aggregate, arithmetic, count};
use super::whole::WholeTrace;
use crate::{
    Aggregate, Expr, Pipeline, QueryContext, ReadError, Relation, Scalar, SetExpr, Stage, StructuralMode, Value,
};

/// Some spans of a trace, at least one, and what stages say of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Spanset {
    pub(super) spans: BTreeSet<usize>,
    pub(super) attributes: Vec<(String, Value)>,
}

impl Spanset {
    /// Adds an attribute. One that it has keeps its place and gets the new value.
    fn say(&mut self, label: &str, value: Value) {
        match self.attributes.iter_mut().find(|(known, _)| known == label) {
            Some((_, known)) => *known = value,
            None => self.attributes.push((label.to_owned(), value)),
        }
    }
}

/// The spansets that are left, in the order of their earliest spans.
pub(super) fn spansets(
    trace: &WholeTrace<'_>,
    pipeline: &Pipeline,
    context: &QueryContext,
) -> Result<Vec<Spanset>, ReadError> {
    let all = (0..trace.spans.len()).collect();
    Run { trace, context }.pipeline(pipeline, &all)
}

/// The spans of all these spansets.
pub(super) fn union(spansets: &[Spanset]) -> BTreeSet<usize> {
    spansets.iter().flat_map(|spanset| &spanset.spans).copied().collect()
}

struct Run<'t> {
    trace: &'t WholeTrace<'t>,
    context: &'t QueryContext,
}

impl Run<'_> {
    fn pipeline(&self, pipeline: &Pipeline, spans: &BTreeSet<usize>) -> Result<Vec<Spanset>, ReadError> {
        let mut spansets = vec![Spanset { spans: spans.clone(), attributes: Vec::new() }];
        for stage in &pipeline.stages {
            spansets = self.stage(stage, spansets)?;
            spansets.retain(|spanset| !spanset.spans.is_empty());
            spansets.sort_by_key(|spanset| spanset.spans.first().copied());
        }
        spansets.retain(|spanset| !spanset.spans.is_empty());
        Ok(spansets)
    }

    fn stage(&self, stage: &Stage, spansets: Vec<Spanset>) -> Result<Vec<Spanset>, ReadError> {
        let mut made = Vec::new();
        match stage {
            Stage::Sets(expr) => {
                for spanset in spansets {
                    made.push(Spanset { spans: self.set(expr, &spanset.spans)?, ..spanset });
                }
            }
            Stage::By { value, label } => {
                for spanset in &spansets {
                    made.extend(self.groups(spanset, value, label));
                }
            }
            Stage::Coalesce => made.push(Spanset { spans: union(&spansets), attributes: Vec::new() }),
            Stage::Keep { left, op, right } => {
                for mut spanset in spansets {
                    let mut said = Vec::new();
                    let left = self.scalar(left, &spanset.spans, &mut said)?;
                    let right = self.scalar(right, &spanset.spans, &mut said)?;
                    if let (Some(left), Some(right)) = (left, right)
                        && compare(&left, *op, &right)
                    {
                        said.into_iter().for_each(|(label, value)| spanset.say(&label, value));
                        made.push(spanset);
                    }
                }
            }
        }
        Ok(made)
    }

    fn groups(&self, spanset: &Spanset, value: &Expr, label: &str) -> Vec<Spanset> {
        let mut groups: Vec<(Option<Value>, Spanset)> = Vec::new();
        for span in &spanset.spans {
            let value = Subject::new(self.trace, *span).computed(value);
            match groups.iter_mut().find(|(known, _)| *known == value) {
                Some((_, group)) => _ = group.spans.insert(*span),
                None => {
                    let mut group = Spanset { spans: BTreeSet::from([*span]), ..spanset.clone() };
                    group.say(label, value.clone().unwrap_or_else(|| Value::string("nil")));
                    groups.push((value, group));
                }
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    fn set(&self, expr: &SetExpr, spans: &BTreeSet<usize>) -> Result<BTreeSet<usize>, ReadError> {
        match expr {
            SetExpr::Filter(filter) => {
                let mut found = BTreeSet::new();
                for span in spans {
                    self.context.check()?;
                    if Subject::new(self.trace, *span).satisfies(filter) {
                        found.insert(*span);
                    }
                }
                Ok(found)
            }
            SetExpr::All(parts) => {
                let parts = parts.iter().map(|part| self.set(part, spans)).collect::<Result<Vec<_>, _>>()?;
                let is_answer = !parts.iter().any(BTreeSet::is_empty);
                Ok(if is_answer { parts.into_iter().flatten().collect() } else { BTreeSet::new() })
            }
            SetExpr::Any(parts) => {
                let parts = parts.iter().map(|part| self.set(part, spans)).collect::<Result<Vec<_>, _>>()?;
                Ok(parts.into_iter().flatten().collect())
            }
            SetExpr::Structural { relation, mode, left, right } => {
                self.structural(*relation, *mode, &self.set(left, spans)?, &self.set(right, spans)?)
            }
            SetExpr::Pipeline(pipeline) => Ok(union(&self.pipeline(pipeline, spans)?)),
        }
    }

    fn structural(
        &self,
        relation: Relation,
        mode: StructuralMode,
        left: &BTreeSet<usize>,
        right: &BTreeSet<usize>,
    ) -> Result<BTreeSet<usize>, ReadError> {
        let (mut related, mut related_left) = (BTreeSet::new(), BTreeSet::new());
        for one in left {
            self.context.check()?;
            for other in right {
                if self.trace.tree().stands(*one, relation, *other) {
                    related_left.insert(*one);
                    related.insert(*other);
                }
            }
        }
        Ok(match mode {
            StructuralMode::Plain => related,
            StructuralMode::Negated => right - &related,
            StructuralMode::Union => &related | &related_left,
        })
    }

    /// A number of a spanset. The aggregates in it are added to `said`.
    fn scalar(
        &self,
        scalar: &Scalar,
        spans: &BTreeSet<usize>,
        said: &mut Vec<(String, Value)>,
    ) -> Result<Option<Value>, ReadError> {
        match scalar {
            Scalar::Constant(value) => Ok(Some(value.clone())),
            Scalar::Aggregate { function, argument, label } => {
                let value = match argument {
                    None => Some(count(spans.len())),
                    Some(argument) => self.aggregate(*function, argument, spans),
                };
                said.extend(value.iter().map(|value| (label.clone(), value.clone())));
                Ok(value)
            }
            Scalar::Arithmetic { op, left, right } => {
                let (left, right) = (self.scalar(left, spans, said)?, self.scalar(right, spans, said)?);
                Ok(left.zip(right).and_then(|(left, right)| arithmetic(*op, &left, &right)))
            }
            Scalar::Pipeline(pipeline, scalar) => self.scalar(scalar, &union(&self.pipeline(pipeline, spans)?), said),
        }
    }

    fn aggregate(&self, function: Aggregate, argument: &Expr, spans: &BTreeSet<usize>) -> Option<Value> {
        let values: Vec<Value> =
            spans.iter().filter_map(|span| Subject::new(self.trace, *span).computed(argument)).collect();
        aggregate(function, &values)
    }
}
