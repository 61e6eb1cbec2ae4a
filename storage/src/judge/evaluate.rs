//! Runs a program on one trace.

mod scalar;

use std::borrow::Cow;

use hashbrown::HashMap;
use hoptrail_proto::model::AnyValue;

use super::Subject;
use super::program::{Calc, Cond, Program, Sets, Step};
use crate::arithmetic::{arithmetic, negated};
use crate::codec::len_u32;
use crate::matcher::{int, matches, relation};
use crate::scan::both;
use crate::{Intrinsic, ReadError, Relation, StructuralMode, Value};

/// Some spans of a trace, and what stages say of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spanset {
    /// Ascending.
    pub(crate) rows: Vec<u32>,
    pub(crate) attributes: Vec<(String, Value)>,
}

/// A set of spans: for each span whether it is in.
type Set = Vec<bool>;

impl Spanset {
    fn set(&self, len: usize) -> Set {
        let mut set = vec![false; len];
        self.rows.iter().for_each(|row| set.get_mut(*row as usize).into_iter().for_each(|known| *known = true));
        set
    }

    fn of(set: &[bool], attributes: Vec<(String, Value)>) -> Option<Self> {
        let rows: Vec<u32> = (0u32..).zip(set).filter(|(_, is_in)| **is_in).map(|(row, _)| row).collect();
        (!rows.is_empty()).then_some(Self { rows, attributes })
    }

    /// Sets what a stage says, once.
    fn say(&mut self, label: &str, value: Value) {
        match self.attributes.iter_mut().find(|(known, _)| known == label) {
            Some((_, known)) => *known = value,
            None => self.attributes.push((label.to_owned(), value)),
        }
    }
}

/// The spansets that are left of a trace, in the order of their earliest spans.
pub(crate) fn judge(program: &Program, subject: &dyn Subject) -> Result<Vec<Spanset>, ReadError> {
    let all = Spanset { rows: (0..len_u32(subject.len())).collect(), attributes: Vec::new() };
    Trace { subject }.run(&program.steps, vec![all])
}

/// The value of an expression for each span of a trace.
pub(crate) fn calculate<'s>(calc: &Calc, subject: &'s dyn Subject) -> Result<Cow<'s, [Option<Value>]>, ReadError> {
    Trace { subject }.calc(calc)
}

/// The trace that is judged.
struct Trace<'s> {
    subject: &'s dyn Subject,
}

impl<'s> Trace<'s> {
    /// The spansets that are left, in the order of their earliest spans.
    fn run(&self, steps: &[Step], mut spansets: Vec<Spanset>) -> Result<Vec<Spanset>, ReadError> {
        for step in steps {
            if spansets.is_empty() {
                break;
            }
            spansets = self.step(step, spansets)?;
            spansets.sort_by_key(|spanset| spanset.rows.first().copied());
        }
        Ok(spansets)
    }

    fn step(&self, step: &Step, spansets: Vec<Spanset>) -> Result<Vec<Spanset>, ReadError> {
        let mut left = Vec::with_capacity(spansets.len());
        match step {
            Step::Sets(sets) => {
                for spanset in spansets {
                    let found = self.sets(sets, &spanset.set(self.subject.len()))?;
                    left.extend(Spanset::of(&found, spanset.attributes));
                }
            }
            Step::By { value, label } => {
                let values = self.calc(value)?;
                spansets.into_iter().for_each(|spanset| left.extend(divide(spanset, &values, label)));
            }
            Step::Coalesce => left.extend(Spanset::of(&self.union(&spansets), Vec::new())),
            Step::Keep { left: one, op, right: other } => {
                for mut spanset in spansets {
                    let mut said = Vec::new();
                    let one = scalar::number(self, one, &spanset, &mut said)?;
                    let other = scalar::number(self, other, &spanset, &mut said)?;
                    if both((&one, &other)).is_some_and(|(one, other)| relation(one, *op, other)) {
                        said.into_iter().for_each(|(label, value)| spanset.say(&label, value));
                        left.push(spanset);
                    }
                }
            }
        }
        Ok(left)
    }

