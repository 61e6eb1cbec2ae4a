//! The fields of a unit, and how often its spans have each value.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use hoptrail_proto::model::{Attribute, SpanKind, StatusCode};
use hoptrail_proto::otlp::view::ValueView;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::cells::Cells;
use super::frequent::{Counts, Visit};
use crate::codec::bits::Bitmap;
use crate::matcher::values_of;
use crate::rows::{Owner, TableKind, fields as names, text, to_value};
use crate::scan::{NO_CODE, RowGroup, ShapePart, TableView};
use crate::store::read::metrics::roots::Roots;
use crate::store::read::metrics::selected::Selected;
use crate::{AttributeScope, Field, Intrinsic, ReadError, Value};

/// A field, and what a unit knows of it.
pub(super) struct UnitField {
    pub(super) field: Field,
    pub(super) counts: Counts,
}

/// The parts of shapes that are fields.
const PARTS: [ShapePart; 5] =
    [ShapePart::Resource, ShapePart::Scope, ShapePart::Name, ShapePart::Kind, ShapePart::Status];

/// All fields that any of the rows has.
pub(super) fn of_unit(
    selected: &Selected<'_>,
    cells: &Cells,
    roots: &Roots<'_, '_>,
) -> Result<Vec<UnitField>, ReadError> {
    let mut found = Vec::new();
    of_shapes(selected, cells, &mut found)?;
    for (kind, scope) in [
        (TableKind::Span, AttributeScope::Span),
        (TableKind::Event, AttributeScope::Event),
        (TableKind::Link, AttributeScope::Link),
    ] {
        of_table(selected, cells, kind, scope, &mut found)?;
    }
    of_roots(selected, cells, roots, &mut found)?;
    found.retain(|field| !field.counts.totals.is_empty());
    Ok(found)
}

/// Gives the values that a group has of the field to `visit`. A value may come several times.
pub(super) fn each_value(group: &dyn RowGroup, field: &Field, visit: Visit<'_>) -> Result<(), ReadError> {
    let (kind, owner, name) = match field {
        Field::Intrinsic(Intrinsic::StatusMessage) => (TableKind::Span, Owner::Field, names::STATUS_MESSAGE),
        Field::Attribute { scope: AttributeScope::Span, key } => (TableKind::Span, Owner::Attribute, key.as_bytes()),
        Field::Attribute { scope: AttributeScope::Event, key } => (TableKind::Event, Owner::Attribute, key.as_bytes()),
        Field::Attribute { scope: AttributeScope::Link, key } => (TableKind::Link, Owner::Attribute, key.as_bytes()),
        _ => return Ok(()),
    };
    let table = &*group.table(kind);
    let rows = Bitmap::all(table.len());
    for column in table.columns(owner, name) {
        table.distinct(column, &rows, &mut |value| visit(hash(value), &|| Value::Any(to_value(value))))?;
    }
    Ok(())
}

/// The hash of a value, the same in whichever column it is.
#[inline]
fn hash(value: ValueView<'_>) -> u64 {
    match value {
        ValueView::Text(bytes) => xxh3_64_with_seed(bytes, 1),
        ValueView::Int(number) => xxh3_64_with_seed(&number.to_le_bytes(), 2),
        value => hash_of(&Value::Any(to_value(value))),
    }
}

