//! The fields of a unit, and how often its spans have each value.

use std::collections::BTreeSet;

use hoptrail_proto::model::{Attribute, SpanKind, StatusCode};
use hoptrail_proto::otlp::view::ValueView;
use rustc_hash::FxHashMap;

use super::cells::Cells;
use super::frequent::{Counts, Visit};
use super::listed::Listed;
use crate::codec::bits::Bitmap;
use crate::matcher::values_of;
use crate::rows::{Owner, TableKind, fields as names, text, to_value};
use crate::scan::{Hashes, PartCodes, RowGroup, ShapePart, TableView, ValueHasher, hash_of, used_shapes};
use crate::store::read::metrics::roots::{RootOf, Roots};
use crate::store::read::metrics::selected::Selected;
use crate::{AttributeScope, Field, Intrinsic, ReadError, Value};

/// A field, and what a unit knows of it.
pub(super) struct UnitField {
    pub(super) field: Field,
    pub(super) counts: Counts,
}

/// What a unit knows.
#[derive(Default)]
pub(super) struct UnitFields {
    pub(super) fields: Vec<UnitField>,
    /// How many spans of a cell have a part; the parts of a segment are the same in all of its groups.
    pub(super) parts: Vec<(Part, u32, f64)>,
}

/// What shapes say: which kind of part, and its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    Resource(u32),
    Scope(u32),
    Name(u32),
    Kind(u32),
    Status(u32),
    RootName(u32),
    /// The resource of the root.
    RootService(u32),
}

/// A kind of part, of its index.
type PartOf = fn(u32) -> Part;

/// The parts of shapes that are fields.
const PARTS: [(ShapePart, PartOf); 5] = [
    (ShapePart::Resource, Part::Resource),
    (ShapePart::Scope, Part::Scope),
    (ShapePart::Name, Part::Name),
    (ShapePart::Kind, Part::Kind),
    (ShapePart::Status, Part::Status),
];

/// All fields that any of the rows has.
pub(super) fn of_unit(selected: &Selected<'_>, cells: &Cells, roots: &Roots<'_, '_>) -> Result<UnitFields, ReadError> {
    let mut found = UnitFields::default();
    of_shapes(selected, cells, &mut found.parts)?;
    of_roots(selected, cells, roots, &mut found)?;
    for (kind, scope) in [
        (TableKind::Span, AttributeScope::Span),
        (TableKind::Event, AttributeScope::Event),
        (TableKind::Link, AttributeScope::Link),
    ] {
        of_table(selected, cells, kind, scope, &mut found.fields)?;
    }
    found.fields.retain(|field| !field.counts.totals.is_empty());
    Ok(found)
}

/// Counts the parts of shapes. A unit has far fewer shapes than rows.
fn of_shapes(selected: &Selected<'_>, cells: &Cells, found: &mut Vec<(Part, u32, f64)>) -> Result<(), ReadError> {
    let table = &*selected.group.table(TableKind::Span);
    let shapes = table.shapes()?;
    let PartCodes { codes, parts: used } = used_shapes(table, &selected.rows)?;
    let counted: Vec<(usize, u32, f64)> = cells.counts(&selected.rows, &codes, used.len()).collect();
    for (part, of) in PARTS {
        let mut counts: FxHashMap<(u32, u32), f64> = FxHashMap::default();
        for (shape, cell, count) in &counted {
            let shape = used.get(*shape).and_then(|shape| shapes.get(*shape));
            *counts.entry((shape.map_or(0, |shape| part.of(shape)), *cell)).or_default() += count;
        }
        found.extend(counts.into_iter().map(|((index, cell), count)| (of(index), cell, count)));
    }
    Ok(())
}

/// Gives the values that a group has of the field to `visit`; with `rows` those of some spans. A value may come several times.
pub(super) fn each_value(
    group: &dyn RowGroup,
    field: &Field,
    rows: Option<&[u32]>,
    visit: Visit<'_>,
) -> Result<(), ReadError> {
    let (kind, owner, name) = match field {
        Field::Intrinsic(Intrinsic::StatusMessage) => (TableKind::Span, Owner::Field, names::STATUS_MESSAGE),
        Field::Attribute { scope: AttributeScope::Span, key } => (TableKind::Span, Owner::Attribute, key.as_bytes()),
        Field::Attribute { scope: AttributeScope::Event, key } => (TableKind::Event, Owner::Attribute, key.as_bytes()),
        Field::Attribute { scope: AttributeScope::Link, key } => (TableKind::Link, Owner::Attribute, key.as_bytes()),
        _ => return Ok(()),
    };
    let (table, mut hasher) = (&*group.table(kind), ValueHasher::default());
    for column in table.columns(owner, name) {
        let mut give = |value: ValueView<'_>| visit(hasher.hash(value), &|| Value::Any(to_value(value)));
        match rows.filter(|_| kind == TableKind::Span) {
            None => table.distinct(column, &Bitmap::all(table.len()), &mut give)?,
            Some(rows) => {
                let mut some = Bitmap::none(table.len());
                rows.iter().for_each(|row| some.insert(*row as usize));
                table.values(column, &some, &mut |_, value| give(value))?;
            }
        }
    }
    Ok(())
}

