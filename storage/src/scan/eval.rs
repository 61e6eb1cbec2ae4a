//! From a filter to the rows of a group.

use hoptrail_proto::model::{AnyValue, Attribute, SpanId, SpanKind, StatusCode, TraceId};

use super::{RowGroup, TableView, Test};
use crate::codec::bits::Bitmap;
use crate::rows::{Owner, Shape, TableKind, ValueType, text, to_value};
use crate::{AttributeScope, CompareOp, Field, Filter, Intrinsic, QueryContext, ReadError, TimeRange, Value};

/// The rows that satisfy the filter and start in the range. Conditions on the whole trace count as satisfied.
pub(crate) fn matching(
    group: &dyn RowGroup,
    filter: &Filter,
    range: Option<TimeRange>,
    context: &QueryContext,
) -> Result<Bitmap, ReadError> {
    let scan = Scan { group, context, kind: TableKind::Span };
    let mut rows = scan.rows(filter, false)?;
    if let Some(range) = range
        && !rows.is_empty()
    {
        let mut inside = Bitmap::none(rows.len());
        for (row, start) in group.starts()?.iter().enumerate() {
            inside.insert_if(row, range.contains(*start));
        }
        rows.and(&inside);
    }
    Ok(rows)
}

/// Filters over spans, or over the events or links of each span.
struct Scan<'a> {
    group: &'a dyn RowGroup,
    context: &'a QueryContext,
    /// What is tested: spans, or inside [`Filter::Event`] and [`Filter::Link`] one event or link.
    kind: TableKind,
}

