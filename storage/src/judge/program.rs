//! A pipeline, with what columns tell of one span alone taken out as leaves.

use hoptrail_proto::model::AnyValue;

use crate::codec::bits::Bitmap;
use crate::pipeline::{Aggregate, Pipeline, Relation, Scalar, SetExpr, Stage, StructuralMode};
use crate::{ArithmeticOp, CompareOp, Expr, Field, Filter, Intrinsic, Pattern, Value};

/// A pipeline that is ready to judge traces.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// Conditions on one span, each once.
    pub(crate) filters: Vec<Filter>,
    /// Values of one span, each once.
    pub(crate) values: Vec<Expr>,
    pub(super) steps: Vec<Step>,
}

/// [`Stage`]
#[derive(Debug)]
pub(super) enum Step {
    Sets(Sets),
    By { value: Calc, label: String },
    Coalesce,
    Keep { left: Number, op: CompareOp, right: Number },
}

/// [`SetExpr`]
#[derive(Debug)]
pub(super) enum Sets {
    Filter(Cond),
    All(Vec<Sets>),
    Any(Vec<Sets>),
    Structural { relation: Relation, mode: StructuralMode, left: Box<Sets>, right: Box<Sets> },
    Pipeline(Vec<Step>),
}

/// [`Scalar`]
#[derive(Debug)]
pub(super) enum Number {
    Constant(Value),
    Aggregate { function: Aggregate, argument: Option<Calc>, label: String },
    Arithmetic { op: ArithmeticOp, left: Box<Number>, right: Box<Number> },
    Pipeline(Vec<Step>, Box<Number>),
}

/// A condition on a span of a trace.
#[derive(Debug)]
pub(crate) enum Cond {
    True,
    /// This leaf of [`Program::filters`].
    Leaf(usize),
    Not(Box<Cond>),
    All(Vec<Cond>),
    Any(Vec<Cond>),
    /// The parent is here and satisfies this.
    OfParent(Box<Cond>),
    Compare {
        left: Calc,
        op: CompareOp,
        right: Calc,
    },
    Matches {
        text: Calc,
        pattern: Pattern,
        negated: bool,
    },
    Present(Calc),
}

/// A value of a span of a trace.
#[derive(Debug)]
pub(crate) enum Calc {
    Constant(Value),
    /// This leaf of [`Program::values`].
    Leaf(usize),
    /// An intrinsic of the trace or of the tree.
    Trace(Intrinsic),
    OfParent(Box<Calc>),
    Negate(Box<Calc>),
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Calc>,
        right: Box<Calc>,
    },
    Condition(Box<Cond>),
}