/// The fields that a part is, with their values.
pub(super) fn values_of_part(group: &dyn RowGroup, part: Part) -> Vec<(Field, Vec<Value>)> {
    let table = &*group.table(TableKind::Span);
    let code = |index: u32| i32::try_from(index).unwrap_or_default();
    let intrinsic = |intrinsic, value| vec![(Field::Intrinsic(intrinsic), vec![value])];
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
        Part::Kind(index) => intrinsic(Intrinsic::Kind, Value::Kind(SpanKind::from_otlp(code(index)))),
        Part::Status(index) => intrinsic(Intrinsic::Status, Value::Status(StatusCode::from_otlp(code(index)))),
        Part::RootName(index) => intrinsic(Intrinsic::RootName, Value::string(text(table.name(index)))),
        Part::RootService(index) => {
            let resource = group.resources().get(index as usize);
            intrinsic(Intrinsic::RootService, Value::string(resource.map_or("", |own| own.service_name())))
        }
    }
}

fn attributes(scope: AttributeScope, attributes: &[Attribute]) -> Vec<(Field, Vec<Value>)> {
    let keys: BTreeSet<&str> = attributes.iter().map(|own| own.key.as_str()).collect();
    let values = |key| values_of(attributes, key).map(|value| Value::Any(value.clone())).collect();
    keys.into_iter().map(|key| (Field::attribute(scope, key), values(key))).collect()
}

/// Values that are made at once, since there are few.
#[derive(Default)]
pub(super) struct Known {
    totals: FxHashMap<u32, f64>,
    counted: FxHashMap<(u64, u32), f64>,
    values: FxHashMap<u64, Value>,
}

impl Known {
    /// So many spans of a cell have these values.
    pub(super) fn add(&mut self, values: &[Value], cell: u32, count: f64) {
        let values: FxHashMap<u64, &Value> = values.iter().map(|value| (hash_of(value), value)).collect();
        if !values.is_empty() {
            *self.totals.entry(cell).or_default() += count;
        }
        for (hash, value) in values {
            *self.counted.entry((hash, cell)).or_default() += count;
            self.values.entry(hash).or_insert_with(|| value.clone());
        }
    }

    pub(super) fn into_counts(self) -> Counts {
        Counts {
            totals: self.totals.into_iter().collect(),
            counted: self.counted.into_iter().map(|((hash, cell), count)| (hash, cell, count)).collect(),
            values: self.values.into_iter().collect(),
            ..Counts::default()
        }
    }
}

/// The root spans of the rows' traces.
fn of_roots(
    selected: &Selected<'_>,
    cells: &Cells,
    roots: &Roots<'_, '_>,
    found: &mut UnitFields,
) -> Result<(), ReadError> {
    let roots = roots.of_unit(selected)?;
    let (mut names, mut services) = (Known::default(), Known::default());
    for (root, cell, count) in cells.counts(&selected.rows, &roots.of_rows, roots.roots.len()) {
        match roots.roots.get(root) {
            Some(RootOf::Here(resource, name)) => {
                found.parts.push((Part::RootName(*name), cell, count));
                found.parts.push((Part::RootService(*resource), cell, count));
            }
            Some(RootOf::Elsewhere(Some((service, name)))) => {
                names.add(&[Value::string(name.as_str())], cell, count);
                services.add(&[Value::string(service.as_str())], cell, count);
            }
            Some(RootOf::Elsewhere(None)) | None => {}
        }
    }
    for (intrinsic, known) in [(Intrinsic::RootName, names), (Intrinsic::RootService, services)] {
        found.fields.push(UnitField { field: Field::Intrinsic(intrinsic), counts: known.into_counts() });
    }
    Ok(())
}