impl Scan<'_> {
    fn len(&self) -> usize {
        self.group.table(self.kind).len()
    }

    /// The rows of this kind that satisfy the filter, or with `negated` do not.
    fn rows(&self, filter: &Filter, negated: bool) -> Result<Bitmap, ReadError> {
        self.context.check()?;
        match (filter, negated) {
            (Filter::True, false) => Ok(Bitmap::all(self.len())),
            (Filter::True, true) => Ok(Bitmap::none(self.len())),
            (Filter::Not(inner), _) => self.rows(inner, !negated),
            (Filter::And(parts), false) | (Filter::Or(parts), true) => self.all(parts, negated),
            (Filter::Or(parts), false) | (Filter::And(parts), true) => self.any(parts, negated),
            // What else a span must satisfy is known only with its whole trace.
            _ if filter.needs_trace() => Ok(Bitmap::all(self.len())),
            _ => {
                let mut rows = self.leaf(filter)?;
                if negated {
                    let mut rest = Bitmap::all(self.len());
                    rest.and_not(&rows);
                    rows = rest;
                }
                Ok(rows)
            }
        }
    }

    fn all(&self, parts: &[Filter], negated: bool) -> Result<Bitmap, ReadError> {
        let mut parts: Vec<&Filter> = parts.iter().collect();
        parts.sort_by_key(|part| cost(part));
        let mut rows = Bitmap::all(self.len());
        for part in parts {
            rows.and(&self.rows(part, negated)?);
            if rows.is_empty() {
                break;
            }
        }
        Ok(rows)
    }

    fn any(&self, parts: &[Filter], negated: bool) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.len());
        for part in parts {
            rows.or(&self.rows(part, negated)?);
        }
        Ok(rows)
    }

    fn leaf(&self, filter: &Filter) -> Result<Bitmap, ReadError> {
        match filter {
            Filter::Compare { field, op, value } => self.field(field, &Test::Compare(*op, value.clone())),
            Filter::Matches { field, pattern, negated } => {
                let rows = self.field(field, &Test::matches(pattern, *negated, self.context))?;
                self.context.check()?;
                Ok(rows)
            }
            Filter::Exists { field, present } => {
                let mut rows = self.field(field, &Test::Present)?;
                if !present {
                    let mut rest = Bitmap::all(self.len());
                    rest.and_not(&rows);
                    rows = rest;
                }
                Ok(rows)
            }
            Filter::Event(inner) => self.children(TableKind::Event, inner),
            Filter::Link(inner) => self.children(TableKind::Link, inner),
            Filter::True | Filter::Not(_) | Filter::And(_) | Filter::Or(_) => self.rows(filter, false),
        }
    }

    /// The spans of which one event or link satisfies the filter. What the filter asks of the span itself is taken from the span.
    fn children(&self, kind: TableKind, filter: &Filter) -> Result<Bitmap, ReadError> {
        let inner = Scan { kind, ..*self };
        let found = inner.rows(filter, false)?;
        self.of_children(kind, found)
    }

    /// The spans that own these events or links.
    fn to_owners(&self, kind: TableKind, children: &Bitmap) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.group.table(TableKind::Span).len());
        if !children.is_empty() {
            let owners = self.group.owners(kind)?;
            children.iter().filter_map(|child| owners.get(child)).for_each(|owner| rows.insert(*owner as usize));
        }
        Ok(rows)
    }

    /// The rows of this kind whose span is in the set.
    fn of_spans(&self, spans: Bitmap) -> Result<Bitmap, ReadError> {
        if self.kind == TableKind::Span {
            return Ok(spans);
        }
        let mut rows = Bitmap::none(self.len());
        for (child, owner) in self.group.owners(self.kind)?.iter().enumerate() {
            rows.insert_if(child, spans.contains(*owner as usize));
        }
        Ok(rows)
    }

    /// The rows of events or links as rows of this kind: themselves, or the spans that own them.
    fn of_children(&self, kind: TableKind, children: Bitmap) -> Result<Bitmap, ReadError> {
        if self.kind == kind {
            return Ok(children);
        }
        let spans = self.to_owners(kind, &children)?;
        self.of_spans(spans)
    }

    fn field(&self, field: &Field, test: &Test) -> Result<Bitmap, ReadError> {
        match field {
            Field::Attribute { scope, key } => self.attribute(*scope, key, test),
            Field::Intrinsic(intrinsic) => self.intrinsic(*intrinsic, test),
        }
    }

    fn attribute(&self, scope: AttributeScope, key: &str, test: &Test) -> Result<Bitmap, ReadError> {
        let name = key.as_bytes();
        let spans = &*self.group.table(TableKind::Span);
        match scope {
            AttributeScope::Span => self.of_spans(column_rows(spans, name, test)?),
            AttributeScope::Resource => self.of_spans(self.origin_rows(key, test, Origin::Resource)?),
            AttributeScope::Instrumentation => self.of_spans(self.origin_rows(key, test, Origin::Scope)?),
            AttributeScope::Event => self.child_attribute(TableKind::Event, name, test),
            AttributeScope::Link => self.child_attribute(TableKind::Link, name, test),
            AttributeScope::Any => self.first_scope(key, test),
        }
    }

    fn child_attribute(&self, kind: TableKind, name: &[u8], test: &Test) -> Result<Bitmap, ReadError> {
        let children = column_rows(&*self.group.table(kind), name, test)?;
        self.of_children(kind, children)
    }

    /// An unscoped attribute: each row is judged by the first scope that has the key.
    fn first_scope(&self, key: &str, test: &Test) -> Result<Bitmap, ReadError> {
        use AttributeScope::{Event, Instrumentation, Link, Resource, Span};
        let mut rows = Bitmap::none(self.len());
        let mut left = Bitmap::all(self.len());
        for scope in [Span, Resource, Event, Link, Instrumentation] {
            let mut good = self.attribute(scope, key, test)?;
            good.and(&left);
            rows.or(&good);
            left.and_not(&self.attribute(scope, key, &Test::Present)?);
        }
        Ok(rows)
    }

    /// The spans whose resource or scope has the attribute with a good value. Each distinct resource is judged once.
    fn origin_rows(&self, key: &str, test: &Test, origin: Origin) -> Result<Bitmap, ReadError> {
        let holds = |attributes: &[Attribute]| {
            let found = attributes.iter().find(|attribute| attribute.key == key && attribute.value != AnyValue::Empty);
            found.is_some_and(|found| test.holds(&Value::Any(found.value.clone())))
        };
        let good: Vec<bool> = match origin {
            Origin::Resource => self.group.resources().iter().map(|resource| holds(&resource.attributes)).collect(),
            Origin::Scope => self.group.scopes().iter().map(|scope| holds(&scope.attributes)).collect(),
        };
        if !good.contains(&true) {
            return Ok(Bitmap::none(self.group.table(TableKind::Span).len()));
        }
        let number = |shape: &Shape| if origin == Origin::Resource { shape.resource } else { shape.scope };
        let spans = &*self.group.table(TableKind::Span);
        spans.rows_of_shapes(&mut |shape| good.get(number(shape) as usize).copied().unwrap_or(false))
    }

    fn intrinsic(&self, intrinsic: Intrinsic, test: &Test) -> Result<Bitmap, ReadError> {
        let group = self.group;
        let spans = &*group.table(TableKind::Span);
        let shape_rows = |judge: &mut dyn FnMut(&Shape) -> bool| self.of_spans(spans.rows_of_shapes(judge)?);
        match intrinsic {
            Intrinsic::Name => self.of_spans(named_rows(spans, test)?),
            Intrinsic::Kind => {
                let good = judged(|number| test.holds(&Value::Kind(SpanKind::from_otlp(number))));
                shape_rows(&mut |shape| good[usize::from(shape.kind)])
            }
            Intrinsic::Status => {
                let good = judged(|number| test.holds(&Value::Status(StatusCode::from_otlp(number))));
                shape_rows(&mut |shape| good[usize::from(shape.status)])
            }
            Intrinsic::ScopeName => self.scope_text(test, |scope| &scope.name),
            Intrinsic::ScopeVersion => self.scope_text(test, |scope| &scope.version),
            Intrinsic::Duration => {
                self.of_spans(numbers(&durations(group)?, |nanos| test.holds(&Value::Duration(nanos))))
            }
            Intrinsic::StatusMessage => {
                let columns = spans.columns(Owner::Field, b"status_message");
                let mut rows = Bitmap::none(spans.len());
                for (column, _) in columns {
                    rows.or(&spans.select(column, test)?);
                }
                self.of_spans(rows)
            }
            Intrinsic::TraceId => {
                self.each_span(|row| Ok(test.holds_text(group.trace_id(row)?.to_string().as_bytes())))
            }
            Intrinsic::SpanId => self.each_span(|row| Ok(test.holds_text(group.span_id(row)?.to_string().as_bytes()))),
            Intrinsic::ParentId => self.each_span(|row| {
                let parent = group.parent(row)?;
                Ok(parent.0 != [0; 8] && test.holds_text(parent.to_string().as_bytes()))
            }),
            Intrinsic::EventName => {
                let events = &*group.table(TableKind::Event);
                self.of_children(TableKind::Event, named_rows(events, test)?)
            }
            Intrinsic::EventTimeSinceStart => {
                let (times, owners, starts) = (group.event_times()?, group.owners(TableKind::Event)?, group.starts()?);
                let since = |(time, owner): (&u64, &u32)| {
                    time.saturating_sub(starts.get(*owner as usize).copied().unwrap_or_default())
                };
                let since: Vec<u64> = times.iter().zip(owners).map(since).collect();
                self.of_children(TableKind::Event, numbers(&since, |nanos| test.holds(&Value::Duration(nanos))))
            }
            Intrinsic::LinkTraceId => self.links(|(trace, _)| test.holds_text(trace.to_string().as_bytes())),
            Intrinsic::LinkSpanId => self.links(|(_, span)| test.holds_text(span.to_string().as_bytes())),
            Intrinsic::TraceDuration | Intrinsic::RootName | Intrinsic::RootService => Ok(Bitmap::all(self.len())),
        }
    }

    fn links(&self, test: impl Fn(&(TraceId, SpanId)) -> bool) -> Result<Bitmap, ReadError> {
        let ids = self.group.link_ids()?;
        let mut rows = Bitmap::none(ids.len());
        ids.iter().enumerate().for_each(|(row, ids)| rows.insert_if(row, test(ids)));
        self.of_children(TableKind::Link, rows)
    }

    fn scope_text(
        &self,
        test: &Test,
        text: impl Fn(&hoptrail_proto::model::InstrumentationScope) -> &String,
    ) -> Result<Bitmap, ReadError> {
        let judge = |text: &String| !text.is_empty() && test.holds_text(text.as_bytes());
        let good: Vec<bool> = self.group.scopes().iter().map(|scope| judge(text(scope))).collect();
        let spans = &*self.group.table(TableKind::Span);
        self.of_spans(spans.rows_of_shapes(&mut |shape| good.get(shape.scope as usize).copied().unwrap_or(false))?)
    }

    fn each_span(&self, test: impl Fn(usize) -> Result<bool, ReadError>) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.group.table(TableKind::Span).len());
        for row in 0..rows.len() {
            if row.is_multiple_of(4096) {
                self.context.check()?;
            }
            rows.insert_if(row, test(row)?);
        }
        self.of_spans(rows)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Resource,
    Scope,
}

