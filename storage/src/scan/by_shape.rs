//! Conditions that the shape of a span decides. They are judged once a shape, and several together cost one pass over the rows.

use hoptrail_proto::model::{AnyValue, Attribute, InstrumentationScope, SpanKind, StatusCode};

use super::Test;
use super::eval::Scan;
use crate::matcher::values_of;
use crate::rows::{Shape, TableKind};
use crate::{AttributeScope, Field, Filter, Intrinsic, ReadError, Value};

impl Scan<'_> {
    /// For each shape of spans whether the condition holds, or with `negated` does not; `None` when more than the shape decides.
    pub(super) fn by_shape(&self, filter: &Filter, negated: bool) -> Result<Option<Vec<bool>>, ReadError> {
        let (field, test, wanted) = match filter {
            Filter::Not(inner) => return self.by_shape(inner, !negated),
            Filter::Compare { field, op, value } => (field, Test::Compare(*op, value.clone()), true),
            Filter::Matches { field, pattern, negated } => {
                (field, Test::matches(pattern, *negated, self.context), true)
            }
            Filter::Exists { field, present } => (field, Test::Present, *present),
            Filter::True | Filter::And(_) | Filter::Or(_) | Filter::Event(_) | Filter::Link(_) => return Ok(None),
        };
        let Some(mut good) = self.shapes_with(field, &test)? else { return Ok(None) };
        test.check()?;
        good.iter_mut().for_each(|good| *good = *good == (wanted != negated));
        Ok(Some(good))
    }

    /// For each shape of spans whether the field satisfies the test; `None` when it is not the shape that has the field.
    pub(super) fn shapes_with(&self, field: &Field, test: &Test) -> Result<Option<Vec<bool>>, ReadError> {
        let intrinsic = match field {
            Field::Intrinsic(intrinsic) => *intrinsic,
            Field::Attribute { scope: AttributeScope::Resource, key } => {
                let resources = self.group.resources().iter();
                let good: Vec<bool> = resources.map(|resource| holds(&resource.attributes, key, test)).collect();
                return self.shapes_by(&good, |shape| shape.resource).map(Some);
            }
            Field::Attribute { scope: AttributeScope::Instrumentation, key } => {
                let good = self.scopes(|scope| holds(&scope.attributes, key, test));
                return self.shapes_by(&good, |shape| shape.scope).map(Some);
            }
            Field::Attribute { .. } => return Ok(None),
        };
        let text = |text: &String| !text.is_empty() && test.holds_text(text.as_bytes());
        let good = match intrinsic {
            Intrinsic::Name => {
                let spans = &*self.group.table(TableKind::Span);
                let good: Vec<bool> = (0..spans.names()).map(|name| test.holds_text(spans.name(name as u32))).collect();
                self.shapes_by(&good, |shape| shape.name)
            }
            Intrinsic::Kind => {
                self.shapes_by_code(|code| test.holds(&Value::Kind(SpanKind::from_otlp(code))), |shape| shape.kind)
            }
            Intrinsic::Status => self
                .shapes_by_code(|code| test.holds(&Value::Status(StatusCode::from_otlp(code))), |shape| shape.status),
            Intrinsic::ScopeName => self.shapes_by(&self.scopes(|scope| text(&scope.name)), |shape| shape.scope),
            Intrinsic::ScopeVersion => self.shapes_by(&self.scopes(|scope| text(&scope.version)), |shape| shape.scope),
            _ => return Ok(None),
        };
        good.map(Some)
    }

    fn scopes(&self, test: impl Fn(&InstrumentationScope) -> bool) -> Vec<bool> {
        self.group.scopes().iter().map(|scope| test(scope)).collect()
    }

    /// For each shape what is said of that one of its parts that `number` names.
    fn shapes_by(&self, said: &[bool], number: impl Fn(&Shape) -> u32) -> Result<Vec<bool>, ReadError> {
        let spans = self.group.table(TableKind::Span);
        let said_of = |shape: &Shape| said.get(number(shape) as usize).copied().unwrap_or(false);
        Ok(spans.shapes()?.shapes.iter().map(said_of).collect())
    }

    /// For each shape what the test says of its code, which it is asked once for each code.
    fn shapes_by_code(&self, test: impl Fn(i32) -> bool, code: impl Fn(&Shape) -> u8) -> Result<Vec<bool>, ReadError> {
        let mut known = [None; 256];
        let spans = self.group.table(TableKind::Span);
        let mut said_of = |code: u8| *known[usize::from(code)].get_or_insert_with(|| test(i32::from(code)));
        Ok(spans.shapes()?.shapes.iter().map(|shape| said_of(code(shape))).collect())
    }
}

fn holds(attributes: &[Attribute], key: &str, test: &Test) -> bool {
    values_of(attributes, key).any(|value| match value {
        AnyValue::String(text) => test.holds_text(text.as_bytes()),
        value => test.holds(&Value::Any(value.clone())),
    })
}
