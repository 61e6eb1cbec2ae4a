//! A field with its value as a condition in TraceQL.

use hoptrail_proto::model::AnyValue;
use hoptrail_storage::{Field, Value};

use crate::quoted;
use crate::traceql::field_text;

/// Longer texts are not written into a query.
const LONGEST: usize = 1_000;

/// The condition that a span has the value; `None` when TraceQL has no word for it.
///
/// ```
/// use hoptrail_query::why::condition;
/// use hoptrail_query::{Field, Value};
///
/// let service = Value::string("cart");
/// assert_eq!(condition(&Field::service(), &service).unwrap(), r#"resource.service.name = "cart""#);
/// ```
#[must_use]
pub fn condition(field: &Field, value: &Value) -> Option<String> {
    let text = match value {
        Value::Any(AnyValue::String(text)) if text.len() <= LONGEST => quoted(text),
        Value::Any(AnyValue::Int(number)) => number.to_string(),
        Value::Any(AnyValue::Double(number)) if number.is_finite() => format!("{number:?}"),
        Value::Any(AnyValue::Bool(value)) => value.to_string(),
        Value::Duration(nanos) => format!("{nanos}ns"),
        Value::Status(status) => status.name().to_owned(),
        Value::Kind(kind) => kind.name().to_owned(),
        Value::Any(_) => return None,
    };
    Some(format!("{} = {text}", field_text(field)))
}
