//! What a query says of a trace: its spansets, and the spans that it lists.

use hoptrail_query::traceql::{field_label, field_text};
use hoptrail_query::{Field, Rows, SetHit, SpanHit, TraceHit, Value, any_value};

use super::form::Form;
use super::overview::narrowed;
use super::series::condition;
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
    pub(crate) fields: Vec<FieldShown>,
}

/// A field of a span with its value.
#[derive(Debug)]
pub(crate) struct FieldShown {
    pub(crate) label: String,
    pub(crate) value: String,
    /// This search for spans that have the value; empty when there is no word for it.
    pub(crate) include: String,
    /// This search for spans that do not.
    pub(crate) exclude: String,
}

/// The spansets of a trace, as far as there is anything to say of them, and how many are left out.
pub(super) fn sets(form: &Form, hit: &TraceHit) -> (Vec<SetRow>, usize) {
    let says = |set: &SetHit| !set.attributes.is_empty() || !set.spans.is_empty();
    if hit.sets.len() < 2 && !hit.sets.iter().any(says) {
        return (vec![], 0);
    }
    let rows = hit.sets.iter().take(MOST).map(|set| set_row(form, hit, set)).collect();
    (rows, hit.sets.len().saturating_sub(MOST))
}

fn set_row(form: &Form, hit: &TraceHit, set: &SetHit) -> SetRow {
    SetRow {
        attributes: set
            .attributes
            .iter()
            .map(|(label, value)| (format::shortened(label, SHORT), shown(value)))
            .collect(),
        matched: format::counted(usize::try_from(set.matched).unwrap_or(usize::MAX), "span", "spans"),
        spans: set.spans.iter().map(|span| span_row(form, hit, span, Rows::Traces)).collect(),
    }
}

/// A span, whose service stands elsewhere when it has a row of its own.
pub(super) fn span_row(form: &Form, hit: &TraceHit, span: &SpanHit, rows: Rows) -> SpanRow {
    let fields = span.fields.iter().filter(|(field, _)| rows == Rows::Traces || *field != Field::service());
    SpanRow {
        href: crate::url::href(&format!("/trace/{}", hit.trace_id), [("span", span.span_id.to_string().as_str())]),
        name: if span.name.is_empty() { "(no name)".to_owned() } else { span.name.clone() },
        duration: format::duration(span.duration_nanos),
        fields: fields.map(|(field, value)| field_shown(form, field, value)).collect(),
    }
}

fn field_shown(form: &Form, field: &Field, value: &Value) -> FieldShown {
    let label = field_label(field).to_owned();
    let shown = shown(value);
    // No two spans have just the same duration.
    let is_duration = matches!(value, Value::Duration(_));
    let Some(has) = condition(&field_text(field), &any_value(value)).filter(|_| !is_duration) else {
        return FieldShown { label, value: shown, include: String::new(), exclude: String::new() };
    };
    FieldShown {
        label,
        value: shown,
        include: narrowed(form, &has).unwrap_or_default(),
        exclude: narrowed(form, &format!("!({has})")).unwrap_or_default(),
    }
}

/// A value in one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Duration(nanos) => format::duration(*nanos),
        other => format::shortened(&format::value(&any_value(other)), SHORT),
    }
}
