//! Values that are computed of columns, for some rows of spans.

use hoptrail_proto::model::{AnyValue, SpanId};

use super::matching_among;
use crate::arithmetic::{arithmetic, negated};
use crate::codec::bits::Bitmap;
use crate::rows::{Owner, TableKind, fields, text, to_value};
use crate::scan::shape_fields::{PartCodes, ShapeField, part_codes};
use crate::scan::{ShapePart, SpanColumns, TableView};
use crate::{AttributeScope, Expr, Field, Intrinsic, QueryContext, ReadError, Value};

/// For each of these rows of spans, ascending, the value of the expression. Fields of the whole trace are missing.
pub(crate) fn computed(
    group: &dyn SpanColumns,
    expr: &Expr,
    rows: &Bitmap,
    context: &QueryContext,
) -> Result<Vec<Option<Value>>, ReadError> {
    context.check()?;
    match expr {
        Expr::Constant(value) => Ok(vec![Some(value.clone()); rows.count()]),
        Expr::Field(field) => first_values(group, field, rows, context),
        Expr::Negate(inner) => {
            let values = computed(group, inner, rows, context)?;
            Ok(values.iter().map(|value| value.as_ref().and_then(negated)).collect())
        }
        Expr::Arithmetic { op, left, right } => {
            let (left, right) = (computed(group, left, rows, context)?, computed(group, right, rows, context)?);
            Ok(left.iter().zip(&right).map(|pair| both(pair).and_then(|(a, b)| arithmetic(*op, a, b))).collect())
        }
        Expr::Condition(filter) => {
            let good = matching_among(group, filter, None, rows.clone(), context)?;
            Ok(rows.iter().map(|row| Some(Value::Any(AnyValue::Bool(good.contains(row))))).collect())
        }
    }
}

pub(crate) fn both<'v>((left, right): (&'v Option<Value>, &'v Option<Value>)) -> Option<(&'v Value, &'v Value)> {
    left.as_ref().zip(right.as_ref())
}

/// For each of these rows of spans, ascending, the first value of the field. Fields of the whole trace are missing.
pub(crate) fn first_values(
    group: &dyn SpanColumns,
    field: &Field,
    rows: &Bitmap,
    context: &QueryContext,
) -> Result<Vec<Option<Value>>, ReadError> {
    context.check()?;
    let spans = &*group.table(TableKind::Span);
    if let Some(ShapeField { part, value }) = ShapeField::of(group, field) {
        let PartCodes { codes, parts } = part_codes(spans, part, rows)?;
        let values: Vec<Option<Value>> = parts.into_iter().map(value).collect();
        return Ok(codes.into_iter().map(|code| values.get(code as usize).cloned().flatten()).collect());
    }
    match field {
        Field::Attribute { scope: AttributeScope::Any, key } => of_any_scope(group, key, rows, context),
        Field::Attribute { scope: AttributeScope::Event, key } => {
            of_children(group, TableKind::Event, rows, |of, own| of_table(of, Owner::Attribute, key.as_bytes(), own))
        }
        Field::Attribute { scope: AttributeScope::Link, key } => {
            of_children(group, TableKind::Link, rows, |of, own| of_table(of, Owner::Attribute, key.as_bytes(), own))
        }
        Field::Attribute { key, .. } => of_table(spans, Owner::Attribute, key.as_bytes(), rows),
        Field::Intrinsic(intrinsic) => of_intrinsic(group, *intrinsic, rows),
        Field::Parent(_) => Ok(vec![None; rows.count()]),
    }
}

fn of_any_scope(
    group: &dyn SpanColumns,
    key: &str,
    rows: &Bitmap,
    context: &QueryContext,
) -> Result<Vec<Option<Value>>, ReadError> {
    let mut found = vec![None; rows.count()];
    for scope in AttributeScope::LOOKED_UP {
        if found.iter().all(Option::is_some) {
            break;
        }
        context.check()?;
        for (known, value) in found.iter_mut().zip(first_values(group, &Field::attribute(scope, key), rows, context)?) {
            if known.is_none() {
                *known = value;
            }
        }
    }
    Ok(found)
}

/// The first value of this name, by the order of the row's attributes.
fn of_table(table: &dyn TableView, owner: Owner, name: &[u8], rows: &Bitmap) -> Result<Vec<Option<Value>>, ReadError> {
    let columns = table.columns(owner, name);
    let mut found: Vec<Option<Value>> = vec![None; rows.count()];
    if columns.is_empty() || found.is_empty() {
        return Ok(found);
    }
    let first = table.shapes()?.by_layout(|layout| layout.iter().find(|column| columns.contains(column)).copied());
    let codes = table.shape_codes()?;
    for column in columns {
        let mut places = rows.iter().zip(&mut found);
        table.values(column, rows, &mut |row, value| {
            let is_first = codes.get(row).and_then(|code| first.get(*code as usize)) == Some(&Some(column));
            let place = places.find(|(place, _)| *place == row);
            if let Some((_, place)) = place.filter(|_| is_first) {
                *place = Some(Value::Any(to_value(value)));
            }
        })?;
    }
    Ok(found)
}