/// The attributes of spans, events or links, and the status message.
fn of_table(
    selected: &Selected<'_>,
    cells: &Cells,
    kind: TableKind,
    scope: AttributeScope,
    found: &mut Vec<UnitField>,
) -> Result<(), ReadError> {
    let table = &*selected.group.table(kind);
    let owners = selected.group.owners(kind)?;
    let mut own = Bitmap::none(table.len());
    owners.iter().enumerate().for_each(|(child, owner)| own.insert_if(child, selected.rows.contains(*owner as usize)));
    let rows = if kind == TableKind::Span { &selected.rows } else { &own };
    let counter = Counter { table, cells, owners: (kind != TableKind::Span).then_some(owners), rows };
    let attributes = table.keys().filter(|key| key.owner == Owner::Attribute).map(|key| (Owner::Attribute, &*key.name));
    let names: BTreeSet<(Owner, &[u8])> = attributes.collect();
    for (owner, name) in names {
        let counts = counter.counts(&table.columns(owner, name))?;
        found.push(UnitField { field: Field::attribute(scope, text(name)), counts });
        selected.context.check()?;
    }
    if kind == TableKind::Span {
        let counts = counter.counts(&table.columns(Owner::Field, names::STATUS_MESSAGE))?;
        found.push(UnitField { field: Field::Intrinsic(Intrinsic::StatusMessage), counts });
    }
    Ok(())
}

/// Counts the values of columns.
struct Counter<'c> {
    table: &'c dyn TableView,
    cells: &'c Cells,
    /// The spans that have the rows, when these are events or links.
    owners: Option<&'c [u32]>,
    rows: &'c Bitmap,
}

impl Counter<'_> {
    /// The values of columns of one name.
    fn counts(&self, columns: &[u32]) -> Result<Counts, ReadError> {
        match columns {
            [] => Ok(Counts::default()),
            [column] if self.owners.is_none() => match self.table.codes(*column, self.rows)? {
                Some(codes) => self.of_dictionary(*column, &codes),
                None if self.cells.is_plain() && Listed::has_room(self.table.len(), self.cells.len()) => {
                    self.listed(*column)
                }
                None => self.of_pairs(columns),
            },
            _ => self.of_pairs(columns),
        }
    }

    fn of_dictionary(&self, column: u32, codes: &[u32]) -> Result<Counts, ReadError> {
        let (mut hashes, mut hasher) = (Vec::new(), ValueHasher::default());
        self.table.dictionary(column, &mut |_, value| hashes.push(hasher.hash(value)))?;
        let mut totals: FxHashMap<u32, f64> = FxHashMap::default();
        let mut counted = Vec::new();
        for (code, cell, count) in self.cells.counts(self.rows, codes, hashes.len()) {
            counted.push((hashes.get(code).copied().unwrap_or_default(), cell, count));
            *totals.entry(cell).or_default() += count;
        }
        Ok(Counts { totals: totals.into_iter().collect(), counted, ..Counts::default() })
    }

    fn listed(&self, column: u32) -> Result<Counts, ReadError> {
        let listed = Listed::of(self.table.hashes(column, self.rows)?, self.cells);
        Ok(Counts { totals: self.totals(&listed.by_code()), listed, ..Counts::default() })
    }

    /// A span may have several values. Each counts once.
    fn of_pairs(&self, columns: &[u32]) -> Result<Counts, ReadError> {
        let mut pairs = Vec::new();
        for column in columns {
            let Hashes { rows, hashes } = self.table.hashes(*column, self.rows)?;
            for (row, hash) in rows.into_iter().zip(hashes) {
                let span = match self.owners {
                    None => Some(row),
                    Some(owners) => owners.get(row as usize).copied(),
                };
                pairs.extend(span.map(|span| (span as usize, hash)));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut counted: FxHashMap<(u64, u32), f64> = FxHashMap::default();
        let mut totals = vec![0.0; self.cells.len()];
        let mut last = None;
        for (span, hash) in pairs {
            let (code, weight) = (self.cells.code(span), self.cells.weight(span));
            *counted.entry((hash, self.cells.cell(code))).or_default() += weight;
            if last.replace(span) != Some(span)
                && let Some(total) = totals.get_mut(code as usize)
            {
                *total += weight;
            }
        }
        let counted = counted.into_iter().map(|((hash, cell), count)| (hash, cell, count)).collect();
        Ok(Counts { totals: self.totals(&totals), counted, ..Counts::default() })
    }

    fn totals(&self, by_code: &[f64]) -> Vec<(u32, f64)> {
        let cells = (0..).zip(by_code).filter(|(_, count)| **count > 0.0);
        cells.map(|(code, count)| (self.cells.cell(code), *count)).collect()
    }
}
