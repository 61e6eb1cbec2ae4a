//! The values of rows as codes, so that rows are put into groups without a look at their values.

use std::borrow::Cow;

use hashbrown::HashMap;
use hoptrail_proto::model::{SpanKind, StatusCode};
use hoptrail_proto::otlp::view::ValueView;

use super::eval::expr::{LOOKED_UP, computed, first_of};
use super::{NO_CODE, ShapePart, SpanColumns, TableView};
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::rows::{Interner, Owner, Shape, TableKind, fields, text, to_value};
use crate::{AttributeScope, Expr, Field, Intrinsic, QueryContext, ReadError, Value};

/// The values of an expression on some rows.
pub(crate) struct Coded {
    /// For each row, ascending, an index into the values.
    pub(crate) codes: Vec<u32>,
    /// `None` is a missing value. Two codes may have one value.
    pub(crate) values: Vec<Option<Value>>,
}

/// The values of the expression on these rows of spans. Fields of the whole trace are missing.
pub(crate) fn coded(
    group: &dyn SpanColumns,
    expr: &Expr,
    rows: &Bitmap,
    context: &QueryContext,
) -> Result<Coded, ReadError> {
    context.check()?;
    let known = if let Expr::Field(field) = expr { of_field(group, field, rows)? } else { None };
    match known {
        Some(coded) => Ok(coded),
        None => Ok(of_values(computed(group, expr, rows, context)?)),
    }
}

/// The codes at these rows, ascending.
fn at_rows<'c>(codes: &'c [u32], rows: &Bitmap) -> Cow<'c, [u32]> {
    if rows.is_full() && rows.len() == codes.len() {
        return Cow::Borrowed(codes);
    }
    Cow::Owned(rows.iter().map(|row| codes.get(row).copied().unwrap_or_default()).collect())
}

fn of_values(values: Vec<Option<Value>>) -> Coded {
    let mut known: HashMap<Option<Value>, u32> = HashMap::new();
    let codes = values.into_iter().map(|value| {
        let next = len_u32(known.len());
        *known.entry(value).or_insert(next)
    });
    let codes = codes.collect();
    let mut values = vec![None; known.len()];
    for (value, code) in known {
        if let Some(place) = values.get_mut(code as usize) {
            *place = value;
        }
    }
    Coded { codes, values }
}

/// The values of a field; `None` when it is not in one place.
fn of_field(group: &dyn SpanColumns, field: &Field, rows: &Bitmap) -> Result<Option<Coded>, ReadError> {
    let spans = &*group.table(TableKind::Span);
    let part = |part, value: &dyn Fn(u32) -> Option<Value>| by_part(spans, part, rows, value).map(Some);
    match field {
        Field::Attribute { scope: AttributeScope::Any, key } => match scopes_with(group, key).as_slice() {
            [] => Ok(Some(Coded { codes: vec![0; rows.count()], values: vec![None] })),
            [scope] => of_field(group, &Field::attribute(*scope, key), rows),
            _ => Ok(None),
        },
        Field::Attribute { scope: AttributeScope::Resource, key } => part(ShapePart::Resource, &|index| {
            group.resources().get(index as usize).and_then(|resource| first_of(&resource.attributes, key))
        }),
        Field::Attribute { scope: AttributeScope::Instrumentation, key } => part(ShapePart::Scope, &|index| {
            group.scopes().get(index as usize).and_then(|scope| first_of(&scope.attributes, key))
        }),
        Field::Attribute { scope: AttributeScope::Span, key } => {
            of_column(spans, Owner::Attribute, key.as_bytes(), rows)
        }
        Field::Attribute { .. } | Field::Parent(_) => Ok(None),
        Field::Intrinsic(Intrinsic::StatusMessage) => of_column(spans, Owner::Field, fields::STATUS_MESSAGE, rows),
        Field::Intrinsic(Intrinsic::Name) => {
            part(ShapePart::Name, &|index| Some(Value::string(text(spans.name(index)))))
        }
        Field::Intrinsic(Intrinsic::Kind) => {
            part(ShapePart::Kind, &|code| Some(Value::Kind(SpanKind::from_otlp(i32::try_from(code).ok()?))))
        }
        Field::Intrinsic(Intrinsic::Status) => {
            part(ShapePart::Status, &|code| Some(Value::Status(StatusCode::from_otlp(i32::try_from(code).ok()?))))
        }
        Field::Intrinsic(Intrinsic::ScopeName) => part(ShapePart::Scope, &|index| {
            group.scopes().get(index as usize).and_then(|scope| unless_empty(&scope.name))
        }),
        Field::Intrinsic(Intrinsic::ScopeVersion) => part(ShapePart::Scope, &|index| {
            group.scopes().get(index as usize).and_then(|scope| unless_empty(&scope.version))
        }),
        Field::Intrinsic(_) => Ok(None),
    }
}