/// What a test says of each number of a kind or status.
fn judged(test: impl Fn(i32) -> bool) -> [bool; 256] {
    std::array::from_fn(|number| test(number as i32))
}

/// End minus start of each span; 0 where it ends before it starts.
fn durations(group: &dyn RowGroup) -> Result<Vec<u64>, ReadError> {
    let times = group.starts()?.iter().zip(group.ends()?);
    Ok(times.map(|(start, end)| end.saturating_sub(*start)).collect())
}

fn numbers(values: &[u64], test: impl Fn(u64) -> bool) -> Bitmap {
    let mut rows = Bitmap::none(values.len());
    values.iter().enumerate().for_each(|(row, value)| rows.insert_if(row, test(*value)));
    rows
}

/// The rows whose name satisfies the test. Each distinct name is judged once.
fn named_rows(table: &dyn TableView, test: &Test) -> Result<Bitmap, ReadError> {
    let good: Vec<bool> = (0..table.names()).map(|name| test.holds_text(table.name(name as u32))).collect();
    if !good.contains(&true) {
        return Ok(Bitmap::none(table.len()));
    }
    table.rows_of_shapes(&mut |shape| good.get(shape.name as usize).copied().unwrap_or(false))
}

/// The rows of a table whose first attribute of this key satisfies the test.
fn column_rows(table: &dyn TableView, name: &[u8], test: &Test) -> Result<Bitmap, ReadError> {
    let columns = table.columns(Owner::Attribute, name);
    let mut rows = Bitmap::none(table.len());
    for (column, _) in &columns {
        let mut found = table.select(*column, test)?;
        if !found.is_empty() {
            keep_first(table, &columns, *column, &mut found)?;
        }
        rows.or(&found);
    }
    Ok(rows)
}

