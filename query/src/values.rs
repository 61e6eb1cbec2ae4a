//! Values of fields as attributes.

use hoptrail_proto::model::AnyValue;
use hoptrail_storage::Value;

use crate::traceql::format_duration;

/// A value as an attribute: what is none in OTLP is text.
///
/// ```
/// use hoptrail_query::{Value, any_value};
///
/// assert_eq!(any_value(&Value::Duration(1_500_000_000)), "1.5s".into());
/// ```
#[must_use]
pub fn any_value(value: &Value) -> AnyValue {
    match value {
        Value::Any(value) => value.clone(),
        Value::Duration(nanos) => AnyValue::String(format_duration(i64::try_from(*nanos).unwrap_or(i64::MAX))),
        Value::Status(status) => status.name().into(),
        Value::Kind(kind) => kind.name().into(),
    }
}
