//! The attribute keys of some spans. Their shapes tell them.

use std::collections::BTreeSet;

use super::values::children_of;
use super::{SpanColumns, TableView, used_shapes};
use crate::codec::bits::Bitmap;
use crate::rows::{Owner, TableKind, text};
use crate::{AttributeScope, ReadError};

/// Attribute keys with their scopes.
pub(crate) type Keys = BTreeSet<(AttributeScope, String)>;

/// The tables whose rows have attributes.
const TABLES: [(AttributeScope, TableKind); 3] = [
    (AttributeScope::Span, TableKind::Span),
    (AttributeScope::Event, TableKind::Event),
    (AttributeScope::Link, TableKind::Link),
];

/// Adds the keys that the group knows, whether or not a span of it has them.
pub(crate) fn add_all_keys(group: &dyn SpanColumns, keys: &mut Keys) {
    for (scope, kind) in TABLES {
        let table = group.table(kind);
        let attributes = table.keys().filter(|key| key.owner == Owner::Attribute);
        keys.extend(attributes.map(|key| (scope, text(&key.name))));
    }
    let resources = group.resources().iter().flat_map(|resource| &resource.attributes);
    keys.extend(resources.map(|attribute| (AttributeScope::Resource, attribute.key.clone())));
    let scopes = group.scopes().iter().flat_map(|scope| &scope.attributes);
    keys.extend(scopes.map(|attribute| (AttributeScope::Instrumentation, attribute.key.clone())));
}

/// The keys of these spans, of their resources and scopes, events and links.
pub(crate) fn keys_of(group: &dyn SpanColumns, rows: &Bitmap) -> Result<Keys, ReadError> {
    let mut keys = Keys::new();
    if rows.is_empty() {
        return Ok(keys);
    }
    for (scope, kind) in TABLES {
        let table = &*group.table(kind);
        if kind == TableKind::Span {
            add_keys_of_rows(table, rows, scope, &mut keys)?;
            add_keys_of_origins(group, rows, &mut keys)?;
        } else if table.len() > 0 {
            add_keys_of_rows(table, &children_of(group, kind, rows)?, scope, &mut keys)?;
        }
    }
    Ok(keys)
}

fn add_keys_of_rows(
    table: &dyn TableView,
    rows: &Bitmap,
    scope: AttributeScope,
    keys: &mut Keys,
) -> Result<(), ReadError> {
    let shapes = table.shapes()?;
    let mut layouts = Bitmap::none(shapes.layouts.len());
    for shape in used_shapes(table, rows)?.parts {
        shapes.get(shape).into_iter().for_each(|shape| layouts.insert(shape.layout as usize));
    }
    let all: Vec<_> = table.keys().collect();
    let mut columns = Bitmap::none(all.len());
    let used = layouts.iter().filter_map(|layout| shapes.layouts.get(layout));
    used.flat_map(|layout| layout.iter()).for_each(|column| columns.insert(*column as usize));
    let held = columns.iter().filter_map(|column| all.get(column));
    keys.extend(held.filter(|key| key.owner == Owner::Attribute).map(|key| (scope, text(&key.name))));
    Ok(())
}

/// Adds the keys of resources and scopes.
fn add_keys_of_origins(group: &dyn SpanColumns, rows: &Bitmap, keys: &mut Keys) -> Result<(), ReadError> {
    let table = &*group.table(TableKind::Span);
    let shapes = table.shapes()?;
    let (mut resources, mut scopes) = (Bitmap::none(group.resources().len()), Bitmap::none(group.scopes().len()));
    for shape in used_shapes(table, rows)?.parts {
        if let Some(shape) = shapes.get(shape) {
            resources.insert(shape.resource as usize);
            scopes.insert(shape.scope as usize);
        }
    }
    let used = resources.iter().filter_map(|index| group.resources().get(index));
    let used = used.flat_map(|resource| &resource.attributes);
    keys.extend(used.map(|attribute| (AttributeScope::Resource, attribute.key.clone())));
    let used = scopes.iter().filter_map(|index| group.scopes().get(index)).flat_map(|scope| &scope.attributes);
    keys.extend(used.map(|attribute| (AttributeScope::Instrumentation, attribute.key.clone())));
    Ok(())
}