/// Where a key comes with several types, a row that has more than one is judged by the first.
fn keep_first(
    table: &dyn TableView,
    columns: &[(u32, ValueType)],
    column: u32,
    rows: &mut Bitmap,
) -> Result<(), ReadError> {
    if columns.len() > 1 {
        let shapes = table.shapes()?;
        rows.and(&table.rows_of_shapes(&mut |shape| {
            let mut own = shapes.layout(shape).iter().filter(|own| columns.iter().any(|(column, _)| column == *own));
            own.next() == Some(&column)
        })?);
    }
    Ok(())
}

/// Cheap and selective conditions first.
fn cost(filter: &Filter) -> u32 {
    match filter {
        Filter::Compare { field, op, .. } => match field {
            Field::Attribute { scope: AttributeScope::Resource, .. } => 1,
            Field::Intrinsic(Intrinsic::Status | Intrinsic::Kind | Intrinsic::Name) => 1,
            Field::Attribute { scope: AttributeScope::Span, .. } if *op == CompareOp::Eq => 2,
            Field::Intrinsic(Intrinsic::TraceId | Intrinsic::SpanId | Intrinsic::ParentId) => 9,
            _ => 4,
        },
        Filter::True => 0,
        Filter::Exists { .. } => 3,
        Filter::Matches { .. } => 7,
        Filter::Not(inner) => cost(inner),
        Filter::And(parts) | Filter::Or(parts) => parts.iter().map(cost).max().unwrap_or_default() + 1,
        Filter::Event(_) | Filter::Link(_) => 6,
    }
}

