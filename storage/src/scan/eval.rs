//! From a filter to the rows of a group.

use std::borrow::Cow;

use hoptrail_proto::model::{AnyValue, Attribute, SpanId, SpanKind, StatusCode, TraceId};

use super::{RowGroup, TableView, Test};
use crate::codec::bits::Bitmap;
use crate::rows::{Owner, Shape, TableKind, ValueType};
use crate::{AttributeScope, CompareOp, Field, Filter, Intrinsic, QueryContext, ReadError, TimeRange, Value};

/// The rows that satisfy the filter and start in the range. Conditions on the whole trace count as satisfied.
pub(crate) fn matching(
    group: &dyn RowGroup,
    filter: &Filter,
    range: Option<TimeRange>,
    context: &QueryContext,
) -> Result<Bitmap, ReadError> {
    let scan = Scan { group, context, kind: TableKind::Span };
    let mut rows = scan.rows(filter, false, scan.everything())?;
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
pub(super) struct Scan<'a> {
    pub(super) group: &'a dyn RowGroup,
    pub(super) context: &'a QueryContext,
    /// What is tested: spans, or inside [`Filter::Event`] and [`Filter::Link`] one event or link.
    pub(super) kind: TableKind,
}

impl Scan<'_> {
    fn len(&self) -> usize {
        self.group.table(self.kind).len()
    }

    fn everything(&self) -> Bitmap {
        Bitmap::all(self.len())
    }

    /// Those of `among` that satisfy the filter, or with `negated` do not.
    fn rows(&self, filter: &Filter, negated: bool, mut among: Bitmap) -> Result<Bitmap, ReadError> {
        self.context.check()?;
        match (filter, negated) {
            (Filter::True, false) => Ok(among),
            (Filter::True, true) => Ok(Bitmap::none(self.len())),
            (Filter::Not(inner), _) => self.rows(inner, !negated, among),
            (Filter::And(parts), false) | (Filter::Or(parts), true) => self.all(parts, negated, among),
            (Filter::Or(parts), false) | (Filter::And(parts), true) => self.any(parts, negated, &among),
            // What else a span must satisfy is known only with its whole trace.
            _ if filter.needs_trace() => Ok(among),
            _ => {
                let rows = self.leaf(filter, &among)?;
                if negated {
                    among.and_not(&rows)
                } else {
                    among.and(&rows)
                }
                Ok(among)
            }
        }
    }

    /// Each condition looks only at the rows that those before it left.
    fn all(&self, parts: &[Filter], negated: bool, mut rows: Bitmap) -> Result<Bitmap, ReadError> {
        let mut parts: Vec<&Filter> = parts.iter().collect();
        parts.sort_by_key(|part| cost(part));
        for part in parts {
            rows = self.rows(part, negated, rows)?;
            if rows.is_empty() {
                break;
            }
        }
        Ok(rows)
    }

    fn any(&self, parts: &[Filter], negated: bool, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.len());
        for part in parts {
            rows.or(&self.rows(part, negated, among.clone())?);
        }
        Ok(rows)
    }

    /// The rows that satisfy one condition; of those that are not among `among` it may say anything.
    fn leaf(&self, filter: &Filter, among: &Bitmap) -> Result<Bitmap, ReadError> {
        match filter {
            Filter::Compare { field, op, value } => self.field(field, &Test::Compare(*op, value.clone()), among),
            Filter::Matches { field, pattern, negated } => {
                let rows = self.field(field, &Test::matches(pattern, *negated, self.context), among)?;
                self.context.check()?;
                Ok(rows)
            }
            Filter::Exists { field, present } => {
                let mut rows = self.field(field, &Test::Present, among)?;
                if !present {
                    let mut rest = self.everything();
                    rest.and_not(&rows);
                    rows = rest;
                }
                Ok(rows)
            }
            Filter::Event(inner) => self.children(TableKind::Event, inner),
            Filter::Link(inner) => self.children(TableKind::Link, inner),
            Filter::True | Filter::Not(_) | Filter::And(_) | Filter::Or(_) => self.rows(filter, false, among.clone()),
        }
    }

    /// The spans of which one event or link satisfies the filter. What the filter asks of the span itself is taken from the span.
    fn children(&self, kind: TableKind, filter: &Filter) -> Result<Bitmap, ReadError> {
        let inner = Scan { kind, ..*self };
        let found = inner.rows(filter, false, inner.everything())?;
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

    fn field(&self, field: &Field, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        match field {
            Field::Attribute { scope, key } => self.attribute(*scope, key, test, among),
            Field::Intrinsic(intrinsic) => self.intrinsic(*intrinsic, test, among),
        }
    }

    /// The rows of spans that are worth a look: those among `among` when these are spans, else all.
    fn spans_among<'b>(&self, among: &'b Bitmap) -> Cow<'b, Bitmap> {
        if self.kind == TableKind::Span {
            return Cow::Borrowed(among);
        }
        Cow::Owned(Bitmap::all(self.group.table(TableKind::Span).len()))
    }

    pub(super) fn attribute(
        &self,
        scope: AttributeScope,
        key: &str,
        test: &Test,
        among: &Bitmap,
    ) -> Result<Bitmap, ReadError> {
        let (name, spans) = (key.as_bytes(), &*self.group.table(TableKind::Span));
        let among_spans = &*self.spans_among(among);
        match scope {
            AttributeScope::Span => self.of_spans(column_rows(spans, name, test, among_spans)?),
            AttributeScope::Resource => self.of_spans(self.origin_rows(key, test, Origin::Resource, among_spans)?),
            AttributeScope::Instrumentation => {
                self.of_spans(self.origin_rows(key, test, Origin::Scope, among_spans)?)
            }
            AttributeScope::Event => self.child_attribute(TableKind::Event, name, test),
            AttributeScope::Link => self.child_attribute(TableKind::Link, name, test),
            AttributeScope::Any => self.first_scope(key, test, among),
        }
    }

    fn child_attribute(&self, kind: TableKind, name: &[u8], test: &Test) -> Result<Bitmap, ReadError> {
        let table = &*self.group.table(kind);
        let children = column_rows(table, name, test, &Bitmap::all(table.len()))?;
        self.of_children(kind, children)
    }

    /// An unscoped attribute: each row is judged by the first scope that has the key.
    fn first_scope(&self, key: &str, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        use AttributeScope::{Event, Instrumentation, Link, Resource, Span};
        let mut rows = Bitmap::none(self.len());
        let mut left = among.clone();
        for scope in [Span, Resource, Event, Link, Instrumentation] {
            let mut good = self.attribute(scope, key, test, &left)?;
            good.and(&left);
            rows.or(&good);
            left.and_not(&self.attribute(scope, key, &Test::Present, &left)?);
        }
        Ok(rows)
    }

    /// The spans whose resource or scope has the attribute with a good value. Each distinct resource is judged once.
    fn origin_rows(&self, key: &str, test: &Test, origin: Origin, among: &Bitmap) -> Result<Bitmap, ReadError> {
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
        spans.rows_of_shapes(among, &mut |shape| good.get(number(shape) as usize).copied().unwrap_or(false))
    }

    fn intrinsic(&self, intrinsic: Intrinsic, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let group = self.group;
        let spans = &*group.table(TableKind::Span);
        let among = &*self.spans_among(among);
        let shape_rows = |judge: &mut dyn FnMut(&Shape) -> bool| self.of_spans(spans.rows_of_shapes(among, judge)?);
        match intrinsic {
            Intrinsic::Name => self.of_spans(named_rows(spans, test, among)?),
            Intrinsic::Kind => {
                let good = judged(|number| test.holds(&Value::Kind(SpanKind::from_otlp(number))));
                shape_rows(&mut |shape| good[usize::from(shape.kind)])
            }
            Intrinsic::Status => {
                let good = judged(|number| test.holds(&Value::Status(StatusCode::from_otlp(number))));
                shape_rows(&mut |shape| good[usize::from(shape.status)])
            }
            Intrinsic::ScopeName => self.scope_text(test, among, |scope| &scope.name),
            Intrinsic::ScopeVersion => self.scope_text(test, among, |scope| &scope.version),
            Intrinsic::Duration => {
                let mut rows = Bitmap::none(spans.len());
                let test = &mut |row, nanos| rows.insert_if(row, test.holds(&Value::Duration(nanos)));
                group.each_duration(among, test)?;
                self.of_spans(rows)
            }
            Intrinsic::StatusMessage => {
                let columns = spans.columns(Owner::Field, b"status_message");
                let mut rows = Bitmap::none(spans.len());
                for (column, _) in columns {
                    rows.or(&spans.select(column, test, among)?);
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
                self.of_children(TableKind::Event, named_rows(events, test, &Bitmap::all(events.len()))?)
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
        among: &Bitmap,
        text: impl Fn(&hoptrail_proto::model::InstrumentationScope) -> &String,
    ) -> Result<Bitmap, ReadError> {
        let judge = |text: &String| !text.is_empty() && test.holds_text(text.as_bytes());
        let good: Vec<bool> = self.group.scopes().iter().map(|scope| judge(text(scope))).collect();
        let spans = &*self.group.table(TableKind::Span);
        let holds = &mut |shape: &Shape| good.get(shape.scope as usize).copied().unwrap_or(false);
        self.of_spans(spans.rows_of_shapes(among, holds)?)
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

fn numbers(values: &[u64], test: impl Fn(u64) -> bool) -> Bitmap {
    let mut rows = Bitmap::none(values.len());
    values.iter().enumerate().for_each(|(row, value)| rows.insert_if(row, test(*value)));
    rows
}

/// The rows among these whose name satisfies the test. Each distinct name is judged once.
fn named_rows(table: &dyn TableView, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
    let good: Vec<bool> = (0..table.names()).map(|name| test.holds_text(table.name(name as u32))).collect();
    if !good.contains(&true) {
        return Ok(Bitmap::none(table.len()));
    }
    table.rows_of_shapes(among, &mut |shape| good.get(shape.name as usize).copied().unwrap_or(false))
}

/// The rows among these whose first attribute of this key satisfies the test.
fn column_rows(table: &dyn TableView, name: &[u8], test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
    let columns = table.columns(Owner::Attribute, name);
    let mut rows = Bitmap::none(table.len());
    for (column, _) in &columns {
        let mut found = table.select(*column, test, among)?;
        if !found.is_empty() {
            keep_first(table, &columns, *column, &mut found)?;
        }
        rows.or(&found);
    }
    Ok(rows)
}

/// Where a key comes with several types, a row that has more than one is judged by the first.
pub(super) fn keep_first(
    table: &dyn TableView,
    columns: &[(u32, ValueType)],
    column: u32,
    rows: &mut Bitmap,
) -> Result<(), ReadError> {
    if columns.len() > 1 {
        let shapes = table.shapes()?;
        *rows = table.rows_of_shapes(rows, &mut |shape| {
            let mut own = shapes.layout(shape).iter().filter(|own| columns.iter().any(|(column, _)| column == *own));
            own.next() == Some(&column)
        })?;
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