    fn union(&self, spansets: &[Spanset]) -> Set {
        let mut set = vec![false; self.subject.len()];
        let rows = spansets.iter().flat_map(|spanset| &spanset.rows);
        rows.for_each(|row| set.get_mut(*row as usize).into_iter().for_each(|known| *known = true));
        set
    }

    fn sets(&self, sets: &Sets, within: &[bool]) -> Result<Set, ReadError> {
        match sets {
            Sets::Filter(cond) => Ok(intersection(&self.cond(cond)?, within)),
            Sets::All(parts) => {
                let mut all = vec![false; within.len()];
                for part in parts {
                    let found = self.sets(part, within)?;
                    if is_empty(&found) {
                        return Ok(found);
                    }
                    all = union(&all, &found);
                }
                Ok(all)
            }
            Sets::Any(parts) => {
                parts.iter().try_fold(vec![false; within.len()], |any, part| Ok(union(&any, &self.sets(part, within)?)))
            }
            Sets::Structural { relation, mode, left, right } => {
                let right = self.sets(right, within)?;
                if is_empty(&right) {
                    return Ok(right);
                }
                self.structural(*relation, *mode, &self.sets(left, within)?, right)
            }
            Sets::Pipeline(steps) => {
                let spansets = Spanset::of(within, Vec::new()).into_iter().collect();
                Ok(self.union(&self.run(steps, spansets)?))
            }
        }
    }

    fn structural(
        &self,
        relation: Relation,
        mode: StructuralMode,
        left: &[bool],
        right: Set,
    ) -> Result<Set, ReadError> {
        if is_empty(left) {
            return Ok(if mode == StructuralMode::Negated { right } else { vec![false; right.len()] });
        }
        let tree = self.subject.tree()?;
        let related = tree.related(relation, left);
        Ok(match mode {
            StructuralMode::Plain => intersection(&right, &related),
            StructuralMode::Negated => right.iter().zip(related).map(|(is_in, related)| *is_in && !related).collect(),
            StructuralMode::Union => {
                let seen_from_right = tree.related(reversed(relation), &right);
                union(&intersection(&right, &related), &intersection(left, &seen_from_right))
            }
        })
    }

