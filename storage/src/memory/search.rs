//! Searches: the rows of the answer, their order, and its pages. Written directly from the rules of [`SearchRequest`].

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use hoptrail_proto::model::{AnyValue, Extent, StatusCode, TraceId, TraceSpan};

use super::compare::{order, real_number};
use super::evaluate::Subject;
use super::pipeline::{Spanset, spansets, union};
use super::whole::WholeTrace;
use crate::search::{Order, Place, Rows, SearchRequest, ServiceStats, SetHit, SpanHit, TraceHit};
use crate::{QueryContext, ReadError, Value};

/// A row of an answer with its place in the order.
pub(super) type Row = (Place, TraceHit);

/// The rows that a trace has, in no order.
pub(super) fn rows(
    trace_id: TraceId,
    spans: &[TraceSpan],
    request: &SearchRequest,
    context: &QueryContext,
) -> Result<Vec<Row>, ReadError> {
    let trace = &WholeTrace::new(spans);
    let spansets = spansets(trace, &request.spans, context)?;
    let mut running = union(&spansets);
    running.retain(|span| trace.runs_in(*span, request.range));
    if running.is_empty() {
        return Ok(Vec::new());
    }
    let place = Place { value: None, start: Extent::order_start_of(trace.start), trace_id, span_id: None };
    let answer = Answer { trace, request, place };
    Ok(match request.rows {
        Rows::Traces => vec![answer.of_trace(&spansets, &running)],
        Rows::Spans => spansets.iter().flat_map(|spanset| answer.of_spans(spanset, &running)).collect(),
    })
}

/// The page that is asked for, of all rows, and where the next one begins.
pub(super) fn page(mut rows: Vec<Row>, request: &SearchRequest) -> (Vec<TraceHit>, Option<Place>) {
    let compare = |one: &Place, other: &Place| compare(&request.order, one, other);
    rows.sort_by(|(one, _), (other, _)| compare(one, other));
    rows.retain(|(place, _)| request.after.as_ref().is_none_or(|after| compare(after, place).is_lt()));
    let Some((last, _)) = request.limit.checked_sub(1).and_then(|last| rows.get(last)) else {
        rows.truncate(request.limit);
        return (rows.into_iter().map(|(_, hit)| hit).collect(), None);
    };
    let last = last.clone();
    // What shares the last place is on this page as well.
    let is_next = |(place, _): &Row| compare(&last, place).is_lt();
    let next = rows.iter().any(is_next).then(|| last.clone());
    rows.retain(|row| !is_next(row));
    (rows.into_iter().map(|(_, hit)| hit).collect(), next)
}

struct Answer<'a> {
    trace: &'a WholeTrace<'a>,
    request: &'a SearchRequest,
    place: Place,
}

impl Answer<'_> {
    fn of_trace(&self, spansets: &[Spanset], running: &BTreeSet<usize>) -> Row {
        let of_set = |spanset: &Spanset| SetHit {
            attributes: spanset.attributes.clone(),
            matched: spanset.spans.len() as u64,
            spans: spanset.spans.iter().take(self.request.spans_per_set).map(|span| self.span_hit(*span)).collect(),
        };
        let place = Place { value: self.value(running.iter().copied()), ..self.place.clone() };
        (place, self.hit(spansets.iter().map(of_set).collect()))
    }

    fn of_spans(&self, spanset: &Spanset, running: &BTreeSet<usize>) -> Vec<Row> {
        let of_span = |span: &usize| {
            let hit = self.span_hit(*span);
            let (start, span_id) = (hit.start_unix_nano, Some(hit.span_id));
            let place = Place { value: self.value([*span]), start, span_id, ..self.place.clone() };
            let set = SetHit { attributes: spanset.attributes.clone(), matched: 1, spans: vec![hit] };
            (place, self.hit(vec![set]))
        };
        spanset.spans.intersection(running).map(of_span).collect()
    }

    fn hit(&self, sets: Vec<SetHit>) -> TraceHit {
        TraceHit {
            trace_id: self.place.trace_id,
            root: self.trace.root.clone(),
            start_unix_nano: self.trace.start,
            duration_nanos: self.trace.duration,
            services: services(&self.trace.spans),
            sets,
        }
    }

    fn span_hit(&self, span: usize) -> SpanHit {
        let subject = Subject::new(self.trace, span);
        let fields = self.request.select.iter();
        let span = &subject.span().span;
        SpanHit {
            span_id: span.span_id,
            name: span.name.clone(),
            start_unix_nano: span.start_unix_nano,
            duration_nanos: span.end_unix_nano.saturating_sub(span.start_unix_nano),
            fields: fields.filter_map(|field| Some((field.clone(), subject.first(field)?))).collect(),
        }
    }

    /// The value by which these spans are ordered; the first of equal ones.
    fn value(&self, spans: impl IntoIterator<Item = usize>) -> Option<Value> {
        let Order::By { value, descending } = &self.request.order else { return None };
        let values = spans.into_iter().filter_map(|span| Subject::new(self.trace, span).computed(value));
        let counts = values.filter(|value| type_rank(value).is_some());
        counts.reduce(|best, next| if in_order(*descending, &next, &best).is_lt() { next } else { best })
    }
}

/// Where a value stands by its type; `None` when it does not count.
fn type_rank(value: &Value) -> Option<u8> {
    match value {
        Value::Any(AnyValue::String(_)) => Some(2),
        Value::Any(AnyValue::Bool(_)) => Some(1),
        number => real_number(number).filter(|number| !number.is_nan()).map(|_| 0),
    }
}

fn in_order(descending: bool, one: &Value, other: &Value) -> Ordering {
    let ascending = type_rank(one).cmp(&type_rank(other)).then_with(|| order(one, other).unwrap_or(Ordering::Equal));
    if descending { ascending.reverse() } else { ascending }
}

fn compare(order: &Order, one: &Place, other: &Place) -> Ordering {
    let by_value = match (&one.value, &other.value, order) {
        (Some(one), Some(other), Order::By { descending, .. }) => in_order(*descending, one, other),
        (one, other, _) => other.is_some().cmp(&one.is_some()),
    };
    let key = |place: &Place| Reverse((place.start, place.trace_id, place.span_id));
    by_value.then_with(|| key(one).cmp(&key(other)))
}

fn services(spans: &[&TraceSpan]) -> Vec<ServiceStats> {
    let mut by_name: BTreeMap<&str, Vec<&TraceSpan>> = BTreeMap::new();
    for span in spans {
        by_name.entry(span.resource.service_name()).or_default().push(span);
    }
    by_name.into_iter().map(|(service, spans)| stats(service, &spans)).collect()
}

fn stats(service: &str, spans: &[&TraceSpan]) -> ServiceStats {
    let mut stats = ServiceStats { service: service.to_owned(), spans: 0, errors: 0 };
    for span in spans {
        stats.spans += 1;
        stats.errors += u32::from(span.span.status.code == StatusCode::Error);
    }
    stats
}