/// For each of these spans the first value that one of its events or links has.
fn of_children(
    group: &dyn SpanColumns,
    kind: TableKind,
    rows: &Bitmap,
    values: impl FnOnce(&dyn TableView, &Bitmap) -> Result<Vec<Option<Value>>, ReadError>,
) -> Result<Vec<Option<Value>>, ReadError> {
    let (table, owners) = (&*group.table(kind), group.owners(kind)?);
    let mut found = vec![None; rows.count()];
    let mut own = Bitmap::none(table.len());
    owners.iter().enumerate().for_each(|(child, owner)| own.insert_if(child, rows.contains(*owner as usize)));
    if own.is_empty() {
        return Ok(found);
    }
    let values = values(table, &own)?;
    let mut places = rows.iter().zip(&mut found).peekable();
    for (child, value) in own.iter().zip(values) {
        let owner = owners.get(child).map_or(0, |owner| *owner as usize);
        while places.next_if(|(row, _)| *row < owner).is_some() {}
        if let Some((_, place)) = places.peek_mut().filter(|(row, _)| *row == owner)
            && place.is_none()
        {
            **place = value;
        }
    }
    Ok(found)
}

fn named(table: &dyn TableView, rows: &Bitmap) -> Result<Vec<Option<Value>>, ReadError> {
    let names = table.shape_values(ShapePart::Name, rows)?;
    Ok(names.into_iter().map(|name| Some(Value::string(text(table.name(name))))).collect())
}

fn of_intrinsic(group: &dyn SpanColumns, intrinsic: Intrinsic, rows: &Bitmap) -> Result<Vec<Option<Value>>, ReadError> {
    let spans = &*group.table(TableKind::Span);
    let id = |id: String| Some(Value::string(id));
    match intrinsic {
        Intrinsic::Duration => {
            let mut found = Vec::with_capacity(rows.count());
            group.each_duration(rows, &mut |_, nanos| found.push(Some(Value::Duration(nanos))))?;
            Ok(found)
        }
        Intrinsic::StatusMessage => of_table(spans, Owner::Field, fields::STATUS_MESSAGE, rows),
        Intrinsic::TraceId => rows.iter().map(|row| Ok(id(group.trace_id(row)?.to_string()))).collect(),
        Intrinsic::SpanId => rows.iter().map(|row| Ok(id(group.span_id(row)?.to_string()))).collect(),
        Intrinsic::ParentId => rows
            .iter()
            .map(|row| {
                let parent = group.parent_id(row)?;
                Ok((parent != SpanId::default()).then(|| Value::string(parent.to_string())))
            })
            .collect(),
        Intrinsic::EventName => of_children(group, TableKind::Event, rows, named),
        Intrinsic::EventTimeSinceStart => of_children(group, TableKind::Event, rows, |_, own| {
            let (times, owners, starts) = (group.event_times()?, group.owners(TableKind::Event)?, group.starts()?);
            let since = own.iter().map(|event| {
                let start = starts.get(owners.get(event).map_or(0, |owner| *owner as usize)).copied();
                Some(Value::Duration(times.get(event)?.saturating_sub(start.unwrap_or_default())))
            });
            Ok(since.collect())
        }),
        Intrinsic::LinkTraceId | Intrinsic::LinkSpanId => of_children(group, TableKind::Link, rows, |_, own| {
            let ids = group.link_ids()?;
            let text = own.iter().map(|link| {
                let (trace, span) = ids.get(link)?;
                id(if intrinsic == Intrinsic::LinkTraceId { trace.to_string() } else { span.to_string() })
            });
            Ok(text.collect())
        }),
        // The shape tells the first ones, and the whole trace the others.
        Intrinsic::Name
        | Intrinsic::Kind
        | Intrinsic::Status
        | Intrinsic::ScopeName
        | Intrinsic::ScopeVersion
        | Intrinsic::TraceDuration
        | Intrinsic::TraceStart
        | Intrinsic::TraceSpans
        | Intrinsic::TraceErrors
        | Intrinsic::RootName
        | Intrinsic::RootService
        | Intrinsic::ChildCount
        | Intrinsic::NestedSetLeft
        | Intrinsic::NestedSetRight
        | Intrinsic::NestedSetParent => Ok(vec![None; rows.count()]),
    }
}
