//! The values of a unit, and how many of its traces have each. A trace counts once for a value, however many of its spans have it.

use std::collections::BTreeSet;

use hoptrail_proto::model::{Attribute, SpanKind, StatusCode};
use rustc_hash::FxHashMap;

use super::marks::{Count, Mark, Marked, both};
use super::traces::UnitTraces;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::matcher::values_of;
use crate::rows::{Owner, TableKind, fields as names, text, to_value};
use crate::scan::{Hashes, RowGroup, TableView, ValueHasher, hash_of};
use crate::{AttributeScope, Field, Intrinsic, QueryContext, ReadError, Value};

/// A column with more values than this and no dictionary is mostly of ids.
const MANY: usize = if cfg!(test) { 2 } else { 256 };

/// What a unit knows of a field.
pub(super) struct Found {
    pub(super) field: Field,
    /// Traces that are in this unit only, by value.
    pub(super) counted: Vec<(u64, Count)>,
    /// The same of a column of which most values differ: a trace may count several times.
    pub(super) listed: Vec<(u64, Count)>,
    /// Traces that may be in several units: trace and value.
    pub(super) split: Vec<(u32, u64)>,
}

impl Found {
    fn of(field: Field) -> Self {
        Self { field, counted: Vec::new(), listed: Vec::new(), split: Vec::new() }
    }

    /// Keeps some values.
    pub(super) fn retain(&mut self, may_count: impl Fn(u64) -> bool) {
        self.counted.retain(|(hash, _)| may_count(*hash));
        self.listed.retain(|(hash, _)| may_count(*hash));
        self.split.retain(|(_, hash)| may_count(*hash));
    }

    fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.listed.is_empty() && self.split.is_empty()
    }
}

/// How values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    /// Those of columns of ids roughly, never too few.
    Quick,
    Exact,
}

/// Which fields are counted, and how.
pub(super) struct Wanted<'w> {
    pub(super) is_wanted: &'w (dyn Fn(&Field) -> bool + Sync),
    pub(super) counting: Counting,
}

/// The tables whose attributes are fields.
pub(super) const TABLES: [(TableKind, AttributeScope); 3] = [
    (TableKind::Span, AttributeScope::Span),
    (TableKind::Event, AttributeScope::Event),
    (TableKind::Link, AttributeScope::Link),
];

/// All values that traces of a unit have.
pub(super) fn of_unit(
    group: &dyn RowGroup,
    traces: &UnitTraces,
    wanted: &Wanted<'_>,
    context: &QueryContext,
) -> Result<Vec<Found>, ReadError> {
    let mut parts = Parts::new(group, wanted.is_wanted)?;
    parts.count(traces)?;
    let mut found = parts.into_found();
    for (kind, scope) in TABLES {
        let table = &*group.table(kind);
        let owners = group.owners(kind)?;
        let columns = Columns { table, owners: (kind != TableKind::Span).then_some(owners), traces, wanted };
        for (field, owner, name) in column_fields(table, kind, scope) {
            if (wanted.is_wanted)(&field) {
                found.push(columns.counted(field, &table.columns(owner, &name))?);
                context.check()?;
            }
        }
    }
    found.retain(|found| !found.is_empty());
    Ok(found)
}

/// The fields that columns of a table hold.
pub(super) fn column_fields(
    table: &dyn TableView,
    kind: TableKind,
    scope: AttributeScope,
) -> Vec<(Field, Owner, Vec<u8>)> {
    let keys = table.keys().filter(|key| key.owner == Owner::Attribute);
    let keys: BTreeSet<&[u8]> = keys.map(|key| &*key.name).collect();
    let field = |key: &[u8]| (Field::attribute(scope, text(key)), Owner::Attribute, key.to_vec());
    let mut fields: Vec<_> = keys.into_iter().map(field).collect();
    if kind == TableKind::Span {
        fields.push((Field::Intrinsic(Intrinsic::StatusMessage), Owner::Field, names::STATUS_MESSAGE.to_vec()));
    }
    fields
}

/// Counts values with codes: each once for a trace.
struct Stamped {
    /// The last trace that had the value.
    stamps: Vec<u32>,
    counts: Vec<Count>,
    split: Vec<(u32, u32)>,
}

impl Stamped {
    fn new(values: usize) -> Self {
        Self { stamps: vec![u32::MAX; values], counts: vec![Count::default(); values], split: Vec::new() }
    }

