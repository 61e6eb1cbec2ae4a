//! Single fields as text: read, written, and named in answers.

use hoptrail_storage::Field;

use super::ast::{FieldExpr, FieldKind};
use super::parse;
use super::print::{attribute_text, parent_attribute_text};

/// Reads the name of one field, such as `resource.service.name`, `.x`, `parent.x` or `status`.
///
/// # Errors
/// A text that says why it is no field.
pub fn parse_field(text: &str) -> Result<Field, String> {
    match parse::parse_field_expr(text) {
        Ok(FieldExpr { kind: FieldKind::Field(found), .. }) => Ok(found.stored()),
        _ => Err(format!("{text:?} is no field; write .key, span.key, resource.key or an intrinsic such as name")),
    }
}

/// The name of a field in Tempo's search answers: the bare key, or the intrinsic's word.
///
/// ```
/// use hoptrail_query::traceql::{field_label, field_text, parse_field};
///
/// let field = parse_field("span.http.route").unwrap();
/// assert_eq!((field_label(&field), field_text(&field).as_str()), ("http.route", "span.http.route"));
/// ```
#[must_use]
pub fn field_label(field: &Field) -> &str {
    match field {
        Field::Attribute { key, .. } => key,
        Field::Intrinsic(intrinsic) => intrinsic.word(),
        Field::Parent(field) => field_label(field),
    }
}

/// How a field is written in a query, quoted where it must be.
#[must_use]
pub fn field_text(field: &Field) -> String {
    match field {
        Field::Attribute { scope, key } => attribute_text(*scope, key),
        Field::Intrinsic(_) => field_label(field).to_owned(),
        Field::Parent(inner) => match inner.as_ref() {
            Field::Attribute { scope, key } => parent_attribute_text(*scope, key),
            other => format!("parent.{}", field_text(other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_storage::{AttributeScope, Intrinsic};

    use super::*;

    #[test]
    fn fields_are_read_from_their_text() {
        let attribute = Field::attribute;
        for (text, field) in [
            (".x", attribute(AttributeScope::Any, "x")),
            ("span.http.url/path", attribute(AttributeScope::Span, "http.url/path")),
            ("resource.\"a b\"", attribute(AttributeScope::Resource, "a b")),
            ("status", Field::Intrinsic(Intrinsic::Status)),
            ("trace:rootService", Field::Intrinsic(Intrinsic::RootService)),
            ("instrumentation.x", attribute(AttributeScope::Instrumentation, "x")),
            ("parent", Field::Intrinsic(Intrinsic::ParentId)),
            ("nestedSetLeft", Field::Intrinsic(Intrinsic::NestedSetLeft)),
            ("parent.x", Field::Parent(Box::new(attribute(AttributeScope::Any, "x")))),
            ("parent.\"span.x\"", Field::Parent(Box::new(attribute(AttributeScope::Any, "span.x")))),
            ("parent.resource.x", Field::Parent(Box::new(attribute(AttributeScope::Resource, "x")))),
        ] {
            assert_eq!(parse_field(text), Ok(field.clone()), "{text}");
            assert_eq!(parse_field(&field_text(&field)), Ok(field), "{text}");
        }
        for text in ["", "foo", "5", ".a = 1", "span.", "parent.", "{", "span.a span.b", "-.a"] {
            assert!(parse_field(text).is_err(), "{text}");
        }
    }
}
