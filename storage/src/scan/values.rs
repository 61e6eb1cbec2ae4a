//! Collects the values of a field on rows of a group.

use hoptrail_proto::model::{Attribute, SpanId, SpanKind, StatusCode};

use super::eval::Scan;
use super::{ShapePart, SpanColumns, TableView, Test};
use crate::codec::bits::Bitmap;
use crate::matcher::values_of;
use crate::rows::{Owner, TableKind, text, to_value};
use crate::{AttributeScope, Field, Intrinsic, QueryContext, ReadError, Value};

/// Gives the values of a field on these spans to `sink`. Equal values may come only once. It is not for fields of the whole trace.
pub(crate) fn values(
    group: &dyn SpanColumns,
    field: &Field,
    rows: &Bitmap,
    context: &QueryContext,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    match field {
        Field::Attribute { scope, key } => attribute_values(group, *scope, key, rows, context, sink),
        Field::Intrinsic(intrinsic) => intrinsic_values(group, *intrinsic, rows, context, sink),
        Field::Parent(_) => Ok(()),
    }
}

fn attribute_values(
    group: &dyn SpanColumns,
    scope: AttributeScope,
    key: &str,
    rows: &Bitmap,
    context: &QueryContext,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    context.check()?;
    let spans = &*group.table(TableKind::Span);

    match scope {
        AttributeScope::Resource => {
            let used = used(spans, rows, ShapePart::Resource, group.resources().len())?;
            used.iter()
                .filter_map(|index| group.resources().get(index))
                .for_each(|resource| give_values(&resource.attributes, key, sink));
            Ok(())
        }
        AttributeScope::Instrumentation => {
            let used = used(spans, rows, ShapePart::Scope, group.scopes().len())?;
            used.iter()
                .filter_map(|index| group.scopes().get(index))
                .for_each(|scope| give_values(&scope.attributes, key, sink));
            Ok(())
        }
        AttributeScope::Span => table_values(spans, key.as_bytes(), rows, sink),
        AttributeScope::Event | AttributeScope::Link => {
            let kind = if scope == AttributeScope::Event { TableKind::Event } else { TableKind::Link };
            table_values(&*group.table(kind), key.as_bytes(), &children_of(group, kind, rows)?, sink)
        }
        AttributeScope::Any => {
            let scan = Scan { group, context, kind: TableKind::Span };
            let mut left = rows.clone();
            for scope in AttributeScope::LOOKED_UP {
                let present = scan.attribute(scope, key, &Test::Present, &left)?;
                let mut here = left.clone();
                here.and(&present);
                if !here.is_empty() {
                    attribute_values(group, scope, key, &here, context, sink)?;
                }
                left.and_not(&present);
            }
            Ok(())
        }
    }
}

fn give_values(attributes: &[Attribute], key: &str, sink: &mut dyn FnMut(Value)) {
    values_of(attributes, key).for_each(|value| sink(Value::Any(value.clone())));
}

fn table_values(
    table: &dyn TableView,
    name: &[u8],
    rows: &Bitmap,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    let mut columns = table.columns(Owner::Attribute, name).into_iter();
    columns.try_for_each(|column| table.distinct(column, rows, &mut |value| sink(Value::Any(to_value(value)))))
}

pub(super) fn children_of(group: &dyn SpanColumns, kind: TableKind, rows: &Bitmap) -> Result<Bitmap, ReadError> {
    let mut children = Bitmap::none(group.table(kind).len());
    for (child, owner) in group.owners(kind)?.iter().enumerate() {
        children.insert_if(child, rows.contains(*owner as usize));
    }
    Ok(children)
}

/// The values of this part in the shapes of these rows. There are `count` possible values.
fn used(table: &dyn TableView, rows: &Bitmap, part: ShapePart, count: usize) -> Result<Bitmap, ReadError> {
    let known = &table.shapes()?.shapes;
    let mut shapes = Bitmap::none(known.len());
    let codes = table.shape_codes()?;
    rows.iter().filter_map(|row| codes.get(row)).for_each(|shape| shapes.insert(*shape as usize));
    let mut used = Bitmap::none(count);
    shapes.iter().filter_map(|shape| known.get(shape)).for_each(|shape| used.insert(part.of(shape) as usize));
    Ok(used)
}

fn give_names(table: &dyn TableView, used: &Bitmap, sink: &mut dyn FnMut(Value)) {
    let names = (0u32..).take(table.names()).filter(|name| used.contains(*name as usize));
    names.for_each(|name| sink(Value::string(text(table.name(name)))));
}

