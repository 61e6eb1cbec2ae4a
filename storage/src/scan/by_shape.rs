//! Conditions that the shape of a span decides. Each is tested once for each shape. Several together cost one pass over the rows.

use hoptrail_proto::model::{AnyValue, Attribute, InstrumentationScope, SpanKind, StatusCode};

use super::eval::{Scan, names_with};
use super::{ShapePart, Test};
use crate::matcher::values_of;
use crate::rows::TableKind;
use crate::{AttributeScope, Field, Filter, Intrinsic, ReadError, Value};

impl Scan<'_> {
    /// For each shape of spans whether it satisfies the condition, or with `negated` does not. `None` when the shape alone does not decide.
    pub(super) fn by_shape(&self, filter: &Filter, negated: bool) -> Result<Option<Vec<bool>>, ReadError> {
        let (field, test, wanted) = match filter {
            Filter::Not(inner) => return self.by_shape(inner, !negated),
            Filter::Compare { field, op, value } => (field, Test::Compare(*op, value.clone()), true),
            Filter::Matches { field, pattern, negated } => {
                (field, Test::matches(pattern, *negated, self.context), true)
            }
            Filter::Exists { field, present } => (field, Test::Present, *present),
            Filter::True
            | Filter::And(_)
            | Filter::Or(_)
            | Filter::Relation { .. }
            | Filter::Computed { .. }
            | Filter::Event(_)
            | Filter::Link(_) => return Ok(None),
        };
        let Some(mut good) = self.shapes_with(field, &test)? else { return Ok(None) };
        test.check()?;
        good.iter_mut().for_each(|good| *good = *good == (wanted != negated));
        Ok(Some(good))
    }

    /// For each shape of spans whether the field satisfies the test. `None` when the field is not in the shape.
    pub(super) fn shapes_with(&self, field: &Field, test: &Test) -> Result<Option<Vec<bool>>, ReadError> {
        let intrinsic = match field {
            Field::Intrinsic(intrinsic) => *intrinsic,
            Field::Attribute { scope: AttributeScope::Resource, key } => {
                let resources = self.group.resources().iter();
                let good: Vec<bool> = resources.map(|resource| holds(&resource.attributes, key, test)).collect();
                return self.shapes_by(&good, ShapePart::Resource).map(Some);
            }
            Field::Attribute { scope: AttributeScope::Instrumentation, key } => {
                let good = self.scopes(|scope| holds(&scope.attributes, key, test));
                return self.shapes_by(&good, ShapePart::Scope).map(Some);
            }
            Field::Attribute { .. } | Field::Parent(_) => return Ok(None),
        };

        let good = match intrinsic {
            Intrinsic::Name => {
                let spans = &*self.group.table(TableKind::Span);
                self.shapes_by(&names_with(spans, test), ShapePart::Name)
            }
            Intrinsic::Kind => {
                self.shapes_by_byte(ShapePart::Kind, |kind| test.holds(&Value::Kind(SpanKind::from_otlp(kind))))
            }
            Intrinsic::Status => {
                self.shapes_by_byte(ShapePart::Status, |code| test.holds(&Value::Status(StatusCode::from_otlp(code))))
            }
            Intrinsic::ScopeName => {
                self.shapes_by(&self.scopes(|scope| holds_if_any(&scope.name, test)), ShapePart::Scope)
            }
            Intrinsic::ScopeVersion => {
                self.shapes_by(&self.scopes(|scope| holds_if_any(&scope.version, test)), ShapePart::Scope)
            }
            _ => return Ok(None),
        };
        good.map(Some)
    }

    fn scopes(&self, test: impl Fn(&InstrumentationScope) -> bool) -> Vec<bool> {
        self.group.scopes().iter().map(|scope| test(scope)).collect()
    }

    /// For each shape whether its value of this part is good.
    fn shapes_by(&self, good: &[bool], part: ShapePart) -> Result<Vec<bool>, ReadError> {
        let spans = self.group.table(TableKind::Span);
        let indexes = spans.shapes()?.shapes.iter().map(|shape| part.of(shape) as usize);
        Ok(indexes.map(|index| good.get(index).copied().unwrap_or(false)).collect())
    }

    /// The same of a part that takes a byte. Each code that is there is tested once.
    fn shapes_by_byte(&self, part: ShapePart, test: impl Fn(i32) -> bool) -> Result<Vec<bool>, ReadError> {
        let mut known = [None; 256];
        let spans = self.group.table(TableKind::Span);
        let good = spans.shapes()?.shapes.iter().map(|shape| {
            let code = part.of(shape);
            let Some(known) = known.get_mut(code as usize) else { return false };
            *known.get_or_insert_with(|| i32::try_from(code).is_ok_and(&test))
        });
        Ok(good.collect())
    }
}

/// An empty text counts as absent.
fn holds_if_any(text: &str, test: &Test) -> bool {
    !text.is_empty() && test.holds_text(text.as_bytes())
}

fn holds(attributes: &[Attribute], key: &str, test: &Test) -> bool {
    values_of(attributes, key).any(|value| match value {
        AnyValue::String(text) => test.holds_text(text.as_bytes()),
        value => test.holds(&Value::Any(value.clone())),
    })
}