/// Collects the values of a field on these spans into `sink`; equal ones may come once. Not for fields of the whole trace.
pub(crate) fn values(
    group: &dyn RowGroup,
    field: &Field,
    rows: &Bitmap,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    match field {
        Field::Attribute { scope, key } => attribute_values(group, *scope, key, rows, sink),
        Field::Intrinsic(intrinsic) => intrinsic_values(group, *intrinsic, rows, sink),
    }
}

fn attribute_values(
    group: &dyn RowGroup,
    scope: AttributeScope,
    key: &str,
    rows: &Bitmap,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    let spans = &*group.table(TableKind::Span);
    let mut give = |attributes: &[Attribute]| {
        let found = attributes.iter().find(|attribute| attribute.key == key && attribute.value != AnyValue::Empty);
        found.into_iter().for_each(|found| sink(Value::Any(found.value.clone())));
    };
    match scope {
        AttributeScope::Resource => {
            let used = used(spans, rows, |shape| shape.resource, group.resources().len())?;
            used.iter()
                .filter_map(|number| group.resources().get(number))
                .for_each(|resource| give(&resource.attributes));
            Ok(())
        }
        AttributeScope::Instrumentation => {
            let used = used(spans, rows, |shape| shape.scope, group.scopes().len())?;
            used.iter().filter_map(|number| group.scopes().get(number)).for_each(|scope| give(&scope.attributes));
            Ok(())
        }
        AttributeScope::Span => table_values(spans, key.as_bytes(), rows, sink),
        AttributeScope::Event | AttributeScope::Link => {
            let kind = if scope == AttributeScope::Event { TableKind::Event } else { TableKind::Link };
            table_values(&*group.table(kind), key.as_bytes(), &children_of(group, kind, rows)?, sink)
        }
        AttributeScope::Any => {
            let context = QueryContext::unbounded();
            let scan = Scan { group, context: &context, kind: TableKind::Span };
            let mut left = rows.clone();
            use AttributeScope::{Event, Instrumentation, Link, Resource, Span};
            for scope in [Span, Resource, Event, Link, Instrumentation] {
                let present = scan.attribute(scope, key, &Test::Present)?;
                let mut here = left.clone();
                here.and(&present);
                if !here.is_empty() {
                    attribute_values(group, scope, key, &here, sink)?;
                }
                left.and_not(&present);
            }
            Ok(())
        }
    }
}

fn table_values(
    table: &dyn TableView,
    name: &[u8],
    rows: &Bitmap,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    let columns = table.columns(Owner::Attribute, name);
    for (column, _) in &columns {
        let mut rows = rows.clone();
        keep_first(table, &columns, *column, &mut rows)?;
        table.distinct(*column, &rows, &mut |value| sink(Value::Any(to_value(value))))?;
    }
    Ok(())
}

fn children_of(group: &dyn RowGroup, kind: TableKind, rows: &Bitmap) -> Result<Bitmap, ReadError> {
    let mut children = Bitmap::none(group.table(kind).len());
    for (child, owner) in group.owners(kind)?.iter().enumerate() {
        children.insert_if(child, rows.contains(*owner as usize));
    }
    Ok(children)
}

