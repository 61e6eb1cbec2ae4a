//! What a query says of a trace: its spansets, and the spans that it lists.

use hoptrail_query::traceql::field_label;
use hoptrail_query::{Field, Rows, SetHit, SpanHit, TraceHit, Value, any_value};

use crate::format;

/// Most spansets of a trace that are shown.
const MOST: usize = 5;
/// Most characters of a value.
const SHORT: usize = 80;

/// A spanset.
#[derive(Debug)]
pub(crate) struct SetRow {
    /// What stages say of it: `count()` and its value.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) matched: String,
    pub(crate) spans: Vec<SpanRow>,
}

/// A span of a spanset.
#[derive(Debug)]
pub(crate) struct SpanRow {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) duration: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// The spansets of a trace, as far as there is anything to say of them, and how many are left out.
pub(super) fn sets(hit: &TraceHit) -> (Vec<SetRow>, usize) {
    let says = |set: &SetHit| !set.attributes.is_empty() || !set.spans.is_empty();
    if hit.sets.len() < 2 && !hit.sets.iter().any(says) {
        return (vec![], 0);
    }
    let rows = hit.sets.iter().take(MOST).map(|set| set_row(hit, set)).collect();
    (rows, hit.sets.len().saturating_sub(MOST))
}

fn set_row(hit: &TraceHit, set: &SetHit) -> SetRow {
    SetRow {
        attributes: set
            .attributes
            .iter()
            .map(|(label, value)| (format::shortened(label, SHORT), shown(value)))
            .collect(),
        matched: format::counted(usize::try_from(set.matched).unwrap_or(usize::MAX), "span", "spans"),
        spans: set.spans.iter().map(|span| span_row(hit, span, Rows::Traces)).collect(),
    }
}

/// A span, whose service stands elsewhere when it has a row of its own.
pub(super) fn span_row(hit: &TraceHit, span: &SpanHit, rows: Rows) -> SpanRow {
    let fields = span.fields.iter().filter(|(field, _)| rows == Rows::Traces || *field != Field::service());
    SpanRow {
        href: crate::url::href(&format!("/trace/{}", hit.trace_id), [("span", span.span_id.to_string().as_str())]),
        name: if span.name.is_empty() { "(no name)".to_owned() } else { span.name.clone() },
        duration: format::duration(span.duration_nanos),
        fields: fields.map(|(field, value)| (field_label(field).to_owned(), shown(value))).collect(),
    }
}

/// A value in one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Duration(nanos) => format::duration(*nanos),
        other => format::shortened(&format::value(&any_value(other)), SHORT),
    }
}