    /// Makes room for one more value.
    fn push(&mut self) {
        self.stamps.push(u32::MAX);
        self.counts.push(Count::default());
    }

    /// A trace has the value. Traces come one after the other.
    #[inline]
    fn add(&mut self, code: u32, trace: u32, mark: Mark) {
        let Some(stamp) = self.stamps.get_mut(code as usize).filter(|stamp| **stamp != trace) else { return };
        *stamp = trace;
        let Some([selected, others]) = self.counts.get_mut(code as usize) else { return };
        match mark.get() {
            Marked::Selected => *selected += 1,
            Marked::Others => *others += 1,
            Marked::Split(number) => self.split.push((number, code)),
        }
    }
}

/// Columns of one table.
struct Columns<'c> {
    table: &'c dyn TableView,
    /// The spans that have the rows, when these are events or links.
    owners: Option<&'c [u32]>,
    traces: &'c UnitTraces,
    wanted: &'c Wanted<'c>,
}

impl Columns<'_> {
    fn counted(&self, field: Field, columns: &[u32]) -> Result<Found, ReadError> {
        let all = &Bitmap::all(self.table.len());
        match columns {
            [] => Ok(Found::of(field)),
            [column] if self.owners.is_none() => match self.table.codes(*column, all)? {
                Some(codes) => self.of_dictionary(field, *column, &codes),
                None => self.of_pairs(field, columns, all),
            },
            _ => self.of_pairs(field, columns, all),
        }
    }

    fn of_dictionary(&self, field: Field, column: u32, codes: &[u32]) -> Result<Found, ReadError> {
        let (mut hashes, mut hasher) = (Vec::new(), ValueHasher::default());
        self.table.dictionary(column, &mut |_, value| hashes.push(hasher.hash(value)))?;
        let mut stamped = Stamped::new(hashes.len());
        self.traces.each_code(codes, |code, trace, mark| stamped.add(code, trace, mark));
        let hash = |code: usize| hashes.get(code).copied().unwrap_or_default();
        let mut found = Found::of(field);
        let counts = stamped.counts.into_iter().enumerate().filter(|(_, count)| *count != Count::default());
        found.counted.extend(counts.map(|(code, count)| (hash(code), count)));
        found.split.extend(stamped.split.into_iter().map(|(trace, code)| (trace, hash(code as usize))));
        Ok(found)
    }

    /// Values without codes, or several of one span.
    fn of_pairs(&self, field: Field, columns: &[u32], all: &Bitmap) -> Result<Found, ReadError> {
        let (mut found, mut pairs) = (Found::of(field), Vec::new());
        for column in columns {
            let Hashes { rows, hashes } = self.table.hashes(*column, all)?;
            for (row, hash) in rows.into_iter().zip(hashes) {
                let span = self.owners.map_or(Some(row), |owners| owners.get(row as usize).copied());
                let Some((trace, mark)) = span.and_then(|span| self.traces.trace_of(span as usize)) else { continue };
                match mark.get() {
                    Marked::Split(number) => found.split.push((number, hash)),
                    _ => pairs.push((trace, hash, mark)),
                }
            }
        }
        if self.wanted.counting == Counting::Quick && pairs.len() > MANY && self.owners.is_none() {
            let count = |mark: Mark| mark.count().unwrap_or_default();
            found.listed = pairs.into_iter().map(|(_, hash, mark)| (hash, count(mark))).collect();
            return Ok(found);
        }
        pairs.sort_unstable_by_key(|(trace, hash, _)| (*hash, *trace));
        pairs.dedup_by_key(|(trace, hash, _)| (*hash, *trace));
        for own in pairs.chunk_by(|one, other| one.1 == other.1) {
            let mut sum = Count::default();
            for [selected, others] in own.iter().filter_map(|(_, _, mark)| mark.count()) {
                sum = both(sum, [selected, others]);
            }
            found.counted.extend(own.first().map(|(_, hash, _)| (*hash, sum)));
        }
        Ok(found)
    }
}

/// What shapes and roots say: resources, scopes, names, kinds and status.
struct Parts<'p> {
    group: &'p dyn RowGroup,
    table: Box<dyn TableView + 'p>,
    is_wanted: &'p (dyn Fn(&Field) -> bool + Sync),
    /// Each value by its field and hash.
    values: FxHashMap<(Field, u64), u32>,
    list: Vec<(Field, u64)>,
    stamped: Stamped,
}

/// The codes of the values that each of several parts has, once they are asked for.
struct Known(Vec<Option<Box<[u32]>>>);