fn hash_of(value: &Value) -> u64 {
    let mut hasher = Xxh3::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What the shapes of rows say. Rows are counted by shape first.
fn of_shapes(selected: &Selected<'_>, cells: &Cells, found: &mut Vec<UnitField>) -> Result<(), ReadError> {
    let table = &*selected.group.table(TableKind::Span);
    let (codes, shapes) = (table.shape_codes()?, table.shapes()?);
    let mut of_shapes: FxHashMap<(u32, u32), f64> = FxHashMap::default();
    for row in selected.rows.iter() {
        let shape = codes.get(row).copied().unwrap_or_default();
        *of_shapes.entry((shape, cells.code(row))).or_default() += cells.weight(row);
    }
    for part in PARTS {
        let mut of_parts: FxHashMap<(u32, u32), f64> = FxHashMap::default();
        for ((shape, cell), count) in &of_shapes {
            let own = shapes.get(*shape).map_or(0, |shape| part.of(shape));
            *of_parts.entry((own, *cell)).or_default() += count;
        }
        let mut fields: FxHashMap<Field, Known> = FxHashMap::default();
        for ((index, cell), count) in of_parts {
            for (field, values) in values_of_part(selected.group, table, part, index) {
                fields.entry(field).or_default().add(values, cells.cell(cell), count);
            }
        }
        found.extend(fields.into_iter().map(|(field, known)| UnitField { field, counts: known.into_counts() }));
    }
    Ok(())
}

/// The fields that a part of a shape is, with their values.
fn values_of_part(
    group: &dyn RowGroup,
    table: &dyn TableView,
    part: ShapePart,
    index: u32,
) -> Vec<(Field, Vec<Value>)> {
    let code = i32::try_from(index).unwrap_or_default();
    let intrinsic = |intrinsic, value| vec![(Field::Intrinsic(intrinsic), vec![value])];
    match part {
        ShapePart::Resource => {
            let resource = group.resources().get(index as usize);
            attributes(AttributeScope::Resource, resource.map_or(&[], |resource| &resource.attributes))
        }
        ShapePart::Scope => {
            let scope = group.scopes().get(index as usize);
            attributes(AttributeScope::Instrumentation, scope.map_or(&[], |scope| &scope.attributes))
        }
        ShapePart::Name => intrinsic(Intrinsic::Name, Value::string(text(table.name(index)))),
        ShapePart::Kind => intrinsic(Intrinsic::Kind, Value::Kind(SpanKind::from_otlp(code))),
        ShapePart::Status => intrinsic(Intrinsic::Status, Value::Status(StatusCode::from_otlp(code))),
    }
}

fn attributes(scope: AttributeScope, attributes: &[Attribute]) -> Vec<(Field, Vec<Value>)> {
    let keys: BTreeSet<&str> = attributes.iter().map(|own| own.key.as_str()).collect();
    let values = |key| values_of(attributes, key).map(|value| Value::Any(value.clone())).collect();
    keys.into_iter().map(|key| (Field::attribute(scope, key), values(key))).collect()
}

/// Values that are made at once, since there are few.
#[derive(Default)]
struct Known {
    totals: FxHashMap<u32, f64>,
    counted: FxHashMap<(u64, u32), f64>,
    values: FxHashMap<u64, Value>,
}

impl Known {
    /// So many spans of a cell have these values.
    fn add(&mut self, values: Vec<Value>, cell: u32, count: f64) {
        let values: FxHashMap<u64, Value> = values.into_iter().map(|value| (hash_of(&value), value)).collect();
        if !values.is_empty() {
            *self.totals.entry(cell).or_default() += count;
        }
        for (hash, value) in values {
            *self.counted.entry((hash, cell)).or_default() += count;
            self.values.entry(hash).or_insert(value);
        }
    }

    fn into_counts(self) -> Counts {
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
    found: &mut Vec<UnitField>,
) -> Result<(), ReadError> {
    let roots = roots.of_unit(selected)?;
    let mut counts: FxHashMap<(u32, u32), f64> = FxHashMap::default();
    for (row, root) in selected.rows.iter().zip(&roots.of_rows) {
        *counts.entry((*root, cells.code(row))).or_default() += cells.weight(row);
    }
    let (mut names, mut services) = (Known::default(), Known::default());
    for ((root, cell), count) in counts {
        if let Some(Some((service, name))) = roots.roots.get(root as usize) {
            services.add(vec![Value::string(service.as_str())], cells.cell(cell), count);
            names.add(vec![Value::string(name.as_str())], cells.cell(cell), count);
        }
    }
    for (intrinsic, known) in [(Intrinsic::RootName, names), (Intrinsic::RootService, services)] {
        found.push(UnitField { field: Field::Intrinsic(intrinsic), counts: known.into_counts() });
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
                None if self.cells.is_plain() => self.listed(*column),
                None => self.of_pairs(columns),
            },
            _ => self.of_pairs(columns),
        }
    }

    fn of_dictionary(&self, column: u32, codes: &[u32]) -> Result<Counts, ReadError> {
        let mut hashes = Vec::new();
        self.table.dictionary(column, &mut |_, value| hashes.push(hash(value)))?;
        let width = self.cells.count();
        let mut counts = vec![0.0; hashes.len() * width];
        let known = self.rows.iter().zip(codes).filter(|(_, code)| **code != NO_CODE);
        for (row, code) in known {
            if let Some(count) = counts.get_mut(*code as usize * width + self.cells.code(row) as usize) {
                *count += self.cells.weight(row);
            }
        }
        let mut totals = vec![0.0; width];
        let mut counted = Vec::new();
        for (hash, own) in hashes.iter().zip(counts.chunks(width.max(1))) {
            for ((code, count), total) in (0..).zip(own).zip(&mut totals).filter(|((_, count), _)| **count > 0.0) {
                counted.push((*hash, self.cells.cell(code), *count));
                *total += count;
            }
        }
        Ok(Counts { totals: self.totals(&totals), counted, ..Counts::default() })
    }

    fn listed(&self, column: u32) -> Result<Counts, ReadError> {
        let (mut hashes, mut of_values, mut totals) = (Vec::new(), Vec::new(), vec![0.0; self.cells.count()]);
        self.table.values(column, self.rows, &mut |row, value| {
            let code = self.cells.code(row);
            hashes.push(hash(value));
            of_values.push(self.cells.cell(code));
            if let Some(total) = totals.get_mut(code as usize) {
                *total += 1.0;
            }
        })?;
        Ok(Counts { totals: self.totals(&totals), listed: (hashes, of_values), ..Counts::default() })
    }

    /// A span may have several values. Each counts once.
    fn of_pairs(&self, columns: &[u32]) -> Result<Counts, ReadError> {
        let mut pairs = Vec::new();
        for column in columns {
            self.table.values(*column, self.rows, &mut |row, value| {
                let span = match self.owners {
                    None => Some(row),
                    Some(owners) => owners.get(row).map(|owner| *owner as usize),
                };
                pairs.extend(span.map(|span| (span, hash(value))));
            })?;
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut counted: FxHashMap<(u64, u32), f64> = FxHashMap::default();
        let mut totals = vec![0.0; self.cells.count()];
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
