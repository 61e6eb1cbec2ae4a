//! What tells the traces of one search apart from those of another, counted by columns.
//!
//! First each trace gets a side. Then one pass counts for each value how many traces of each side have it; fields with very many values are
//! sieved in it, and what is left of them is counted in a pass of its own. A last pass notes which of the most telling values stand together.

mod counts;
mod fields;
mod marks;
mod masks;
mod traces;

use std::collections::BTreeMap;

use hoptrail_proto::model::AnyValue;
use hoptrail_proto::otlp::view::ValueView;
use rustc_hash::{FxHashMap, FxHashSet};

use super::rounds::Rounds;
use super::scan_unit::ScanUnit;
use super::trace_loader::TraceLoader;
use crate::contrast::{
    Contrast, ContrastRequest, Paired, Sides, TellingValue, by_difference, is_frequent, paired, same_as, telling,
    telling_pairs,
};
use crate::explain::Counted;
use crate::first_values::listed_order;
use crate::rows::TableKind;
use crate::scan::{RowGroup, ValueHasher, hash_of};
use crate::{AttributeScope, Field, Intrinsic, ReadError, Value};
use counts::{FieldCounts, Left};
use fields::{Counting, Found, Wanted, each_value, of_unit};
pub(super) use marks::Marked;
use masks::{Pairs, Pool};
pub(super) use traces::{SidedTraces, UnitTraces};

/// The traces of each side, and what tells them apart.
pub(super) fn contrast(loader: &TraceLoader<'_, '_>, request: &ContrastRequest) -> Result<Contrast, ReadError> {
    let traces = SidedTraces::of(loader, request)?;
    Comparison { loader, request, traces }.answer()
}

/// The values of each field, by hash.
type Hashes = BTreeMap<Field, FxHashSet<u64>>;

struct Comparison<'q, 's, 'a> {
    loader: &'q TraceLoader<'s, 'a>,
    request: &'q ContrastRequest,
    traces: SidedTraces,
}

