//! TraceQL: text -> tokens -> immutable tree -> checked -> plan.
//!
//! Everything here is pure and never panics, whatever the text. The parser knows the whole language; [`compile`] answers what
//! the store cannot do yet with an error that names the range.

pub mod ast;
mod check;
mod complete;
mod duration;
mod error;
mod fields;
mod fold;
mod kind;
mod lenient;
mod lex;
mod names;
mod number;
mod parse;
mod plan;
mod power;
mod print;
mod suggest;
mod tokens;

pub use complete::{Completion, Stored, complete};
pub use duration::{format_duration, parse_duration};
pub use error::{QueryError, render_errors};
pub use fields::{field_label, field_text, parse_field};
pub use kind::{Kind, kind_of};
pub use lenient::lenient_filter;
pub use parse::{MAX_QUERY_BYTES, parse};
pub use plan::{Compiled, CompiledMetrics, MetricsCall, SeriesExpr};

pub(crate) use names::SCOPES;

/// Parses, checks and plans a query.
///
/// ```
/// use hoptrail_query::traceql::{compile, render_errors};
///
/// let compiled = compile("{ name = \"GET /cart\" && span.http.route = \"/cart\" }").unwrap();
/// assert_eq!(compiled.select.len(), 1, "each answer has the span name anyway");
///
/// let query = "{ name = }";
/// let errors = compile(query).unwrap_err();
/// assert_eq!(&query[errors[0].range.clone()], "}");
/// assert!(render_errors(query, &errors).contains('^'));
/// ```
///
/// # Errors
/// Every fault found, in the order of the text, each with its byte range in `q`.
pub fn compile(q: &str) -> Result<Compiled, Vec<QueryError>> {
    let query = parse(q)?;
    let faults = check::check(&query);
    if faults.is_empty() { plan::plan(&query) } else { Err(faults) }
}

/// Whether a text is a metrics query, for who answers both: also one that is still at fault.
///
/// ```
/// use hoptrail_query::traceql::is_metrics;
///
/// assert!(is_metrics("{ status = error } | rate() by (name)"));
/// assert!(!is_metrics("{ name = \"rate()\" }"));
/// ```
#[must_use]
pub fn is_metrics(q: &str) -> bool {
    parse::parse_recovering(q).0.is_some_and(|query| query.is_metrics())
}

/// Parses, checks and plans a metrics query, such as `{ } | rate()`.
///
/// # Errors
/// As [`compile`]. A query without a metrics function is one.
pub fn compile_metrics(q: &str) -> Result<CompiledMetrics, Vec<QueryError>> {
    let query = parse(q)?;
    let faults = check::check(&query);
    if faults.is_empty() { plan::plan_metrics(&query) } else { Err(faults) }
}