impl Program {
    pub(crate) fn new(pipeline: &Pipeline) -> Self {
        let mut program = Self::default();
        program.steps = program.pipeline(pipeline);
        program
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Vec<Step> {
        pipeline.stages.iter().map(|stage| self.stage(stage)).collect()
    }

    fn stage(&mut self, stage: &Stage) -> Step {
        match stage {
            Stage::Sets(sets) => Step::Sets(self.sets(sets)),
            Stage::By { value, label } => Step::By { value: self.calc(value), label: label.clone() },
            Stage::Coalesce => Step::Coalesce,
            Stage::Keep { left, op, right } => {
                Step::Keep { left: self.number(left), op: *op, right: self.number(right) }
            }
        }
    }

    fn sets(&mut self, sets: &SetExpr) -> Sets {
        match sets {
            SetExpr::Filter(filter) => Sets::Filter(self.cond(filter)),
            SetExpr::All(parts) => Sets::All(parts.iter().map(|part| self.sets(part)).collect()),
            SetExpr::Any(parts) => Sets::Any(parts.iter().map(|part| self.sets(part)).collect()),
            SetExpr::Structural { relation, mode, left, right } => Sets::Structural {
                relation: *relation,
                mode: *mode,
                left: Box::new(self.sets(left)),
                right: Box::new(self.sets(right)),
            },
            SetExpr::Pipeline(pipeline) => Sets::Pipeline(self.pipeline(pipeline)),
        }
    }

    fn number(&mut self, scalar: &Scalar) -> Number {
        match scalar {
            Scalar::Constant(value) => Number::Constant(value.clone()),
            Scalar::Aggregate { function, argument, label } => Number::Aggregate {
                function: *function,
                argument: argument.as_ref().map(|argument| self.calc(argument)),
                label: label.clone(),
            },
            Scalar::Arithmetic { op, left, right } => {
                Number::Arithmetic { op: *op, left: Box::new(self.number(left)), right: Box::new(self.number(right)) }
            }
            Scalar::Pipeline(pipeline, of) => Number::Pipeline(self.pipeline(pipeline), Box::new(self.number(of))),
        }
    }

    pub(crate) fn cond(&mut self, filter: &Filter) -> Cond {
        if !filter.needs_trace() {
            return if *filter == Filter::True { Cond::True } else { Cond::Leaf(self.filter_leaf(filter)) };
        }
        match filter {
            Filter::True => Cond::True,
            // Parts that one span decides are tested together, in the order that columns find best.
            Filter::And(parts) => {
                let (whole, own): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.needs_trace());
                let own = (!own.is_empty()).then(|| Filter::And(own.into_iter().cloned().collect()));
                Cond::All(own.iter().chain(whole).map(|part| self.cond(part)).collect())
            }
            Filter::Or(parts) => Cond::Any(parts.iter().map(|part| self.cond(part)).collect()),
            Filter::Not(inner) => Cond::Not(Box::new(self.cond(inner))),
            // The contract of `Filter` has no field of the whole trace in here.
            Filter::Event(inner) | Filter::Link(inner) => self.cond(inner),
            Filter::Compare { field: Field::Parent(field), op, value } => {
                self.of_parent(&Filter::Compare { field: (**field).clone(), op: *op, value: value.clone() })
            }
            Filter::Matches { field: Field::Parent(field), pattern, negated } => self.of_parent(&Filter::Matches {
                field: (**field).clone(),
                pattern: pattern.clone(),
                negated: *negated,
            }),
            Filter::Exists { field: Field::Parent(field), present } => {
                let exists = self.of_parent(&Filter::Exists { field: (**field).clone(), present: true });
                if *present { exists } else { Cond::Not(Box::new(exists)) }
            }
            Filter::Compare { field, op, value } => {
                Cond::Compare { left: self.field(field), op: *op, right: Calc::Constant(value.clone()) }
            }
            Filter::Matches { field, pattern, negated } => {
                Cond::Matches { text: self.field(field), pattern: pattern.clone(), negated: *negated }
            }
            Filter::Exists { field, present } => self.present(|program| program.field(field), *present),
            Filter::Relation { left, op, right } => {
                Cond::Compare { left: self.calc(left), op: *op, right: self.calc(right) }
            }
            Filter::Computed { value, present } => self.present(|program| program.calc(value), *present),
        }
    }

    fn of_parent(&mut self, filter: &Filter) -> Cond {
        Cond::OfParent(Box::new(self.cond(filter)))
    }

    fn present(&mut self, value: impl FnOnce(&mut Self) -> Calc, present: bool) -> Cond {
        let exists = Cond::Present(value(self));
        if present { exists } else { Cond::Not(Box::new(exists)) }
    }

    pub(crate) fn calc(&mut self, expr: &Expr) -> Calc {
        if let Expr::Constant(value) = expr {
            return Calc::Constant(value.clone());
        }
        if !expr.needs_trace() {
            return Calc::Leaf(self.value_leaf(expr));
        }
        match expr {
            Expr::Constant(value) => Calc::Constant(value.clone()),
            Expr::Field(field) => self.field(field),
            Expr::Negate(inner) => Calc::Negate(Box::new(self.calc(inner))),
            Expr::Arithmetic { op, left, right } => {
                Calc::Arithmetic { op: *op, left: Box::new(self.calc(left)), right: Box::new(self.calc(right)) }
            }
            Expr::Condition(filter) => Calc::Condition(Box::new(self.cond(filter))),
        }
    }

    pub(crate) fn field(&mut self, field: &Field) -> Calc {
        match field {
            Field::Parent(inner) => Calc::OfParent(Box::new(self.field(inner))),
            Field::Intrinsic(intrinsic) if intrinsic.is_of_trace() => Calc::Trace(*intrinsic),
            Field::Intrinsic(_) | Field::Attribute { .. } => Calc::Leaf(self.value_leaf(&Expr::Field(field.clone()))),
        }
    }

    fn filter_leaf(&mut self, filter: &Filter) -> usize {
        index_of(&mut self.filters, filter)
    }

    fn value_leaf(&mut self, expr: &Expr) -> usize {
        index_of(&mut self.values, expr)
    }
}

fn index_of<T: PartialEq + Clone>(known: &mut Vec<T>, wanted: &T) -> usize {
    known.iter().position(|one| one == wanted).unwrap_or_else(|| {
        known.push(wanted.clone());
        known.len() - 1
    })
}