impl Known {
    fn of(parts: usize) -> Self {
        Self(vec![None; parts])
    }
}

/// A part of a shape, or of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Resource(u32),
    Scope(u32),
    Name(u32),
    Kind(u8),
    Status(u8),
    RootService(u32),
    RootName(u32),
}

impl<'p> Parts<'p> {
    fn new(group: &'p dyn RowGroup, is_wanted: &'p (dyn Fn(&Field) -> bool + Sync)) -> Result<Self, ReadError> {
        Ok(Self {
            group,
            table: group.table(TableKind::Span),
            is_wanted,
            values: FxHashMap::default(),
            list: Vec::new(),
            stamped: Stamped::new(0),
        })
    }

    fn count(&mut self, traces: &UnitTraces) -> Result<(), ReadError> {
        let group = self.group;
        let table = group.table(TableKind::Span);
        let (shapes, codes) = (table.shapes()?, table.shape_codes()?);
        let mut of_shapes = vec![u32::MAX; shapes.shapes.len()];
        let mut of_resources = vec![u32::MAX; group.resources().len()];
        let mut of_scopes = vec![u32::MAX; group.scopes().len()];
        let [mut root_services, mut resources] = [(); 2].map(|()| Known::of(group.resources().len()));
        let [mut root_names, mut scopes] = [table.names(), group.scopes().len()].map(Known::of);
        let mut alone = Known::of(shapes.shapes.len());
        let mut last = u32::MAX;
        let is_new = |stamps: &mut [u32], place: u32, trace: u32| {
            stamps.get_mut(place as usize).is_some_and(|stamp| std::mem::replace(stamp, trace) != trace)
        };
        traces.each_row(|row, trace, mark| {
            if std::mem::replace(&mut last, trace) != trace
                && let Some((resource, name)) = traces.roots.get(trace)
                && mark.count().is_some()
            {
                self.add(&mut root_services, resource, &[Part::RootService(resource)], trace, mark);
                self.add(&mut root_names, name, &[Part::RootName(name)], trace, mark);
            }
            let Some(code) = codes.get(row).filter(|code| is_new(&mut of_shapes, **code, trace)) else { return };
            let Some(shape) = shapes.get(*code) else { return };
            if is_new(&mut of_resources, shape.resource, trace) {
                self.add(&mut resources, shape.resource, &[Part::Resource(shape.resource)], trace, mark);
            }
            if is_new(&mut of_scopes, shape.scope, trace) {
                self.add(&mut scopes, shape.scope, &[Part::Scope(shape.scope)], trace, mark);
            }
            let own = [Part::Name(shape.name), Part::Kind(shape.kind), Part::Status(shape.status)];
            self.add(&mut alone, *code, &own, trace, mark);
        });
        Ok(())
    }

    /// A trace has the values of what stands at `place` in `known`: of these parts.
    #[inline]
    fn add(&mut self, known: &mut Known, place: u32, parts: &[Part], trace: u32, mark: Mark) {
        let Some(codes) = known.0.get_mut(place as usize) else { return };
        let codes = codes.get_or_insert_with(|| parts.iter().flat_map(|part| self.codes(*part)).collect());
        codes.iter().for_each(|code| self.stamped.add(*code, trace, mark));
    }

    /// The codes of the values of a part.
    fn codes(&mut self, part: Part) -> Vec<u32> {
        let Self { group, table, is_wanted, values, list, stamped } = self;
        let fields = values_of_part(*group, &**table, part).into_iter().filter(|(field, _)| is_wanted(field));
        let mut code = |(field, value): (Field, Value)| {
            let key = (field, hash_of(&value));
            *values.entry(key).or_insert_with_key(|key| {
                list.push(key.clone());
                stamped.push();
                len_u32(list.len() - 1)
            })
        };
        fields.map(&mut code).collect()
    }

    fn into_found(self) -> Vec<Found> {
        let mut by_field: FxHashMap<&Field, Found> = FxHashMap::default();
        for ((field, hash), count) in self.list.iter().zip(&self.stamped.counts) {
            let found = by_field.entry(field).or_insert_with(|| Found::of(field.clone()));
            if *count != Count::default() {
                found.counted.push((*hash, *count));
            }
        }
        for (trace, code) in &self.stamped.split {
            let Some((field, hash)) = self.list.get(*code as usize) else { continue };
            by_field.entry(field).or_insert_with(|| Found::of(field.clone())).split.push((*trace, *hash));
        }
        by_field.into_values().collect()
    }
}

