//! Why some traces differ from others: which values, of any of their spans, tell the two apart.
//!
//! The store counts ([`Contrast`]); here a question becomes what the store is asked, and its answer findings that a person can follow.

mod condition;
mod named;

use hoptrail_storage::{Bar, Field, Pipeline, TimeRange, Value};
pub use hoptrail_storage::{CallPath, CallPaths, Contrast, ContrastRequest, PathNumbers, PathsRequest, Sides};

use crate::traceql::ast::{ExprKind, Stage, StageKind};
use crate::traceql::{self, QueryError};
pub use condition::condition;
use named::named_values;

/// Keys of attributes that differ from span to span and explain nothing: ids, times, and what is a number of a connection.
const IGNORED: [&str; 12] = [
    "*trace_id",
    "*span_id",
    "*traceparent",
    "*request_id",
    "*request.id",
    "*message.id",
    "*correlation_id",
    "*timestamp",
    "thread.id",
    "process.pid",
    "*peer.port",
    "client.port",
];

/// The keys that are passed over unless the settings say otherwise.
pub(crate) fn ignored() -> Vec<String> {
    IGNORED.map(str::to_owned).into()
}

/// A question, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// TraceQL: the traces in question.
    pub selected: String,
    /// TraceQL: what they are compared with, without themselves.
    pub others: String,
    /// When a span that a query finds runs.
    pub range: Option<TimeRange>,
}

/// What is shown of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Only the traces in question.
    Alone,
    /// These, and the others beside them.
    Both,
}

/// Faults of one of the two queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Whether they are those of the selection.
    pub of_selection: bool,
    /// What is wrong, each with its range of bytes.
    pub errors: Vec<QueryError>,
}

impl Question {
    /// What the store is asked; keys that fit `ignored` are passed over.
    ///
    /// # Errors
    /// The faults of the first query that has any.
    pub fn request(&self, ignored: &[String]) -> Result<ContrastRequest, Faults> {
        let (selected, others) = (compiled(&self.selected, true)?, compiled(&self.others, false)?);
        let without = named_values(&selected);
        let bar = Bar::default();
        Ok(ContrastRequest { selected, others, range: self.range, ignored: ignored.to_vec(), without, bar })
    }

    /// The traces in question as one, beside the others if `sides` is two.
    ///
    /// # Errors
    /// As [`Question::request`].
    pub fn paths(&self, sides: Compared) -> Result<PathsRequest, Faults> {
        let others = (sides == Compared::Both).then(|| compiled(&self.others, false)).transpose()?;
        Ok(PathsRequest { selected: compiled(&self.selected, true)?, others, range: self.range })
    }

    /// The traces in question that have a finding as well, as TraceQL.
    fn with(&self, condition: &str, is_more: bool) -> Option<String> {
        let of = if is_more { &self.selected } else { &self.others };
        let query = traceql::parse(of).ok()?;
        let is_filter = match query.pipeline.stages.as_slice() {
            [Stage { kind: StageKind::Expr(expr), .. }] => matches!(expr.kind, ExprKind::Filter(_)),
            _ => false,
        };
        let both = match query.to_string() {
            everything if everything == "{ }" => condition.to_owned(),
            filter if is_filter => format!("{filter} && {condition}"),
            other => format!("({other}) && {condition}"),
        };
        traceql::compile(&both).is_ok().then_some(both)
    }
}

/// The traces that a query finds.
fn compiled(query: &str, of_selection: bool) -> Result<Pipeline, Faults> {
    traceql::compile(query).map(|compiled| compiled.spans).map_err(|errors| Faults { of_selection, errors })
}

/// What tells the traces apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings {
    /// All traces.
    pub traces: Sides,
    /// What is more frequent in the selection: what differs most is first.
    pub more: Vec<Finding>,
    /// What is less frequent.
    pub fewer: Vec<Finding>,
}

/// A value, or two that stand together, with other shares in the selection than elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// One or two.
    pub terms: Vec<Term>,
    /// Of two: whether one span has both; else any spans of the trace have them.
    pub is_of_one_span: bool,
    /// How many traces have it.
    pub traces: Sides,
    /// Other values that just the same traces have.
    pub alike: Vec<Term>,
    /// The finding as a set of spans in TraceQL; `None` when TraceQL has no word for the value.
    pub condition: Option<String>,
    /// The traces in question that have it, or the others when it is rare in the selection.
    pub query: Option<String>,
}

/// A field with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The field.
    pub field: Field,
    /// Its value.
    pub value: Value,
}

impl Finding {
    /// How many times as frequent in the selection; infinite when no other trace has it.
    #[must_use]
    pub fn lift(&self, all: &Sides) -> f64 {
        let (selected, others) = self.traces.shares(all);
        if others > 0.0 { selected / others } else { f64::INFINITY }
    }

    /// How sure it is that the shares differ.
    #[must_use]
    pub fn confidence(&self, all: &Sides) -> Confidence {
        match self.traces.surprise(all) {
            surprise if surprise >= 40.0 => Confidence::Certain,
            surprise if surprise >= 24.0 => Confidence::High,
            _ => Confidence::Fair,
        }
    }
}

/// How sure a finding is. By chance one value in 15,000 differs so much that it is a finding at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Less than one in a million by chance.
    High,
    /// Less than one in a billion by chance.
    Certain,
    /// Less than one in ten thousand by chance.
    Fair,
}

impl Confidence {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::High => "high",
            Self::Fair => "fair",
        }
    }
}

/// The findings that the store's answer to a question is.
#[must_use]
pub fn findings(question: &Question, contrast: &Contrast) -> Findings {
    let all = contrast.traces;
    let mut found = Findings { traces: all, ..Findings::default() };
    let mut singles: Vec<Option<Finding>> = Vec::new();
    for own in &contrast.values {
        let term = Term { field: own.field.clone(), value: own.value.clone() };
        let first = own.same_as.and_then(|same| singles.get_mut(same)).and_then(Option::as_mut);
        match first {
            Some(first) => {
                first.alike.push(term);
                singles.push(None);
            }
            None => {
                let is_more = own.traces.difference(&all) > 0.0;
                singles.push(Some(finding(question, vec![term], false, own.traces, is_more)));
            }
        }
    }
    let pairs = contrast.pairs.iter().map(|pair| {
        let terms = pair.values.iter().map(|(field, value)| Term { field: field.clone(), value: value.clone() });
        finding(question, terms.collect(), pair.is_of_one_span, pair.traces, true)
    });
    let mut every: Vec<Finding> = pairs.chain(singles.into_iter().flatten()).collect();
    let weight = |finding: &Finding| finding.traces.difference(&all).abs();
    every.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    (found.more, found.fewer) = every.into_iter().partition(|finding| finding.traces.difference(&all) > 0.0);
    found
}

fn finding(question: &Question, terms: Vec<Term>, is_of_one_span: bool, traces: Sides, is_more: bool) -> Finding {
    let conditions: Option<Vec<String>> = terms.iter().map(|term| condition(&term.field, &term.value)).collect();
    let set = conditions.map(|conditions| {
        let between = if is_of_one_span { " && " } else { " } && { " };
        format!("{{ {} }}", conditions.join(between))
    });
    let query = set.as_ref().and_then(|set| question.with(set, is_more));
    Finding { terms, is_of_one_span, traces, alike: Vec::new(), condition: set, query }
}

#[cfg(test)]
mod tests;
