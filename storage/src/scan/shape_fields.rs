//! Fields that the shape of a span tells: those of its resource and its scope, its name, kind and status.

use std::borrow::Cow;

use hashbrown::HashMap;
use hoptrail_proto::model::{Attribute, SpanKind, StatusCode};

use super::{NO_CODE, ShapePart, SpanColumns, TableView};
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::matcher::values_of;
use crate::rows::{Shape, TableKind, text};
use crate::{AttributeScope, Field, Intrinsic, ReadError, Value};

/// A field that the shape tells.
pub(super) struct ShapeField<'g> {
    pub(super) part: ShapePart,
    /// The field's first value, by the part.
    pub(super) value: Box<dyn Fn(u32) -> Option<Value> + 'g>,
}

impl<'g> ShapeField<'g> {
    /// The field; `None` when the shape does not tell it.
    pub(super) fn of(group: &'g dyn SpanColumns, field: &'g Field) -> Option<Self> {
        let resource = move |index: u32| group.resources().get(index as usize);
        let scope = move |index: u32| group.scopes().get(index as usize);
        let (part, value): (_, Box<dyn Fn(u32) -> Option<Value> + 'g>) = match field {
            Field::Attribute { scope: AttributeScope::Resource, key } => {
                (ShapePart::Resource, Box::new(move |index| first_of(&resource(index)?.attributes, key)))
            }
            Field::Attribute { scope: AttributeScope::Instrumentation, key } => {
                (ShapePart::Scope, Box::new(move |index| first_of(&scope(index)?.attributes, key)))
            }
            Field::Intrinsic(Intrinsic::Name) => {
                let spans = group.table(TableKind::Span);
                (ShapePart::Name, Box::new(move |index| Some(Value::string(text(spans.name(index))))))
            }
            Field::Intrinsic(Intrinsic::Kind) => {
                (ShapePart::Kind, Box::new(|code| Some(Value::Kind(SpanKind::from_otlp(i32::try_from(code).ok()?)))))
            }
            Field::Intrinsic(Intrinsic::Status) => {
                let status = |code| Some(Value::Status(StatusCode::from_otlp(i32::try_from(code).ok()?)));
                (ShapePart::Status, Box::new(status))
            }
            Field::Intrinsic(Intrinsic::ScopeName) => {
                (ShapePart::Scope, Box::new(move |index| unless_empty(&scope(index)?.name)))
            }
            Field::Intrinsic(Intrinsic::ScopeVersion) => {
                (ShapePart::Scope, Box::new(move |index| unless_empty(&scope(index)?.version)))
            }
            _ => return None,
        };
        Some(Self { part, value })
    }
}

/// The first value of a key.
pub(super) fn first_of(attributes: &[Attribute], key: &str) -> Option<Value> {
    values_of(attributes, key).next().map(|value| Value::Any(value.clone()))
}

fn unless_empty(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::string(text))
}

/// A part of the shapes of some rows, by codes.
pub(crate) struct PartCodes {
    /// For each row, ascending, an index into the parts.
    pub(crate) codes: Vec<u32>,
    /// Each once.
    pub(crate) parts: Vec<u32>,
}

/// The part of the rows' shapes. A look at each row is one at an array.
pub(super) fn part_codes(table: &dyn TableView, part: ShapePart, rows: &Bitmap) -> Result<PartCodes, ReadError> {
    let (shapes, codes) = (&table.shapes()?.shapes, at_rows(table.shape_codes()?, rows));
    let mut of_shape = vec![NO_CODE; shapes.len()];
    let mut known: HashMap<u32, u32> = HashMap::new();
    let mut parts = Vec::new();
    let codes = codes.iter().map(|shape| {
        let Some(code) = of_shape.get_mut(*shape as usize) else { return 0 };
        if *code == NO_CODE {
            let own = shapes.get(*shape as usize).map_or(0, |shape: &Shape| part.of(shape));
            *code = *known.entry(own).or_insert_with(|| {
                parts.push(own);
                len_u32(parts.len() - 1)
            });
        }
        *code
    });
    let codes = codes.collect();
    Ok(PartCodes { codes, parts })
}

/// The rows' shapes: a part is an index into the shapes of the table.
pub(crate) fn used_shapes(table: &dyn TableView, rows: &Bitmap) -> Result<PartCodes, ReadError> {
    let codes = at_rows(table.shape_codes()?, rows);
    let mut of_shape = vec![NO_CODE; table.shapes()?.shapes.len()];
    let mut parts = Vec::new();
    let codes = codes.iter().map(|shape| {
        let Some(code) = of_shape.get_mut(*shape as usize) else { return NO_CODE };
        if *code == NO_CODE {
            *code = len_u32(parts.len());
            parts.push(*shape);
        }
        *code
    });
    let codes = codes.collect();
    Ok(PartCodes { codes, parts })
}

/// The codes at these rows, ascending.
fn at_rows<'c>(codes: &'c [u32], rows: &Bitmap) -> Cow<'c, [u32]> {
    if rows.is_full() && rows.len() == codes.len() {
        return Cow::Borrowed(codes);
    }
    Cow::Owned(rows.iter().map(|row| codes.get(row).copied().unwrap_or_default()).collect())
}
