//! What tells traces apart, counted trace by trace, written directly from the rules of [`crate::contrast`].

use std::collections::{BTreeMap, BTreeSet};

use hoptrail_proto::model::{AnyValue, Attribute, TraceSpan};

use super::all_attributes;
use super::compare::SortKey;
use super::evaluate::Subject;
use super::pipeline::{spansets, union};
use super::whole::WholeTrace;
use crate::contrast::{
    Contrast, ContrastRequest, PairCounts, Paired, Sides, TellingValue, is_frequent, paired, same_as, telling,
    telling_pairs,
};
use crate::{AttributeScope, Field, Inspected, Intrinsic, Pipeline, QueryContext, ReadError, Value};

/// The intrinsics that are compared.
const COMPARED: [Intrinsic; 6] = [
    Intrinsic::Name,
    Intrinsic::Kind,
    Intrinsic::Status,
    Intrinsic::StatusMessage,
    Intrinsic::RootName,
    Intrinsic::RootService,
];

/// A value of a field, in an order.
type Key = (Field, SortKey);

/// All traces that were seen on a side.
pub(super) struct Plain<'r> {
    request: &'r ContrastRequest,
    /// Whether it is in the selection, and what each of its spans has.
    traces: Vec<(bool, Vec<BTreeSet<Key>>)>,
    values: BTreeMap<Key, Value>,
    inspected: Inspected,
}

impl<'r> Plain<'r> {
    pub(super) fn new(request: &'r ContrastRequest) -> Self {
        Self { request, traces: Vec::new(), values: BTreeMap::new(), inspected: Inspected::default() }
    }

    pub(super) fn add(&mut self, spans: &[TraceSpan], context: &QueryContext) -> Result<(), ReadError> {
        context.check()?;
        let trace = &WholeTrace::new(spans);
        self.inspected.traces += 1;
        self.inspected.spans += spans.len() as u64;
        let is_found = |pipeline: &Pipeline| -> Result<bool, ReadError> {
            let found = union(&spansets(trace, pipeline, context)?);
            Ok(found.into_iter().any(|span| trace.runs_in(span, self.request.range)))
        };
        let is_selected = is_found(&self.request.selected)?;
        if is_selected || is_found(&self.request.others)? {
            let spans = (0..trace.spans.len()).map(|index| self.values_of(Subject::new(trace, index))).collect();
            self.traces.push((is_selected, spans));
        }
        Ok(())
    }

    /// The values that a span has.
    fn values_of(&mut self, subject: Subject<'_>) -> BTreeSet<Key> {
        let of_attributes = |(scope, attributes): (AttributeScope, &[Attribute])| {
            attributes.iter().map(|own| Field::attribute(scope, own.key.as_str())).collect::<Vec<_>>()
        };
        let mut fields: BTreeSet<Field> = all_attributes(subject.span()).into_iter().flat_map(of_attributes).collect();
        fields.extend(COMPARED.map(Field::Intrinsic));
        let mut keys = BTreeSet::new();
        for field in fields.into_iter().filter(|field| !self.request.ignores(field)) {
            for value in subject.values(&field) {
                let key = (field.clone(), SortKey::of(&value));
                self.values.entry(key.clone()).or_insert(value);
                keys.insert(key);
            }
        }
        keys
    }

    pub(super) fn finish(self) -> Contrast {
        let all = self.count(|_| true);
        let inspected = Inspected { segments: 1, ..self.inspected };
        if all.selected == 0 || all.others == 0 {
            return Contrast { traces: all, inspected, ..Contrast::default() };
        }
        let mut counts: BTreeMap<&Key, Sides> = BTreeMap::new();
        for (is_selected, spans) in &self.traces {
            let of_trace: BTreeSet<&Key> = spans.iter().flatten().collect();
            of_trace.into_iter().for_each(|key| counts.entry(key).or_default().add(one(*is_selected)));
        }
        let is_wanted = |key: &Key| {
            let named = |(field, value): &(Field, Value)| *field == key.0 && SortKey::of(value) == key.1;
            !self.request.without.iter().any(named)
        };
        let wanted = || counts.iter().filter(|(key, _)| is_wanted(key));
        let told = telling(wanted().map(|(key, traces)| (key.0.clone(), *traces, &key.1)), &all, self.request.bar);
        let mut values: Vec<TellingValue> = told
            .into_iter()
            .map(|(field, traces, value)| {
                let value = self.values[&(field.clone(), value.clone())].clone();
                TellingValue { field, value, traces, same_as: None }
            })
            .collect();
        let name = |(key, traces): (&&Key, &Sides)| match (&key.0, &self.values[*key]) {
            (Field::Intrinsic(Intrinsic::Name), Value::Any(AnyValue::String(name))) => Some((name.clone(), *traces)),
            _ => None,
        };
        let names = wanted().filter(|(_, traces)| is_frequent(traces, &all)).filter_map(name).collect();
        let pool = paired(&values, names, &all);
        let same = same_as(&pool, &Pool { plain: &self, pool: &pool });
        for (own, same) in pool.iter().zip(same) {
            let place =
                |own: &Paired| values.iter().position(|value| value.field == own.field && value.value == own.value);
            if let (Some(own), Some(same)) = (place(own), same.and_then(|same| place(&pool[same]))) {
                values[own].same_as = Some(same);
            }
        }
        let pairs = telling_pairs(&pool, &Pool { plain: &self, pool: &pool }, &all, self.request.bar);
        Contrast { traces: all, values, pairs, inspected }
    }

    /// How many traces there are of this kind.
    fn count(&self, is_one: impl Fn(&[BTreeSet<Key>]) -> bool) -> Sides {
        let mut sides = Sides::default();
        let those = self.traces.iter().filter(|(_, spans)| is_one(spans));
        those.for_each(|(is_selected, _)| sides.add(one(*is_selected)));
        sides
    }
}

fn one(is_selected: bool) -> Sides {
    Sides { selected: u64::from(is_selected), others: u64::from(!is_selected) }
}

struct Pool<'p> {
    plain: &'p Plain<'p>,
    pool: &'p [Paired],
}

impl Pool<'_> {
    fn key(&self, index: usize) -> Key {
        (self.pool[index].field.clone(), SortKey::of(&self.pool[index].value))
    }

    fn has(&self, spans: &[BTreeSet<Key>], index: usize) -> bool {
        spans.iter().any(|span| span.contains(&self.key(index)))
    }
}

impl PairCounts for Pool<'_> {
    fn of_one_span(&self, one: usize, other: usize) -> Sides {
        let both = |span: &BTreeSet<Key>| span.contains(&self.key(one)) && span.contains(&self.key(other));
        self.plain.count(|spans| spans.iter().any(both))
    }

    fn of_trace(&self, one: usize, other: usize) -> Sides {
        self.plain.count(|spans| self.has(spans, one) && self.has(spans, other))
    }

    fn are_on_same_spans(&self, one: usize, other: usize) -> bool {
        let mut spans = self.plain.traces.iter().flat_map(|(_, spans)| spans);
        spans.all(|span| span.contains(&self.key(one)) == span.contains(&self.key(other)))
    }

    fn are_in_same_traces(&self, one: usize, other: usize) -> bool {
        self.plain.traces.iter().all(|(_, spans)| self.has(spans, one) == self.has(spans, other))
    }
}
