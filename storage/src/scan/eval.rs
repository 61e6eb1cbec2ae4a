//! Finds the rows of a group that satisfy a filter.

pub(super) mod expr;

use std::borrow::Cow;

use hoptrail_proto::model::{SpanId, TraceId};

use super::{SpanColumns, TableView, Test};
use crate::codec::bits::Bitmap;
use crate::matcher::relation;
use crate::rows::{Owner, TableKind};
use crate::{AttributeScope, CompareOp, Expr, Field, Filter, Intrinsic, QueryContext, ReadError, TimeRange, Value};
use expr::{both, computed};

/// The rows that satisfy the filter and start in the range. Conditions on the whole trace count as satisfied.
pub(crate) fn matching(
    group: &dyn SpanColumns,
    filter: &Filter,
    range: Option<TimeRange>,
    context: &QueryContext,
) -> Result<Bitmap, ReadError> {
    matching_among(group, filter, range, Bitmap::all(group.table(TableKind::Span).len()), context)
}

/// The same among the rows `among`.
pub(crate) fn matching_among(
    group: &dyn SpanColumns,
    filter: &Filter,
    range: Option<TimeRange>,
    among: Bitmap,
    context: &QueryContext,
) -> Result<Bitmap, ReadError> {
    let scan = Scan { group, context, kind: TableKind::Span };
    let mut rows = scan.rows(filter, false, among)?;
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
    pub(super) group: &'a dyn SpanColumns,
    pub(super) context: &'a QueryContext,
    /// What is tested: spans; inside of [`Filter::Event`] events; inside of [`Filter::Link`] links.
    pub(super) kind: TableKind,
}

