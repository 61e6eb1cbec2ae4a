//! Exceptions in groups: what [`Service::exceptions`](crate::Service::exceptions) is asked, and searches for what it found.

use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pipeline, Value};
pub use hoptrail_storage::{ExceptionExample, ExceptionGroup, Exceptions, ExceptionsRequest};

use crate::quoting::{literal_pattern, quoted};
use crate::traceql::field_text;
use crate::why::condition;

/// The spans that recorded an exception; only those of a service, if one is named.
#[must_use]
pub fn spans_with_exceptions(service: Option<&str>) -> Pipeline {
    let event = Filter::compare(Field::Intrinsic(Intrinsic::EventName), CompareOp::Eq, Value::string("exception"));
    match service {
        None => event.into(),
        Some(service) => {
            let own = Filter::compare(Field::service(), CompareOp::Eq, Value::string(service));
            Filter::And(vec![own, event]).into()
        }
    }
}

/// A search for the spans of a group, as TraceQL: those of its service, with its type, and with a message like its own.
///
/// ```
/// use hoptrail_query::exceptions::{ExceptionGroup, group_query};
/// use hoptrail_query::traceql::compile;
///
/// let group = ExceptionGroup { service: "cart".into(), template: "no {} (yet)".into(), ..ExceptionGroup::default() };
/// let query = group_query(&group);
/// assert!(query.ends_with(r#"event.exception.message =~ "(?s)no .* \\(yet\\).*" }"#), "{query}");
/// assert!(compile(&query).is_ok());
/// ```
#[must_use]
pub fn group_query(group: &ExceptionGroup) -> String {
    let attribute = |key: &str| field_text(&Field::attribute(AttributeScope::Event, key));
    let kind = Some(group.kind.as_str()).filter(|kind| !kind.is_empty());
    let message = Some(pattern(&group.template)).filter(|_| !group.template.is_empty());
    let conditions = [
        condition(&Field::service(), &Value::string(group.service.as_str())),
        condition(&Field::Intrinsic(Intrinsic::EventName), &Value::string("exception")),
        kind.and_then(|kind| {
            condition(&Field::attribute(AttributeScope::Event, "exception.type"), &Value::string(kind))
        }),
        message.map(|message| format!("{} =~ {}", attribute("exception.message"), quoted(&message))),
    ];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    format!("{{ {} }}", conditions.join(" && "))
}

/// An expression that matches every message of a template, and whatever lines follow.
fn pattern(template: &str) -> String {
    let mut out = "(?s)".to_owned();
    for (index, part) in template.split("{}").enumerate() {
        out.push_str(if index > 0 { ".*" } else { "" });
        out.push_str(&literal_pattern(part));
    }
    out.push_str(".*");
    out
}
