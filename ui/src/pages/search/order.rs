//! In which order answers come, and what a row of them is, as stages of the query: so all that match are in order, and not only those of
//! a page.

use hoptrail_query::{Order, Rows, traceql};

use super::choice::{Choice, choices};
use super::field_error::FieldError;
use super::form::Form;

/// An order that the page offers.
struct Offered {
    word: &'static str,
    label: &'static str,
    /// The stage for traces and, where there is one, for spans.
    traces: &'static str,
    spans: Option<&'static str>,
}

const OFFERED: [Offered; 5] = [
    Offered { word: "", label: "Newest", traces: "", spans: Some("") },
    Offered { word: "oldest", label: "Oldest", traces: "sort(trace:start asc)", spans: None },
    Offered { word: "longest", label: "Longest", traces: "sort(traceDuration)", spans: Some("sort(duration)") },
    Offered { word: "spans", label: "Most spans", traces: "sort(trace:spanCount)", spans: None },
    Offered { word: "errors", label: "Most errors", traces: "sort(trace:errorCount)", spans: None },
];
/// What a row of the answer is.
pub(super) const ROWS: [(&str, &str); 2] = [("", "Traces"), ("spans", "Spans")];
/// How rows are shown.
pub(super) const VIEWS: [(&str, &str); 3] = [("", "List"), ("compact", "Compact"), ("table", "Table")];

impl Offered {
    fn stage(&self, rows: Rows) -> Option<&'static str> {
        match rows {
            Rows::Traces => Some(self.traces),
            Rows::Spans => self.spans,
        }
    }
}

/// Whether the reader may choose order and rows: a query that says its own has those.
pub(super) fn is_free(query: &traceql::Compiled) -> bool {
    query.order == Order::Newest && query.rows == Rows::Traces
}

/// The query with the stages that the form asks for.
pub(super) fn with_stages(query: &str, form: &Form) -> String {
    let rows = if form.rows.is_empty() { Rows::Traces } else { Rows::Spans };
    let order = OFFERED.iter().find(|order| order.word == form.sort).and_then(|order| order.stage(rows));
    let mut text = query.to_owned();
    for stage in [order.unwrap_or_default(), if rows == Rows::Spans { "spans" } else { "" }] {
        if !stage.is_empty() {
            text = format!("{text} | {stage}");
        }
    }
    text
}

/// What the form says that is not offered.
pub(super) fn check(form: &Form) -> Vec<FieldError> {
    let known = |field, given: &str, offered: &[&str]| {
        let message = || format!("{given:?} is none of {}.", offered.join(", "));
        (!given.is_empty() && !offered.contains(&given)).then(|| FieldError::new(field, message()))
    };
    let orders: Vec<&str> = OFFERED.iter().map(|order| order.word).filter(|word| !word.is_empty()).collect();
    let errors = [
        known("sort", &form.sort, &orders),
        known("rows", &form.rows, &["spans"]),
        known("view", &form.view, &["compact", "table"]),
    ];
    let facet = (!form.facet.is_empty()).then(|| traceql::parse_field(&form.facet).err()).flatten();
    let facet = facet.map(|reason| FieldError::new("facet", crate::format::sentence(&reason)));
    errors.into_iter().flatten().chain(facet).collect()
}

/// The orders to choose from, with their links.
pub(super) fn orders(form: &Form) -> Vec<(String, Choice)> {
    let rows = if form.rows.is_empty() { Rows::Traces } else { Rows::Spans };
    let offered = OFFERED.iter().filter(|order| order.stage(rows).is_some());
    linked(form, "sort", &form.sort, offered.map(|order| (order.word, order.label)))
}

/// Choices of one field with their links.
pub(super) fn linked<'a>(
    form: &Form,
    field: &str,
    chosen: &str,
    offered: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, Choice)> {
    let all = choices(offered, chosen).into_iter().filter(|choice| !choice.label.is_empty());
    all.map(|choice| (form.with(field, &choice.value), choice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_a_query() {
        for rows in ["", "spans"] {
            let form = Form { rows: rows.to_owned(), ..Form::default() };
            for (_, choice) in orders(&form) {
                let text = with_stages("{ name = \"a\" }", &Form { sort: choice.value.clone(), ..form.clone() });
                let compiled = traceql::compile(&text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
                assert_eq!(
                    (compiled.rows == Rows::Spans, compiled.order == Order::Newest),
                    (rows == "spans", choice.value.is_empty())
                );
            }
        }
        let form = Form { sort: "spans".into(), rows: "spans".into(), ..Form::default() };
        assert_eq!(with_stages("{ }", &form), "{ } | spans", "an order that spans have not");
    }
}
