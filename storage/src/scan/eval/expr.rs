//! Values that are computed of columns, for some rows of spans.

use hoptrail_proto::model::{AnyValue, Attribute, SpanId, SpanKind, StatusCode};

use super::matching_among;
use crate::arithmetic::{arithmetic, negated};
use crate::codec::bits::Bitmap;
use crate::matcher::values_of;
use crate::rows::{Owner, TableKind, text, to_value};
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
    match field {
        Field::Attribute { scope: AttributeScope::Any, key } => of_any_scope(group, key, rows, context),
        Field::Attribute { scope, key } => of_scope(group, *scope, key, rows),
        Field::Intrinsic(intrinsic) => of_intrinsic(group, *intrinsic, rows),
        Field::Parent(_) => Ok(vec![None; rows.count()]),
    }
}

/// The scopes in the order in which an attribute without a scope is looked up.
pub(crate) const LOOKED_UP: [AttributeScope; 5] = [
    AttributeScope::Span,
    AttributeScope::Resource,
    AttributeScope::Event,
    AttributeScope::Link,
    AttributeScope::Instrumentation,
];

fn of_any_scope(
    group: &dyn SpanColumns,
    key: &str,
    rows: &Bitmap,
    context: &QueryContext,
) -> Result<Vec<Option<Value>>, ReadError> {
    let mut found = vec![None; rows.count()];
    for scope in LOOKED_UP {
        if found.iter().all(Option::is_some) {
            break;
        }
        context.check()?;
        for (known, value) in found.iter_mut().zip(of_scope(group, scope, key, rows)?) {
            if known.is_none() {
                *known = value;
            }
        }
    }
    Ok(found)
}

fn of_scope(
    group: &dyn SpanColumns,
    scope: AttributeScope,
    key: &str,
    rows: &Bitmap,
) -> Result<Vec<Option<Value>>, ReadError> {
    let spans = &*group.table(TableKind::Span);
    match scope {
        AttributeScope::Any => Ok(vec![None; rows.count()]),
        AttributeScope::Resource => {
            let known: Vec<_> = group.resources().iter().map(|resource| first_of(&resource.attributes, key)).collect();
            by_shape(spans, ShapePart::Resource, rows, &known)
        }
        AttributeScope::Instrumentation => {
            let known: Vec<_> = group.scopes().iter().map(|scope| first_of(&scope.attributes, key)).collect();
            by_shape(spans, ShapePart::Scope, rows, &known)
        }
        AttributeScope::Span => of_table(spans, Owner::Attribute, key.as_bytes(), rows),
        AttributeScope::Event => of_children(group, TableKind::Event, rows, |events, own| {
            of_table(events, Owner::Attribute, key.as_bytes(), own)
        }),
        AttributeScope::Link => of_children(group, TableKind::Link, rows, |links, own| {
            of_table(links, Owner::Attribute, key.as_bytes(), own)
        }),
    }
}

pub(crate) fn first_of(attributes: &[Attribute], key: &str) -> Option<Value> {
    values_of(attributes, key).next().map(|value| Value::Any(value.clone()))
}

fn by_shape(
    table: &dyn TableView,
    part: ShapePart,
    rows: &Bitmap,
    known: &[Option<Value>],
) -> Result<Vec<Option<Value>>, ReadError> {
    let parts = table.shape_values(part, rows)?;
    Ok(parts.into_iter().map(|index| known.get(index as usize).cloned().flatten()).collect())
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
    let code = |code: u32| i32::try_from(code).unwrap_or_default();
    let unless_empty = |text: &String| (!text.is_empty()).then(|| Value::string(text.as_str()));
    let id = |id: String| Some(Value::string(id));
    match intrinsic {
        Intrinsic::Name => named(spans, rows),
        Intrinsic::Kind => {
            let kinds = spans.shape_values(ShapePart::Kind, rows)?;
            Ok(kinds.into_iter().map(|kind| Some(Value::Kind(SpanKind::from_otlp(code(kind))))).collect())
        }
        Intrinsic::Status => {
            let codes = spans.shape_values(ShapePart::Status, rows)?;
            Ok(codes.into_iter().map(|status| Some(Value::Status(StatusCode::from_otlp(code(status))))).collect())
        }
        Intrinsic::ScopeName => {
            let known: Vec<_> = group.scopes().iter().map(|scope| unless_empty(&scope.name)).collect();
            by_shape(spans, ShapePart::Scope, rows, &known)
        }
        Intrinsic::ScopeVersion => {
            let known: Vec<_> = group.scopes().iter().map(|scope| unless_empty(&scope.version)).collect();
            by_shape(spans, ShapePart::Scope, rows, &known)
        }
        Intrinsic::Duration => {
            let mut found = Vec::with_capacity(rows.count());
            group.each_duration(rows, &mut |_, nanos| found.push(Some(Value::Duration(nanos))))?;
            Ok(found)
        }
        Intrinsic::StatusMessage => of_table(spans, Owner::Field, b"status_message", rows),
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
        Intrinsic::TraceDuration
        | Intrinsic::RootName
        | Intrinsic::RootService
        | Intrinsic::ChildCount
        | Intrinsic::NestedSetLeft
        | Intrinsic::NestedSetRight
        | Intrinsic::NestedSetParent => Ok(vec![None; rows.count()]),
    }
}