impl Comparison<'_, '_, '_> {
    fn answer(&self) -> Result<Contrast, ReadError> {
        let (context, all) = (self.loader.context, self.traces.all());
        let mut answer = Contrast { traces: all, inspected: self.traces.inspected, ..Contrast::default() };
        if all.selected == 0 || all.others == 0 {
            return Ok(answer);
        }
        let begun = crate::clock::instant();
        let fields = self.counted(&all)?;
        context.ended("how many traces have each value", begun);
        let begun = crate::clock::instant();
        answer.values = self.values(&fields, &all)?;
        let names = self.frequent_names(&fields, &all)?;
        context.ended("the values that tell", begun);
        let begun = crate::clock::instant();
        let pool = paired(&answer.values, names, &all);
        if !pool.is_empty() {
            let pairs = self.pairs(&pool)?;
            let place = |own: &Paired| {
                answer.values.iter().position(|value| value.field == own.field && value.value == own.value)
            };
            let same = same_as(&pool, &pairs);
            let same: Vec<_> =
                pool.iter().zip(same).filter_map(|(own, same)| Some((place(own)?, place(pool.get(same?)?)?))).collect();
            for (own, same) in same {
                answer.values.get_mut(own).into_iter().for_each(|own| own.same_as = Some(same));
            }
            answer.pairs = telling_pairs(&pool, &pairs, &all, self.request.bar);
        }
        context.ended("which values stand together", begun);
        Ok(answer)
    }

    /// How many traces have each value.
    fn counted(&self, all: &Sides) -> Result<BTreeMap<Field, FieldCounts>, ReadError> {
        let mut memory = self.loader.context.reserve(0)?;
        let mut fields: BTreeMap<Field, FieldCounts> = BTreeMap::new();
        let wanted = Wanted { is_wanted: &|field| !self.request.ignores(field), counting: Counting::Quick };
        self.each_unit(
            |group, own| of_unit(group, own, &wanted, self.loader.context),
            |unit, found: Vec<Found>| {
                found
                    .into_iter()
                    .try_for_each(|found| memory.grow(fields.entry(found.field.clone()).or_default().add(unit, found)))
            },
        )?;
        self.add_roots(&mut fields, |_, _| true);
        let (split, least) = (&self.traces.split, self.request.bar.difference);
        let again =
            |(field, counts): (&Field, &mut FieldCounts)| Some((field.clone(), counts.finish(split, all, least)?));
        let left: BTreeMap<Field, Left> = fields.iter_mut().filter_map(again).collect();
        if !left.is_empty() {
            fields.extend(self.counted_again(&left, all)?);
        }
        memory.keep();
        Ok(fields)
    }

    /// The same of fields with very many values, for those that may tell.
    fn counted_again(
        &self,
        left: &BTreeMap<Field, Left>,
        all: &Sides,
    ) -> Result<BTreeMap<Field, FieldCounts>, ReadError> {
        let mut memory = self.loader.context.reserve(0)?;
        let mut fields: BTreeMap<Field, FieldCounts> = BTreeMap::new();
        let wanted = Wanted { is_wanted: &|field| left.contains_key(field), counting: Counting::Exact };
        let may_tell = |field: &Field, hash: u64| left.get(field).is_some_and(|left| left.may_tell(hash));
        self.each_unit(
            |group, own| {
                let mut found = of_unit(group, own, &wanted, self.loader.context)?;
                for found in &mut found {
                    let field = found.field.clone();
                    found.retain(|hash| may_tell(&field, hash));
                }
                Ok(found)
            },
            |unit, found: Vec<Found>| {
                found.into_iter().try_for_each(|found| {
                    memory.grow(fields.entry(found.field.clone()).or_default().add_exactly(unit, found))
                })
            },
        )?;
        self.add_roots(&mut fields, may_tell);
        for counts in fields.values_mut() {
            counts.finish(&self.traces.split, all, self.request.bar.difference);
        }
        memory.keep();
        Ok(fields)
    }

    /// The roots of traces that may be in several units.
    fn add_roots(&self, fields: &mut BTreeMap<Field, FieldCounts>, may_tell: impl Fn(&Field, u64) -> bool) {
        for (number, root) in (0u32..).zip(&self.traces.split_roots) {
            let Some((service, name)) = root else { continue };
            for (intrinsic, text) in [(Intrinsic::RootService, service), (Intrinsic::RootName, name)] {
                let (field, hash) = (Field::Intrinsic(intrinsic), hash_of(&Value::string(text.as_str())));
                if may_tell(&field, hash) {
                    fields.entry(field).or_default().add_split(number, hash);
                }
            }
        }
    }

    /// The values that tell, in their order.
    fn values(&self, fields: &BTreeMap<Field, FieldCounts>, all: &Sides) -> Result<Vec<TellingValue>, ReadError> {
        let without: FxHashSet<(&Field, u64)> =
            self.request.without.iter().map(|(field, value)| (field, stored_hash(field, value))).collect();
        let every = fields.iter().flat_map(|(field, counts)| counts.iter().map(move |own| (field, own)));
        let wanted = every.filter(|(field, (hash, _))| !without.contains(&(*field, *hash)));
        let told = telling(wanted.map(|(field, (hash, traces))| (field.clone(), traces, hash)), all, self.request.bar);
        let mut hashes = Hashes::new();
        for (field, _, hash) in &told {
            hashes.entry(field.clone()).or_default().insert(*hash);
        }
        let mut known = self.looked_up(fields, hashes)?;
        let value = |(field, traces, hash): (Field, Sides, u64)| {
            let value = known.get_mut(&field)?.remove(&hash)?;
            Some(TellingValue { field, value, traces, same_as: None })
        };
        let mut values: Vec<TellingValue> = told.into_iter().filter_map(value).collect();
        values.sort_by(|one, other| {
            let by_field = by_difference(&one.traces, &other.traces, all).then_with(|| one.field.cmp(&other.field));
            by_field.then_with(|| listed_order(&one.value, &other.value))
        });
        Ok(values)
    }

    /// The span names that half of the selection has, in their order.
    fn frequent_names(
        &self,
        fields: &BTreeMap<Field, FieldCounts>,
        all: &Sides,
    ) -> Result<Vec<(String, Sides)>, ReadError> {
        let field = Field::Intrinsic(Intrinsic::Name);
        let Some(counts) = fields.get(&field) else { return Ok(Vec::new()) };
        let frequent: FxHashMap<u64, Sides> = counts.iter().filter(|(_, traces)| is_frequent(traces, all)).collect();
        let mut known = self.looked_up(fields, Hashes::from([(field.clone(), frequent.keys().copied().collect())]))?;
        let is_named = |name: &str| self.request.without.contains(&(field.clone(), Value::string(name)));
        let named = known.remove(&field).unwrap_or_default().into_iter().filter_map(|(hash, value)| match value {
            Value::Any(AnyValue::String(name)) if !is_named(&name) => Some((name, frequent.get(&hash).copied()?)),
            _ => None,
        });
        let mut names: Vec<(String, Sides)> = named.collect();
        names.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(names)
    }

    /// The values with these hashes.
    fn looked_up(
        &self,
        fields: &BTreeMap<Field, FieldCounts>,
        mut wanted: Hashes,
    ) -> Result<BTreeMap<Field, FxHashMap<u64, Value>>, ReadError> {
        let mut known: BTreeMap<Field, FxHashMap<u64, Value>> = BTreeMap::new();
        for (intrinsic, of) in [(Intrinsic::RootService, 0), (Intrinsic::RootName, 1)] {
            let field = Field::Intrinsic(intrinsic);
            let Some(hashes) = wanted.get_mut(&field) else { continue };
            for (service, name) in self.traces.split_roots.iter().flatten() {
                let value = Value::string(if of == 0 { service.as_str() } else { name.as_str() });
                let hash = hash_of(&value);
                if hashes.remove(&hash) {
                    known.entry(field.clone()).or_default().insert(hash, value);
                }
            }
        }
        // Each unit that is known to have some of them.
        let mut by_unit: BTreeMap<usize, Hashes> = BTreeMap::new();
        for (field, hashes) in &wanted {
            for hash in hashes {
                let holder = fields.get(field).and_then(|counts| counts.holder(*hash));
                if let Some(unit) = holder {
                    by_unit.entry(unit).or_default().entry(field.clone()).or_default().insert(*hash);
                }
            }
        }
        for (unit, fields) in by_unit {
            self.loader.context.check()?;
            let Some(unit) = self.traces.units.get(unit).map(|(unit, _)| unit) else { continue };
            self.loader.snapshot.fetch([unit])?;
            self.loader.on(unit, |group| {
                for (field, hashes) in &fields {
                    each_value(group, field, &mut |hash, value| {
                        if hashes.contains(&hash) {
                            known.entry(field.clone()).or_default().entry(hash).or_insert_with(value);
                        }
                    })?;
                }
                Ok(())
            })?;
        }
        Ok(known)
    }

    /// Which of the paired values stand together.
    fn pairs(&self, pool: &[Paired]) -> Result<Pairs, ReadError> {
        let hashed = pool.iter().map(|own| (&own.field, stored_hash(&own.field, &own.value)));
        let bits = Pool::of(hashed, pool.iter().map(|own| own.tells), &self.traces.split_roots);
        let (mut pairs, mut split) = (Pairs::new(), Vec::new());
        let mut memory = self.loader.context.reserve(0)?;
        self.each_unit(
            |group, own| masks::of_unit(group, own, &bits, self.loader.context),
            |_, (found, masks)| {
                pairs.add_all(&found);
                memory.grow(size_of_val(masks.as_slice()))?;
                split.extend(masks);
                Ok(())
            },
        )?;
        split.sort_unstable();
        split.dedup();
        let mut masks = Vec::new();
        for own in split.chunk_by(|one, other| one.0 == other.0) {
            let Some((number, _)) = own.first() else { continue };
            let root = bits.of_split_roots.get(*number as usize).copied().unwrap_or_default();
            masks.clear();
            masks.extend(own.iter().map(|(_, mask)| mask | root));
            pairs.add(&mut masks, self.traces.split.get(*number as usize).copied().unwrap_or_default(), bits.telling);
        }
        Ok(pairs)
    }

    /// Gives what `work` makes of each unit that has traces of a side to `take`, with the number of the unit.
    fn each_unit<T: Send>(
        &self,
        work: impl Fn(&dyn RowGroup, &UnitTraces) -> Result<T, ReadError> + Sync,
        mut take: impl FnMut(usize, T) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let context = self.loader.context;
        let units: Vec<ScanUnit> = self.traces.units.iter().map(|(unit, _)| unit.clone()).collect();
        let rounds = Rounds::new(self.loader.snapshot, &units);
        let items: Vec<(usize, &(ScanUnit, UnitTraces))> = self.traces.units.iter().enumerate().collect();
        let work = |(index, (unit, traces)): &(usize, &(ScanUnit, UnitTraces))| {
            context.check()?;
            rounds.fetch(*index)?;
            self.loader.on(unit, |group| {
                context.count(Counted::Rows, group.table(TableKind::Span).len());
                work(group, traces)
            })
        };
        let take = |(index, _): &(usize, &(ScanUnit, UnitTraces)), found: Result<Option<T>, ReadError>| {
            found?.map_or(Ok(()), |found| take(*index, found))
        };
        self.loader.snapshot.workers().in_order(&items, crate::clock::instant(), |_| true, work, take)
    }
}

/// The hash under which a field's value is counted: columns have hashes of their own.
fn stored_hash(field: &Field, value: &Value) -> u64 {
    use AttributeScope::{Event, Link, Span};
    let is_column = matches!(
        field,
        Field::Attribute { scope: Span | Event | Link, .. } | Field::Intrinsic(Intrinsic::StatusMessage)
    );
    match value {
        Value::Any(AnyValue::String(text)) if is_column => {
            ValueHasher::default().hash(ValueView::Text(text.as_bytes()))
        }
        Value::Any(AnyValue::Int(number)) if is_column => ValueHasher::default().hash(ValueView::Int(*number)),
        value => hash_of(value),
    }
}
