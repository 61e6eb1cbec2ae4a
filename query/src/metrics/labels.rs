//! Labels of series: what they are called, their order, and which are equal.

use std::cmp::Ordering;

use hoptrail_proto::model::AnyValue;
use hoptrail_storage::{Series, SeriesPart};

use crate::traceql::{MetricsCall, field_text};
use crate::values::any_value;

pub(super) type Labels = Vec<(String, AnyValue)>;

const NAME: &str = "__name__";
const META: &str = "__meta_type";

/// The labels of a series of the store. A missing value has none, unless all are missing. Without any label it has the function's name.
pub(super) fn labels(call: &MetricsCall, series: &Series) -> Labels {
    let groups = call.by.iter().zip(&series.group);
    let groups = groups.filter_map(|((_, label), value)| Some((label.clone(), any_value(value.as_ref()?))));
    let mut labels: Labels = groups.collect();
    if let (true, Some((_, first))) = (labels.is_empty(), call.by.first()) {
        labels.push((first.clone(), "nil".into()));
    }
    match &series.part {
        SeriesPart::Whole if labels.is_empty() => labels.push((NAME.to_owned(), call.name.into())),
        SeriesPart::Whole => {}
        SeriesPart::Quantile(quantile) => labels.push(("p".to_owned(), AnyValue::Double(*quantile))),
        SeriesPart::Bucket(most) => labels.push(("__bucket".to_owned(), AnyValue::Double(*most))),
        SeriesPart::Value { selected, field, value } => {
            let meta = if *selected { "selection" } else { "baseline" };
            labels.extend([(META.to_owned(), meta.into()), (field_text(field), any_value(value))]);
        }
        SeriesPart::Total { selected, field } => {
            let meta = if *selected { "selection_total" } else { "baseline_total" };
            labels.extend([(META.to_owned(), meta.into()), (field_text(field), "nil".into())]);
        }
    }
    labels
}

/// Whether the series stands for all groups: its only label is its name.
pub(super) fn is_unlabelled(labels: &Labels) -> bool {
    labels.iter().all(|(key, _)| key == NAME)
}

/// Equal for labels with the same keys and values in any order.
pub(super) fn identity(labels: &Labels) -> String {
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    format!("{sorted:?}")
}

/// The order of series: by the number of labels, then by keys and values.
pub(super) fn order(one: &Labels, other: &Labels) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| {
        let pairs = one.iter().zip(other);
        let each = pairs.map(|(one, other)| one.0.cmp(&other.0).then_with(|| value_order(&one.1, &other.1)));
        each.fold(Ordering::Equal, Ordering::then)
    })
}

/// Numbers come first, by their size; the others by type and text.
fn value_order(one: &AnyValue, other: &AnyValue) -> Ordering {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => match (one, other) {
            (AnyValue::String(one), AnyValue::String(other)) => one.cmp(other),
            _ => format!("{one:?}").cmp(&format!("{other:?}")),
        },
    }
}

fn number(value: &AnyValue) -> Option<f64> {
    match value {
        AnyValue::Int(number) => Some(*number as f64),
        AnyValue::Double(number) => Some(*number),
        _ => None,
    }
}