impl Program {
    /// The rows that may be in an answer, of the rows that satisfy each leaf of [`Program::filters`]. What needs the whole trace counts as
    /// satisfied.
    pub(crate) fn candidates(&self, leaves: &[Bitmap], among: &Bitmap) -> Bitmap {
        of_steps(&self.steps, leaves, among)
    }

    /// How many candidates a trace in an answer has at least.
    pub(crate) fn least_rows(&self) -> usize {
        let mut least = 1;
        for step in &self.steps {
            match step {
                // It may leave one span of those that were counted before.
                Step::Sets(_) => least = 1,
                // A trace has as many spans as a part of it.
                Step::By { .. } | Step::Coalesce => {}
                Step::Keep { left, op, right } => least = least.max(least_count(left, *op, right)),
            }
        }
        least
    }

    /// A condition that every span of an answer satisfies.
    pub(crate) fn required(&self) -> Filter {
        let mut leaves = Vec::new();
        required_by_steps(&self.steps, &mut leaves);
        Filter::And(leaves.into_iter().filter_map(|leaf| self.filters.get(leaf).cloned()).collect())
    }
}

/// How many spans a spanset has at least for which this holds.
fn least_count(left: &Number, op: CompareOp, right: &Number) -> usize {
    let (Number::Aggregate { function: Aggregate::Count, .. }, Number::Constant(Value::Any(AnyValue::Int(count)))) =
        (left, right)
    else {
        return 1;
    };
    let count = usize::try_from(*count).unwrap_or_default();
    match op {
        CompareOp::Gt => count.saturating_add(1),
        CompareOp::Ge | CompareOp::Eq => count,
        CompareOp::Lt | CompareOp::Le | CompareOp::Ne => 1,
    }
}

fn of_steps(steps: &[Step], leaves: &[Bitmap], among: &Bitmap) -> Bitmap {
    let mut rows = among.clone();
    for step in steps {
        if let Step::Sets(sets) = step {
            rows = of_sets(sets, leaves, &rows);
        }
    }
    rows
}

fn of_sets(sets: &Sets, leaves: &[Bitmap], among: &Bitmap) -> Bitmap {
    match sets {
        Sets::Filter(cond) => of_cond(cond, leaves, among),
        Sets::All(parts) | Sets::Any(parts) => union(parts.iter().map(|part| of_sets(part, leaves, among)), among),
        Sets::Structural { mode: StructuralMode::Union, left, right, .. } => {
            union([left, right].into_iter().map(|side| of_sets(side, leaves, among)), among)
        }
        Sets::Structural { right, .. } => of_sets(right, leaves, among),
        Sets::Pipeline(steps) => of_steps(steps, leaves, among),
    }
}

fn of_cond(cond: &Cond, leaves: &[Bitmap], among: &Bitmap) -> Bitmap {
    match cond {
        Cond::Leaf(leaf) => {
            let mut rows = among.clone();
            leaves.get(*leaf).into_iter().for_each(|leaf| rows.and(leaf));
            rows
        }
        Cond::All(parts) => parts.iter().fold(among.clone(), |rows, part| of_cond(part, leaves, &rows)),
        Cond::Any(parts) => union(parts.iter().map(|part| of_cond(part, leaves, among)), among),
        Cond::True
        | Cond::Not(_)
        | Cond::OfParent(_)
        | Cond::Compare { .. }
        | Cond::Matches { .. }
        | Cond::Present(_) => among.clone(),
    }
}

fn union(parts: impl Iterator<Item = Bitmap>, among: &Bitmap) -> Bitmap {
    parts.fold(Bitmap::none(among.len()), |mut all, part| {
        all.or(&part);
        all
    })
}

fn required_by_steps(steps: &[Step], leaves: &mut Vec<usize>) {
    for step in steps {
        if let Step::Sets(sets) = step {
            required_by_sets(sets, leaves);
        }
    }
}

fn required_by_sets(sets: &Sets, leaves: &mut Vec<usize>) {
    match sets {
        Sets::Filter(cond) => required_by_cond(cond, leaves),
        Sets::Structural { mode: StructuralMode::Plain | StructuralMode::Negated, right, .. } => {
            required_by_sets(right, leaves);
        }
        Sets::Pipeline(steps) => required_by_steps(steps, leaves),
        Sets::All(_) | Sets::Any(_) | Sets::Structural { .. } => {}
    }
}

fn required_by_cond(cond: &Cond, leaves: &mut Vec<usize>) {
    match cond {
        Cond::Leaf(leaf) => leaves.push(*leaf),
        Cond::All(parts) => parts.iter().for_each(|part| required_by_cond(part, leaves)),
        _ => {}
    }
}
