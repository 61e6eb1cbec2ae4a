//! The values of rows as codes, so that rows are put into groups without a look at their values.

use hashbrown::HashMap;
use hoptrail_proto::otlp::view::ValueView;

use super::eval::expr::computed;
use super::shape_fields::{PartCodes, ShapeField, first_of, part_codes};
use super::{NO_CODE, SpanColumns, TableView};
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::rows::{Interner, Owner, TableKind, fields, to_value};
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
    if let Some(ShapeField { part, value }) = ShapeField::of(group, field) {
        let PartCodes { codes, parts } = part_codes(spans, part, rows)?;
        return Ok(Some(Coded { codes, values: parts.into_iter().map(value).collect() }));
    }
    match field {
        Field::Attribute { scope: AttributeScope::Any, key } => match scopes_with(group, key).as_slice() {
            [] => Ok(Some(Coded { codes: vec![0; rows.count()], values: vec![None] })),
            [scope] => of_field(group, &Field::attribute(*scope, key), rows),
            _ => Ok(None),
        },
        Field::Attribute { scope: AttributeScope::Span, key } => {
            of_column(spans, Owner::Attribute, key.as_bytes(), rows)
        }
        Field::Intrinsic(Intrinsic::StatusMessage) => of_column(spans, Owner::Field, fields::STATUS_MESSAGE, rows),
        Field::Attribute { .. } | Field::Intrinsic(_) | Field::Parent(_) => Ok(None),
    }
}

/// The scopes in which any row of the group may have the key.
fn scopes_with(group: &dyn SpanColumns, key: &str) -> Vec<AttributeScope> {
    let is_column = |kind| !group.table(kind).columns(Owner::Attribute, key.as_bytes()).is_empty();
    let mut scopes = AttributeScope::LOOKED_UP.to_vec();
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
