//! What can be understood of a query that is still being typed: for lists of names and values, where a wrong guess only makes
//! the list longer.

use hoptrail_storage::Filter;

use super::ast::{ExprKind, FieldExpr, FieldKind, LogicOp, StageKind};
use super::check::check_condition;
use super::parse::parse_recovering;
use super::plan::{Planner, conjunction};

/// The filter of the conditions in `q` that are complete. Everything else counts as true. A text that is not one filter in braces
/// filters nothing.
///
/// ```
/// use hoptrail_query::traceql::{compile, lenient_filter};
///
/// let complete = compile("{ .a = 1 }").unwrap().spans;
/// assert_eq!(Some(&lenient_filter("{ .a = 1 && .b = ")), complete.as_filter());
/// ```
#[must_use]
pub fn lenient_filter(q: &str) -> Filter {
    let (Some(query), _) = parse_recovering(q) else { return Filter::True };
    let [stage] = query.pipeline.stages.as_slice() else { return Filter::True };
    match &stage.kind {
        StageKind::Expr(expr) => match &expr.kind {
            ExprKind::Filter(Some(condition)) => understood(condition).unwrap_or(Filter::True),
            _ => Filter::True,
        },
        _ => Filter::True,
    }
}

/// The filter; `None` for an expression that is incomplete or at fault, and for a bare field, behind which an operator may follow.
fn understood(expr: &FieldExpr) -> Option<Filter> {
    match &expr.kind {
        FieldKind::Logic { op: LogicOp::And, operands } => {
            Some(conjunction(operands.iter().filter_map(understood).collect()))
        }
        FieldKind::Logic { op: LogicOp::Or, operands } => {
            operands.iter().map(understood).collect::<Option<Vec<_>>>().map(Filter::Or)
        }
        FieldKind::Field(_) => None,
        _ if expr.has_error() || !check_condition(expr).is_empty() => None,
        _ => Planner::default().condition(expr),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traceql::compile;

    #[test]
    fn incomplete_conditions_count_as_true() {
        for (typed, meant) in [
            ("{ .a = 1 && .b = }", "{ .a = 1 }"),
            ("{ .a = 1 && .b", "{ .a = 1 }"),
            ("{ .a = 1 && }", "{ .a = 1 }"),
            ("{ .a = 1 && span. }", "{ .a = 1 }"),
            ("{ .a = && .b = 2 }", "{ .b = 2 }"),
            ("{ .a = 1 || .b = }", "{ }"),
            ("{ .a = 1 || .b = 2 }", "{ .a = 1 || .b = 2 }"),
            ("{ .b = 2 && (.a = 1 || .c = ) }", "{ .b = 2 }"),
            ("{ .a = 1", "{ .a = 1 }"),
            ("{ .a = 1 && name = 5 }", "{ .a = 1 }"),
            ("{ .a = 1 && .b =~ \"(\" }", "{ .a = 1 }"),
            ("{ .a = 1 .b && .c = 2 }", "{ .a = 1 && .c = 2 }"),
            ("{ event.a = 1 && event.b = 2 && }", "{ event.a = 1 && event.b = 2 }"),
            ("{}", "{ }"),
        ] {
            let expected = compile(meant).map(|compiled| compiled.spans.as_filter().cloned().expect("a filter"));
            assert_eq!(Ok(lenient_filter(typed)), expected, "{typed}");
        }
    }

    #[test]
    fn what_is_not_one_filter_filters_nothing() {
        for typed in ["", "foo", "{ .a = 1 } && { .b = 2 }", "{ .a = 1 } | count() > 2", "}{", "{ .a ="] {
            assert_eq!(lenient_filter(typed), Filter::True, "{typed}");
        }
    }
}
