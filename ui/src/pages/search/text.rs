//! A query as text: what kind it is, and its parts.

use hoptrail_query::traceql::ast::{ExprKind, FieldExpr, MetricsFunction, StageKind};
use hoptrail_query::traceql::{self, QueryError};

/// Whether a text is TraceQL and no list of pairs: it begins with a brace, a bracket, a comment, or a function such as `count(`.
pub(super) fn is_traceql(text: &str) -> bool {
    let text = text.trim_start();
    let after_word = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').trim_start();
    ["{", "(", "//", "/*"].iter().any(|beginning| text.starts_with(beginning)) || after_word.starts_with('(')
}

/// Whether the query can be asked.
pub(super) fn check(text: &str) -> Result<(), Vec<QueryError>> {
    if traceql::is_metrics(text) {
        traceql::compile_metrics(text).map(|_| ())
    } else {
        traceql::compile(text).map(|_| ())
    }
}

/// Conditions, and behind them a query, as one. A query that is one filter stays one.
pub(super) fn joined(own: &[String], typed: &str) -> String {
    let own = own.join(" && ");
    let inner = typed.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).map(str::trim);
    match inner {
        Some("") => format!("{{ {own} }}"),
        Some(inner) => {
            let one = format!("{{ {own} && ({inner}) }}");
            if traceql::compile(&one).is_ok() { one } else { format!("{{ {own} }} | {typed}") }
        }
        None => format!("{{ {own} }} | {typed}"),
    }
}

/// Whether the query names what to list of each span.
pub(super) fn selects(text: &str) -> bool {
    let stages = traceql::parse(text).map(|query| query.pipeline.stages).unwrap_or_default();
    stages.iter().any(|stage| matches!(stage.kind, StageKind::Select(_)))
}

/// The query without stages at its end that only say what is listed, and in which order.
pub(super) fn matching(text: &str) -> &str {
    let Ok(query) = traceql::parse(text) else { return text };
    let lists = |kind: &StageKind| matches!(kind, StageKind::Select(_) | StageKind::Sort { .. } | StageKind::Spans);
    let last = query.pipeline.stages.iter().rev().find(|stage| !lists(&stage.kind));
    last.and_then(|last| text.get(..last.range.bytes().end)).unwrap_or(text)
}

/// The parts of a metrics query that a link to its spans needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// The query up to its metrics function: which spans count.
    pub(super) spans: String,
    /// What the function is of.
    pub(super) argument: Option<String>,
}

/// The parts of a query that has one metrics function, as a stage of its own.
pub(super) fn source(text: &str) -> Option<Source> {
    let query = traceql::parse(text).ok()?;
    let at = query.pipeline.stages.iter().position(|stage| call(&stage.kind).is_some())?;
    let before = query.pipeline.stages.get(at.checked_sub(1)?)?;
    let spans = text.get(query.pipeline.range.bytes().start..before.range.bytes().end)?;
    let argument = query.pipeline.stages.get(at).and_then(|stage| argument(call(&stage.kind)?));
    let argument = argument.and_then(|argument| text.get(argument.range.bytes()).map(str::to_owned));
    Some(Source { spans: spans.trim().to_owned(), argument })
}

fn call(kind: &StageKind) -> Option<&MetricsFunction> {
    match kind {
        StageKind::Expr(expr) => match &expr.kind {
            ExprKind::Metrics(call) => Some(&call.function),
            ExprKind::Binary { left, .. } => match &left.kind {
                // A comparison behind the function: rate() > 5.
                ExprKind::Metrics(call) => Some(&call.function),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn argument(function: &MetricsFunction) -> Option<&FieldExpr> {
    use MetricsFunction as F;
    match function {
        F::MinOverTime(of) | F::MaxOverTime(of) | F::AvgOverTime(of) | F::SumOverTime(of) => Some(of),
        F::HistogramOverTime(of) | F::QuantileOverTime(of, _) => Some(of),
        F::Rate | F::CountOverTime | F::Compare { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceql_is_told_from_pairs() {
        for text in ["{}", " ( {} | rate() ) / 2", "// all\n{}", "count() > 2", "by (name) | count() > 2", "/* */ {}"] {
            assert!(is_traceql(text), "{text}");
        }
        for text in ["", "a=b", "name=\"f(x)\"", "http.route=/cart error=true", "\"a(\"=b", "4bf92f"] {
            assert!(!is_traceql(text), "{text}");
        }
    }

    #[test]
    fn conditions_go_before_the_query() {
        let own = ["status = error".to_owned()];
        for (typed, whole) in [
            ("{ }", "{ status = error }"),
            ("{ .a = 1 || .b = 2 }", "{ status = error && (.a = 1 || .b = 2) }"),
            ("{ .a = 1 // x\n}", "{ status = error } | { .a = 1 // x\n}"),
            ("{ .a = 1 } && { .b = 2 }", "{ status = error } | { .a = 1 } && { .b = 2 }"),
            ("{ } | rate()", "{ status = error } | { } | rate()"),
        ] {
            assert_eq!(joined(&own, typed), whole);
            assert!(check(whole).is_ok(), "{whole}");
        }
    }

    #[test]
    fn the_spans_of_a_metrics_query_are_known() {
        let parts = |text: &str| source(text).map(|source| (source.spans, source.argument));
        for (text, spans, argument) in [
            ("{ .a = 1 } | rate() by (name)", "{ .a = 1 }", None),
            (" {} | by(name) | count() > 2 | rate()", "{} | by(name) | count() > 2", None),
            ("{ } | histogram_over_time(duration)", "{ }", Some("duration")),
            ("{ } | quantile_over_time(span.x * 2, .5) | topk(3)", "{ }", Some("span.x * 2")),
            ("{ } | rate() > 5", "{ }", None),
        ] {
            assert_eq!(parts(text), Some((spans.to_owned(), argument.map(str::to_owned))), "{text}");
        }
        assert_eq!((parts("({ } | rate()) / ({ } | rate())"), parts("{ }"), parts("{")), (None, None, None));
    }

    #[test]
    fn what_is_only_listed_does_not_match() {
        for (text, whole) in [
            ("{ .a = 1 } | select(.b)", "{ .a = 1 }"),
            ("{ } | count() > 2 | select(.b) | sort(duration) | spans", "{ } | count() > 2"),
            ("{ } | select(.b) | count() > 2", "{ } | select(.b) | count() > 2"),
            ("{ }", "{ }"),
            ("{", "{"),
        ] {
            assert_eq!(matching(text), whole);
        }
    }

    #[test]
    fn a_query_may_say_what_to_list() {
        assert!(selects("{ } | select(span.a)") && !selects("{ span.a = 1 }") && !selects("{"));
    }
}