/// The fields that a part is, each with its values.
pub(super) fn values_of_part(group: &dyn RowGroup, table: &dyn TableView, part: Part) -> Vec<(Field, Value)> {
    let intrinsic = |intrinsic, value| vec![(Field::Intrinsic(intrinsic), value)];
    let service = |index: u32| {
        let resource = group.resources().get(index as usize);
        Value::string(resource.map_or("", |own| own.service_name()))
    };
    match part {
        Part::Resource(index) => {
            let resource = group.resources().get(index as usize);
            attributes(AttributeScope::Resource, resource.map_or(&[], |resource| &resource.attributes))
        }
        Part::Scope(index) => {
            let scope = group.scopes().get(index as usize);
            attributes(AttributeScope::Instrumentation, scope.map_or(&[], |scope| &scope.attributes))
        }
        Part::Name(index) => intrinsic(Intrinsic::Name, Value::string(text(table.name(index)))),
        Part::Kind(code) => intrinsic(Intrinsic::Kind, Value::Kind(SpanKind::from_otlp(i32::from(code)))),
        Part::Status(code) => intrinsic(Intrinsic::Status, Value::Status(StatusCode::from_otlp(i32::from(code)))),
        Part::RootName(index) => intrinsic(Intrinsic::RootName, Value::string(text(table.name(index)))),
        Part::RootService(index) => intrinsic(Intrinsic::RootService, service(index)),
    }
}

fn attributes(scope: AttributeScope, attributes: &[Attribute]) -> Vec<(Field, Value)> {
    let keys: BTreeSet<&str> = attributes.iter().map(|own| own.key.as_str()).collect();
    let values =
        |key| values_of(attributes, key).map(move |value| (Field::attribute(scope, key), Value::Any(value.clone())));
    keys.into_iter().flat_map(values).collect()
}

/// Gives the values that a unit has of a field, with their hashes, to `visit`. A value may come several times.
pub(super) fn each_value(
    group: &dyn RowGroup,
    field: &Field,
    visit: &mut dyn FnMut(u64, &dyn Fn() -> Value),
) -> Result<(), ReadError> {
    let table = &*group.table(TableKind::Span);
    let (kind, owner, key) = match field {
        Field::Intrinsic(Intrinsic::StatusMessage) => (TableKind::Span, Owner::Field, names::STATUS_MESSAGE),
        Field::Attribute { scope: AttributeScope::Span, key } => (TableKind::Span, Owner::Attribute, key.as_bytes()),
        Field::Attribute { scope: AttributeScope::Event, key } => (TableKind::Event, Owner::Attribute, key.as_bytes()),
        Field::Attribute { scope: AttributeScope::Link, key } => (TableKind::Link, Owner::Attribute, key.as_bytes()),
        field => {
            for part in parts_of(group, table, field) {
                for (own, value) in values_of_part(group, table, part) {
                    if own == *field {
                        visit(hash_of(&value), &|| value.clone());
                    }
                }
            }
            return Ok(());
        }
    };
    let (table, mut hasher) = (&*group.table(kind), ValueHasher::default());
    for column in table.columns(owner, key) {
        let all = Bitmap::all(table.len());
        table.distinct(column, &all, &mut |value| visit(hasher.hash(value), &|| Value::Any(to_value(value))))?;
    }
    Ok(())
}

/// The parts that may have values of a field.
fn parts_of(group: &dyn RowGroup, table: &dyn TableView, field: &Field) -> Vec<Part> {
    let all = |count: usize, part: fn(u32) -> Part| (0..len_u32(count)).map(part).collect();
    match field {
        Field::Attribute { scope: AttributeScope::Resource, .. } => all(group.resources().len(), Part::Resource),
        Field::Attribute { scope: AttributeScope::Instrumentation, .. } => all(group.scopes().len(), Part::Scope),
        Field::Intrinsic(Intrinsic::Name) => all(table.names(), Part::Name),
        Field::Intrinsic(Intrinsic::RootName) => all(table.names(), Part::RootName),
        Field::Intrinsic(Intrinsic::RootService) => all(group.resources().len(), Part::RootService),
        Field::Intrinsic(Intrinsic::Kind) => (0..=u8::MAX).map(Part::Kind).collect(),
        Field::Intrinsic(Intrinsic::Status) => (0..=u8::MAX).map(Part::Status).collect(),
        _ => Vec::new(),
    }
}