/// The codes of OTLP in a set of at most 256.
fn bytes_in(used: &Bitmap) -> impl Iterator<Item = i32> {
    (0..=u8::MAX).filter(|byte| used.contains(usize::from(*byte))).map(i32::from)
}

fn intrinsic_values(
    group: &dyn SpanColumns,
    intrinsic: Intrinsic,
    rows: &Bitmap,
    context: &QueryContext,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    context.check()?;
    let spans = &*group.table(TableKind::Span);
    match intrinsic {
        Intrinsic::Name => {
            let used = used(spans, rows, ShapePart::Name, spans.names())?;
            give_names(spans, &used, sink);
        }
        Intrinsic::Kind => {
            let used = used(spans, rows, ShapePart::Kind, 256)?;
            bytes_in(&used).for_each(|kind| sink(Value::Kind(SpanKind::from_otlp(kind))));
        }
        Intrinsic::Status => {
            let used = used(spans, rows, ShapePart::Status, 256)?;
            bytes_in(&used).for_each(|code| sink(Value::Status(StatusCode::from_otlp(code))));
        }
        Intrinsic::ScopeName | Intrinsic::ScopeVersion => {
            let used = used(spans, rows, ShapePart::Scope, group.scopes().len())?;
            for scope in used.iter().filter_map(|index| group.scopes().get(index)) {
                let found = if intrinsic == Intrinsic::ScopeName { &scope.name } else { &scope.version };
                if !found.is_empty() {
                    sink(Value::string(found.as_str()));
                }
            }
        }
        Intrinsic::Duration => {
            group.each_duration(rows, &mut |_, nanos| sink(Value::Duration(nanos)))?;
        }
        Intrinsic::StatusMessage => {
            for column in spans.columns(Owner::Field, b"status_message") {
                spans.distinct(column, rows, &mut |value| sink(Value::Any(to_value(value))))?;
            }
        }
        Intrinsic::EventName => {
            let events = &*group.table(TableKind::Event);
            let used = used(events, &children_of(group, TableKind::Event, rows)?, ShapePart::Name, events.names())?;
            give_names(events, &used, sink);
        }
        Intrinsic::TraceId => give_ids(rows, context, sink, |row| Ok(Some(group.trace_id(row)?.to_string())))?,
        Intrinsic::SpanId => give_ids(rows, context, sink, |row| Ok(Some(group.span_id(row)?.to_string())))?,
        Intrinsic::ParentId => give_ids(rows, context, sink, |row| {
            let parent = group.parent_id(row)?;
            Ok((parent != SpanId::default()).then(|| parent.to_string()))
        })?,
        Intrinsic::EventTimeSinceStart => {
            let (times, owners, starts) = (group.event_times()?, group.owners(TableKind::Event)?, group.starts()?);
            for (time, owner) in times.iter().zip(owners).filter(|(_, owner)| rows.contains(**owner as usize)) {
                let start = starts.get(*owner as usize).copied().unwrap_or_default();
                sink(Value::Duration(time.saturating_sub(start)));
            }
        }
        Intrinsic::LinkTraceId | Intrinsic::LinkSpanId => {
            let links = children_of(group, TableKind::Link, rows)?;
            let ids = group.link_ids()?;
            give_ids(&links, context, sink, |link| {
                let is_trace = intrinsic == Intrinsic::LinkTraceId;
                Ok(ids.get(link).map(|(trace, span)| if is_trace { trace.to_string() } else { span.to_string() }))
            })?;
        }
        Intrinsic::TraceDuration
        | Intrinsic::TraceStart
        | Intrinsic::TraceSpans
        | Intrinsic::TraceErrors
        | Intrinsic::RootName
        | Intrinsic::RootService
        | Intrinsic::ChildCount
        | Intrinsic::NestedSetLeft
        | Intrinsic::NestedSetRight
        | Intrinsic::NestedSetParent => {}
    }
    Ok(())
}

fn give_ids(
    rows: &Bitmap,
    context: &QueryContext,
    sink: &mut dyn FnMut(Value),
    id: impl Fn(usize) -> Result<Option<String>, ReadError>,
) -> Result<(), ReadError> {
    for (count, row) in rows.iter().enumerate() {
        if count.is_multiple_of(1024) {
            context.check()?;
        }
        id(row)?.into_iter().for_each(|id| sink(Value::string(id)));
    }
    Ok(())
}