    fn cond(&self, cond: &Cond) -> Result<Cow<'s, [bool]>, ReadError> {
        let len = self.subject.len();
        Ok(match cond {
            Cond::True => Cow::Owned(vec![true; len]),
            Cond::Leaf(leaf) => Cow::Borrowed(self.subject.satisfies(*leaf)?),
            Cond::Not(inner) => Cow::Owned(self.cond(inner)?.iter().map(|holds| !holds).collect()),
            Cond::All(parts) => {
                let mut all = vec![true; len];
                for part in parts {
                    if is_empty(&all) {
                        break;
                    }
                    all = intersection(&all, &self.cond(part)?);
                }
                Cow::Owned(all)
            }
            Cond::Any(parts) => Cow::Owned(
                parts
                    .iter()
                    .try_fold(vec![false; len], |any, part| Ok::<_, ReadError>(union(&any, &self.cond(part)?)))?,
            ),
            Cond::OfParent(inner) => {
                let (holds, tree) = (self.cond(inner)?, self.subject.tree()?);
                let of_parent = |span| tree.parent(span).and_then(|parent| holds.get(parent)).copied().unwrap_or(false);
                Cow::Owned((0..len).map(of_parent).collect())
            }
            Cond::Compare { left, op, right } => {
                let (left, right) = (self.calc(left)?, self.calc(right)?);
                let holds = |pair| both(pair).is_some_and(|(one, other)| relation(one, *op, other));
                Cow::Owned(left.iter().zip(right.iter()).map(holds).collect())
            }
            Cond::Matches { text, pattern, negated } => {
                let texts = self.calc(text)?;
                let holds = |text: &Option<Value>| text.as_ref().is_some_and(|text| matches(text, pattern, *negated));
                Cow::Owned(texts.iter().map(holds).collect())
            }
            Cond::Present(value) => Cow::Owned(self.calc(value)?.iter().map(Option::is_some).collect()),
        })
    }

    fn calc(&self, calc: &Calc) -> Result<Cow<'s, [Option<Value>]>, ReadError> {
        let len = self.subject.len();
        Ok(match calc {
            Calc::Constant(value) => Cow::Owned(vec![Some(value.clone()); len]),
            Calc::Leaf(leaf) => Cow::Borrowed(self.subject.values(*leaf)?),
            Calc::Trace(intrinsic) => Cow::Owned(self.intrinsic(*intrinsic)?),
            Calc::OfParent(inner) => {
                let (values, tree) = (self.calc(inner)?, self.subject.tree()?);
                let of_parent = |span| tree.parent(span).and_then(|parent| values.get(parent)).cloned().flatten();
                Cow::Owned((0..len).map(of_parent).collect())
            }
            Calc::Negate(inner) => {
                Cow::Owned(self.calc(inner)?.iter().map(|value| value.as_ref().and_then(negated)).collect())
            }
            Calc::Arithmetic { op, left, right } => {
                let (left, right) = (self.calc(left)?, self.calc(right)?);
                let of = |pair| both(pair).and_then(|(one, other)| arithmetic(*op, one, other));
                Cow::Owned(left.iter().zip(right.iter()).map(of).collect())
            }
            Calc::Condition(cond) => {
                let holds = self.cond(cond)?;
                Cow::Owned(holds.iter().map(|holds| Some(Value::Any(AnyValue::Bool(*holds)))).collect())
            }
        })
    }

    fn intrinsic(&self, intrinsic: Intrinsic) -> Result<Vec<Option<Value>>, ReadError> {
        let len = self.subject.len();
        let of_all = |value: Option<Value>| vec![value; len];
        let root = || Ok::<_, ReadError>(self.subject.whole()?.root.as_ref());
        Ok(match intrinsic {
            Intrinsic::TraceDuration => of_all(Some(Value::Duration(self.subject.whole()?.duration_nanos))),
            Intrinsic::TraceStart => of_all(Some(int(self.subject.whole()?.start))),
            Intrinsic::TraceSpans => of_all(Some(int(self.subject.whole()?.spans))),
            Intrinsic::TraceErrors => of_all(Some(int(self.subject.whole()?.errors))),
            Intrinsic::RootName => of_all(root()?.map(|(_, name)| Value::string(name.as_str()))),
            Intrinsic::RootService => of_all(root()?.map(|(service, _)| Value::string(service.as_str()))),
            _ => {
                let tree = self.subject.tree()?;
                let number = |span| tree.number(intrinsic, span).map(|number| Value::Any(AnyValue::Int(number)));
                (0..len).map(number).collect()
            }
        })
    }
}

/// Divides a spanset by values, in the order in which they appear.
fn divide(spanset: Spanset, values: &[Option<Value>], label: &str) -> Vec<Spanset> {
    let (mut groups, mut known): (Vec<Spanset>, HashMap<Option<&Value>, usize>) = (Vec::new(), HashMap::new());
    for row in spanset.rows {
        let value = values.get(row as usize).and_then(Option::as_ref);
        let index = *known.entry(value).or_insert_with(|| {
            let mut group = Spanset { rows: Vec::new(), attributes: spanset.attributes.clone() };
            group.say(label, value.cloned().unwrap_or_else(|| Value::string("nil")));
            groups.push(group);
            groups.len() - 1
        });
        groups.get_mut(index).into_iter().for_each(|group| group.rows.push(row));
    }
    groups
}

fn reversed(relation: Relation) -> Relation {
    match relation {
        Relation::Child => Relation::Parent,
        Relation::Parent => Relation::Child,
        Relation::Descendant => Relation::Ancestor,
        Relation::Ancestor => Relation::Descendant,
        Relation::Sibling => Relation::Sibling,
    }
}

fn is_empty(set: &[bool]) -> bool {
    !set.contains(&true)
}

fn union(one: &[bool], other: &[bool]) -> Set {
    one.iter().zip(other).map(|(one, other)| *one || *other).collect()
}

fn intersection(one: &[bool], other: &[bool]) -> Set {
    one.iter().zip(other).map(|(one, other)| *one && *other).collect()
}