/// Which numbers the shapes of these rows use.
fn used(
    table: &dyn TableView,
    rows: &Bitmap,
    number: impl Fn(&Shape) -> u32,
    count: usize,
) -> Result<Bitmap, ReadError> {
    let known = &table.shapes()?.shapes;
    let mut shapes = Bitmap::none(known.len());
    let numbers = table.shape_numbers()?;
    rows.iter().filter_map(|row| numbers.get(row)).for_each(|shape| shapes.insert(*shape as usize));
    let mut used = Bitmap::none(count);
    shapes.iter().filter_map(|shape| known.get(shape)).for_each(|shape| used.insert(number(shape) as usize));
    Ok(used)
}

fn intrinsic_values(
    group: &dyn RowGroup,
    intrinsic: Intrinsic,
    rows: &Bitmap,
    sink: &mut dyn FnMut(Value),
) -> Result<(), ReadError> {
    let spans = &*group.table(TableKind::Span);
    match intrinsic {
        Intrinsic::Name => {
            let used = used(spans, rows, |shape| shape.name, spans.names())?;
            used.iter().for_each(|name| sink(Value::string(text(spans.name(name as u32)))));
        }
        Intrinsic::Kind => {
            let used = used(spans, rows, |shape| u32::from(shape.kind), 256)?;
            used.iter().for_each(|kind| sink(Value::Kind(SpanKind::from_otlp(kind as i32))));
        }
        Intrinsic::Status => {
            let used = used(spans, rows, |shape| u32::from(shape.status), 256)?;
            used.iter().for_each(|code| sink(Value::Status(StatusCode::from_otlp(code as i32))));
        }
        Intrinsic::ScopeName | Intrinsic::ScopeVersion => {
            let used = used(spans, rows, |shape| shape.scope, group.scopes().len())?;
            for scope in used.iter().filter_map(|number| group.scopes().get(number)) {
                let found = if intrinsic == Intrinsic::ScopeName { &scope.name } else { &scope.version };
                if !found.is_empty() {
                    sink(Value::string(found.as_str()));
                }
            }
        }
        Intrinsic::Duration => {
            let durations = durations(group)?;
            rows.iter().filter_map(|row| durations.get(row)).for_each(|nanos| sink(Value::Duration(*nanos)));
        }
        Intrinsic::StatusMessage => {
            for (column, _) in spans.columns(Owner::Field, b"status_message") {
                spans.distinct(column, rows, &mut |value| sink(Value::Any(to_value(value))))?;
            }
        }
        Intrinsic::EventName => {
            let events = &*group.table(TableKind::Event);
            let used = used(events, &children_of(group, TableKind::Event, rows)?, |shape| shape.name, events.names())?;
            used.iter().for_each(|name| sink(Value::string(text(events.name(name as u32)))));
        }
        Intrinsic::TraceId => give_ids(rows, sink, |row| Ok(Some(group.trace_id(row)?.to_string())))?,
        Intrinsic::SpanId => give_ids(rows, sink, |row| Ok(Some(group.span_id(row)?.to_string())))?,
        Intrinsic::ParentId => give_ids(rows, sink, |row| {
            let parent = group.parent(row)?;
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
            for (trace, span) in links.iter().filter_map(|link| group.link_ids().ok()?.get(link)) {
                let id = if intrinsic == Intrinsic::LinkTraceId { trace.to_string() } else { span.to_string() };
                sink(Value::string(id));
            }
        }
        Intrinsic::TraceDuration | Intrinsic::RootName | Intrinsic::RootService => {}
    }
    Ok(())
}

fn give_ids(
    rows: &Bitmap,
    sink: &mut dyn FnMut(Value),
    id: impl Fn(usize) -> Result<Option<String>, ReadError>,
) -> Result<(), ReadError> {
    for row in rows.iter() {
        id(row)?.into_iter().for_each(|id| sink(Value::string(id)));
    }
    Ok(())
}