impl Scan<'_> {
    fn len(&self) -> usize {
        self.group.table(self.kind).len()
    }

    fn everything(&self) -> Bitmap {
        Bitmap::all(self.len())
    }

    /// The rows of `among` that satisfy the filter, or with `negated` do not.
    fn rows(&self, filter: &Filter, negated: bool, mut among: Bitmap) -> Result<Bitmap, ReadError> {
        self.context.check()?;
        match (filter, negated) {
            (Filter::True, false) => Ok(among),
            (Filter::True, true) => Ok(Bitmap::none(self.len())),
            (Filter::Not(inner), _) => self.rows(inner, !negated, among),
            (Filter::And(parts), false) | (Filter::Or(parts), true) => self.all(parts, negated, among),
            (Filter::Or(parts), false) | (Filter::And(parts), true) => self.any(parts, negated, &among),
            // Only the whole trace decides this condition, so here it counts as satisfied.
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

    /// Conditions that shapes decide come first, all at once. Each of the others looks only at the rows that the earlier ones left.
    fn all(&self, parts: &[Filter], negated: bool, mut rows: Bitmap) -> Result<Bitmap, ReadError> {
        let mut shapes: Option<Vec<bool>> = None;
        let mut others: Vec<&Filter> = Vec::new();
        for part in parts {
            let own = if self.kind == TableKind::Span { self.by_shape(part, negated)? } else { None };
            match (own, &mut shapes) {
                (None, _) => others.push(part),
                (Some(own), Some(shapes)) => shapes.iter_mut().zip(own).for_each(|(both, own)| *both &= own),
                (own, none) => *none = own,
            }
        }
        if let Some(shapes) = shapes {
            rows = self.group.table(TableKind::Span).rows_of_shapes(&rows, &shapes)?;
        }
        others.sort_by_key(|part| cost(part));
        for part in others {
            if rows.is_empty() {
                break;
            }
            rows = self.rows(part, negated, rows)?;
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

    /// The rows that satisfy one condition. For rows outside of `among` the answer may be wrong.
    fn leaf(&self, filter: &Filter, among: &Bitmap) -> Result<Bitmap, ReadError> {
        match filter {
            Filter::Compare { field, op, value } => self.field(field, &Test::Compare(*op, value.clone()), among),
            Filter::Matches { field, pattern, negated } => {
                self.field(field, &Test::matches(pattern, *negated, self.context), among)
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
            Filter::Relation { left, op, right } => {
                let (left, right) = (self.computed(left, among)?, self.computed(right, among)?);
                let holds = left.iter().zip(&right).map(|pair| both(pair).is_some_and(|(a, b)| relation(a, *op, b)));
                Ok(rows_where(among, holds))
            }
            Filter::Computed { value, present } => {
                let values = self.computed(value, among)?;
                Ok(rows_where(among, values.iter().map(|value| value.is_some() == *present)))
            }
            Filter::Event(inner) => self.children(TableKind::Event, inner),
            Filter::Link(inner) => self.children(TableKind::Link, inner),
            Filter::True | Filter::Not(_) | Filter::And(_) | Filter::Or(_) => self.rows(filter, false, among.clone()),
        }
    }

    fn computed(&self, expr: &Expr, among: &Bitmap) -> Result<Vec<Option<Value>>, ReadError> {
        computed(self.group, expr, among, self.context)
    }

    /// The spans with an event or link that satisfies the filter. Fields of the span in this filter mean the span of that event or link.
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

    /// Rows of events or links as rows of the tested kind: the same rows, or the spans that own them.
    fn of_children(&self, kind: TableKind, children: Bitmap) -> Result<Bitmap, ReadError> {
        if self.kind == kind {
            return Ok(children);
        }
        let spans = self.to_owners(kind, &children)?;
        self.of_spans(spans)
    }

    fn field(&self, field: &Field, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let rows = match field {
            Field::Attribute { scope, key } => self.attribute(*scope, key, test, among),
            Field::Parent(_) => Ok(self.everything()),
            Field::Intrinsic(intrinsic) => self.intrinsic(*intrinsic, test, among),
        };
        test.check()?;
        rows
    }

    /// The rows of spans to look at: `among` when spans are tested, else all.
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
            AttributeScope::Resource | AttributeScope::Instrumentation => {
                let field = Field::Attribute { scope, key: key.to_owned() };
                let good = self.shapes_with(&field, test)?.unwrap_or_default();
                self.of_spans(spans.rows_of_shapes(among_spans, &good)?)
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

    /// An unscoped attribute: each row is tested by the first scope that has the key.
    fn first_scope(&self, key: &str, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let mut rows = Bitmap::none(self.len());
        let mut left = among.clone();
        for scope in AttributeScope::LOOKED_UP {
            let mut good = self.attribute(scope, key, test, &left)?;
            good.and(&left);
            rows.or(&good);
            left.and_not(&self.attribute(scope, key, &Test::Present, &left)?);
        }
        Ok(rows)
    }

    fn intrinsic(&self, intrinsic: Intrinsic, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let group = self.group;
        let spans = &*group.table(TableKind::Span);
        let among = &*self.spans_among(among);
        match intrinsic {
            Intrinsic::Name | Intrinsic::Kind | Intrinsic::Status | Intrinsic::ScopeName | Intrinsic::ScopeVersion => {
                let good = self.shapes_with(&Field::Intrinsic(intrinsic), test)?.unwrap_or_default();
                self.of_spans(spans.rows_of_shapes(among, &good)?)
            }
            Intrinsic::Duration => {
                let mut rows = Bitmap::none(spans.len());
                let test = &mut |row, nanos| rows.insert_if(row, test.holds(&Value::Duration(nanos)));
                group.each_duration(among, test)?;
                self.of_spans(rows)
            }
            Intrinsic::StatusMessage => {
                let columns = spans.columns(Owner::Field, b"status_message");
                let mut rows = Bitmap::none(spans.len());
                for column in columns {
                    rows.or(&spans.select(column, test, among)?);
                }
                self.of_spans(rows)
            }
            Intrinsic::TraceId => {
                self.each_span(|row| Ok(test.holds_text(group.trace_id(row)?.to_string().as_bytes())))
            }
            Intrinsic::SpanId => self.each_span(|row| Ok(test.holds_text(group.span_id(row)?.to_string().as_bytes()))),
            Intrinsic::ParentId => self.each_span(|row| {
                let parent = group.parent_id(row)?;
                Ok(parent.0 != [0; 8] && test.holds_text(parent.to_string().as_bytes()))
            }),
            Intrinsic::EventName => {
                self.of_children(TableKind::Event, named_events(&*group.table(TableKind::Event), test)?)
            }
            Intrinsic::EventTimeSinceStart => {
                let (times, owners, starts) = (group.event_times()?, group.owners(TableKind::Event)?, group.starts()?);
                let starts = owners.iter().map(|owner| starts.get(*owner as usize).copied().unwrap_or_default());
                let since: Vec<u64> =
                    times.iter().zip(starts).map(|(time, start)| time.saturating_sub(start)).collect();
                self.of_children(TableKind::Event, numbers(&since, |nanos| test.holds(&Value::Duration(nanos))))
            }
            Intrinsic::LinkTraceId => self.links(|(trace, _)| test.holds_text(trace.to_string().as_bytes())),
            Intrinsic::LinkSpanId => self.links(|(_, span)| test.holds_text(span.to_string().as_bytes())),
            Intrinsic::TraceDuration
            | Intrinsic::TraceStart
            | Intrinsic::TraceSpans
            | Intrinsic::TraceErrors
            | Intrinsic::RootName
            | Intrinsic::RootService
            | Intrinsic::ChildCount
            | Intrinsic::NestedSetLeft
            | Intrinsic::NestedSetRight
            | Intrinsic::NestedSetParent => Ok(self.everything()),
        }
    }

    fn links(&self, test: impl Fn(&(TraceId, SpanId)) -> bool) -> Result<Bitmap, ReadError> {
        let ids = self.group.link_ids()?;
        let mut rows = Bitmap::none(ids.len());
        ids.iter().enumerate().for_each(|(row, ids)| rows.insert_if(row, test(ids)));
        self.of_children(TableKind::Link, rows)
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

/// Those of these rows for which the condition, which comes in their order, holds.
fn rows_where(among: &Bitmap, holds: impl Iterator<Item = bool>) -> Bitmap {
    let mut rows = Bitmap::none(among.len());
    among.iter().zip(holds).for_each(|(row, holds)| rows.insert_if(row, holds));
    rows
}

fn numbers(values: &[u64], test: impl Fn(u64) -> bool) -> Bitmap {
    let mut rows = Bitmap::none(values.len());
    values.iter().enumerate().for_each(|(row, value)| rows.insert_if(row, test(*value)));
    rows
}

/// For each name whether it satisfies the test.
pub(super) fn names_with(table: &dyn TableView, test: &Test) -> Vec<bool> {
    (0..).take(table.names()).map(|name| test.holds_text(table.name(name))).collect()
}

/// The events whose name satisfies the test. Each distinct name is tested once.
fn named_events(events: &dyn TableView, test: &Test) -> Result<Bitmap, ReadError> {
    let good = names_with(events, test);
    let names = events.shapes()?.shapes.iter().map(|shape| shape.name as usize);
    let good: Vec<bool> = names.map(|name| good.get(name).copied().unwrap_or(false)).collect();
    events.rows_of_shapes(&Bitmap::all(events.len()), &good)
}

/// The rows among these that have an attribute of this key which satisfies the test.
fn column_rows(table: &dyn TableView, name: &[u8], test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
    let mut rows = Bitmap::none(table.len());
    for column in table.columns(Owner::Attribute, name) {
        rows.or(&table.select(column, test, among)?);
    }
    Ok(rows)
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
        Filter::Relation { .. } | Filter::Computed { .. } => 8,
        Filter::Not(inner) => cost(inner),
        Filter::And(parts) | Filter::Or(parts) => parts.iter().map(cost).max().unwrap_or_default() + 1,
        Filter::Event(_) | Filter::Link(_) => 6,
    }
}