fn unless_empty(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::string(text))
}

/// The scopes in which any row of the group may have the key.
fn scopes_with(group: &dyn SpanColumns, key: &str) -> Vec<AttributeScope> {
    let is_column = |kind| !group.table(kind).columns(Owner::Attribute, key.as_bytes()).is_empty();
    let mut scopes = LOOKED_UP.to_vec();
    scopes.retain(|scope| match scope {
        AttributeScope::Any => false,
        AttributeScope::Span => is_column(TableKind::Span),
        AttributeScope::Event => is_column(TableKind::Event),
        AttributeScope::Link => is_column(TableKind::Link),
        AttributeScope::Resource => {
            group.resources().iter().any(|resource| first_of(&resource.attributes, key).is_some())
        }
        AttributeScope::Instrumentation => {
            group.scopes().iter().any(|scope| first_of(&scope.attributes, key).is_some())
        }
    });
    scopes
}

/// What a part of the shape says.
fn by_part(
    table: &dyn TableView,
    part: ShapePart,
    rows: &Bitmap,
    value: &dyn Fn(u32) -> Option<Value>,
) -> Result<Coded, ReadError> {
    let PartCodes { codes, parts } = part_codes(table, part, rows)?;
    Ok(Coded { codes, values: parts.into_iter().map(value).collect() })
}

/// A part of the shapes of some rows, by codes.
pub(crate) struct PartCodes {
    /// For each row, ascending, an index into the parts.
    pub(crate) codes: Vec<u32>,
    /// Each once.
    pub(crate) parts: Vec<u32>,
}

/// The part of the rows' shapes. A look at each row is one at an array.
pub(crate) fn part_codes(table: &dyn TableView, part: ShapePart, rows: &Bitmap) -> Result<PartCodes, ReadError> {
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

/// The values of a name that has one column; `None` when it has several.
pub(super) fn of_column(
    table: &dyn TableView,
    owner: Owner,
    name: &[u8],
    rows: &Bitmap,
) -> Result<Option<Coded>, ReadError> {
    let columns = table.columns(owner, name);
    let [column] = columns.as_slice() else {
        let missing = || Coded { codes: vec![0; rows.count()], values: vec![None] };
        return Ok(columns.is_empty().then(missing));
    };
    match table.codes(*column, rows)? {
        Some(codes) => of_dictionary(table, *column, codes).map(Some),
        None => of_strings(table, *column, rows).map(Some),
    }
}

fn of_dictionary(table: &dyn TableView, column: u32, mut codes: Vec<u32>) -> Result<Coded, ReadError> {
    let mut used: Vec<bool> = Vec::new();
    for code in codes.iter().filter(|code| **code != NO_CODE).map(|code| *code as usize) {
        if used.len() <= code {
            used.resize(code + 1, false);
        }
        if let Some(used) = used.get_mut(code) {
            *used = true;
        }
    }
    let mut values: Vec<Option<Value>> = vec![None; used.len() + 1];
    table.dictionary(column, &mut |code, value| {
        let code = code as usize;
        if used.get(code).copied().unwrap_or(false)
            && let Some(place) = values.get_mut(code)
        {
            *place = Some(Value::Any(to_value(value)));
        }
    })?;
    let missing = len_u32(used.len());
    codes.iter_mut().filter(|code| **code == NO_CODE).for_each(|code| *code = missing);
    Ok(Coded { codes, values })
}

/// The values of a column without a dictionary. Each distinct one is made once.
fn of_strings(table: &dyn TableView, column: u32, rows: &Bitmap) -> Result<Coded, ReadError> {
    let (mut known, mut values, mut codes) = (Interner::default(), vec![None], Vec::with_capacity(rows.count()));
    let mut wanted = rows.iter();
    table.values(column, rows, &mut |row, value| {
        codes.extend(wanted.by_ref().take_while(|before| *before != row).map(|_| 0));
        let next = len_u32(known.len());
        let code = match value {
            ValueView::Text(bytes) | ValueView::Bytes(bytes) | ValueView::Nested(bytes) => {
                known.intern(bytes, usize::MAX)
            }
            ValueView::Int(number) => known.intern(&number.to_le_bytes(), usize::MAX),
            ValueView::Double(number) => known.intern(&number.to_bits().to_le_bytes(), usize::MAX),
            ValueView::Bool(is_true) => known.intern(&[u8::from(is_true)], usize::MAX),
            ValueView::Empty => known.intern(&[], usize::MAX),
        };
        if code == Some(next) {
            values.push(Some(Value::Any(to_value(value))));
        }
        codes.push(code.map_or(0, |code| code.saturating_add(1)));
    })?;
    codes.resize(rows.count(), 0);
    Ok(Coded { codes, values })
}
