//! Translates codes. Each source of rows has codes of its own for shapes, columns and names; a segment has one code for each.

use std::sync::Arc;

use hashbrown::HashMap;
use hoptrail_proto::model::Resource;

use super::super::metadata::Metadata;
use super::super::pages;
use super::fit::{TooLarge, at_most};
use crate::codec::len_u32;
use crate::rows::{
    ColumnKey, Interner, OriginBytes, PerTable, Rows, Shape, ShapeList, Shapes, Table, TableKind, ValueType,
};

/// Most columns of a table. With more, the ids of their pages would reach those of the filters.
const MOST_COLUMNS: usize = ((pages::FILTERS - pages::COLUMNS) / 3) as usize;

/// The codes of a segment, by the codes of some rows.
#[derive(Default)]
pub(crate) struct Codes {
    pub(super) shapes: PerTable<Vec<u32>>,
    pub(super) columns: PerTable<Vec<u32>>,
}

/// The codes of a segment that is being written.
#[derive(Default)]
pub(super) struct Translator {
    resources: OriginCodes,
    scopes: OriginCodes,
    /// Decoded, by code.
    decoded: Vec<Arc<Resource>>,
    tables: PerTable<TableCodes>,
}

impl Translator {
    /// Gives codes to the resources, scopes, names, columns and shapes of these rows.
    pub(super) fn add(&mut self, rows: &Rows) -> Result<Codes, TooLarge> {
        let resources = self.resources.add(&rows.resources.bytes);
        let scopes = self.scopes.add(&rows.scopes.bytes);
        self.decoded.resize(self.resources.all.len(), Arc::default());
        for (code, resource) in resources.iter().zip(&rows.resources.decoded) {
            if let Some(decoded) = self.decoded.get_mut(*code as usize) {
                *decoded = Arc::clone(resource);
            }
        }
        let mut codes = Codes::default();
        for kind in TableKind::ALL {
            let known = &mut self.tables[kind];
            (codes.shapes[kind], codes.columns[kind]) = known.add(rows.table(kind), &resources, &scopes);
            at_most(known.columns.len(), MOST_COLUMNS, "columns")?;
        }
        Ok(codes)
    }

    /// The value type of each column of a table.
    pub(super) fn value_types(&self, kind: TableKind) -> &[ValueType] {
        &self.tables[kind].value_types
    }

    /// The metadata with all of this, the decoded resources, and the shapes of each table.
    pub(super) fn finish(mut self) -> (Metadata, Vec<Arc<Resource>>, PerTable<ShapeList>) {
        let mut metadata =
            Metadata { resource_bytes: self.resources.all, scope_bytes: self.scopes.all, ..Metadata::default() };
        let mut shapes = PerTable::<ShapeList>::default();
        for kind in TableKind::ALL {
            let own = std::mem::take(&mut self.tables[kind]);
            metadata.tables[kind].names = own.names.iter().map(Into::into).collect();
            metadata.tables[kind].columns = own.columns;
            shapes[kind] = own.shapes.into_list();
        }
        (metadata, self.decoded, shapes)
    }
}

/// Codes of distinct resources or scopes.
#[derive(Default)]
struct OriginCodes {
    all: Vec<OriginBytes>,
    known: HashMap<OriginBytes, u32>,
}

impl OriginCodes {
    fn add(&mut self, own: &[OriginBytes]) -> Vec<u32> {
        own.iter().map(|origin| self.code(origin)).collect()
    }

    fn code(&mut self, origin: &OriginBytes) -> u32 {
        if let Some(code) = self.known.get(origin) {
            return *code;
        }
        let code = len_u32(self.all.len());
        self.all.push(origin.clone());
        self.known.insert(origin.clone(), code);
        code
    }
}

/// Codes of the shapes, columns and names of a table.
#[derive(Default)]
struct TableCodes {
    names: Interner,
    columns: Vec<ColumnKey>,
    value_types: Vec<ValueType>,
    known_columns: HashMap<ColumnKey, u32>,
    shapes: Shapes,
}

/// The code at an index; 0 for one that was never given.
fn at(codes: &[u32], index: u32) -> u32 {
    codes.get(index as usize).copied().unwrap_or_default()
}

impl TableCodes {
    /// The codes of the shapes and columns of these rows.
    fn add(&mut self, own: &Table, resources: &[u32], scopes: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let columns: Vec<u32> = own.columns.iter().map(|column| self.column(&column.key)).collect();
        let names: Vec<u32> =
            own.names.iter().map(|name| self.names.intern(name, usize::MAX).unwrap_or_default()).collect();
        let list = own.shapes.list();
        let layouts: Vec<u32> = list.layouts.iter().map(|layout| self.layout(layout, &columns)).collect();
        let shapes = list.shapes.iter().map(|shape| {
            self.shapes.intern(Shape {
                resource: at(resources, shape.resource),
                scope: at(scopes, shape.scope),
                name: at(&names, shape.name),
                layout: at(&layouts, shape.layout),
                ..*shape
            })
        });
        (shapes.collect(), columns)
    }

    fn layout(&mut self, own: &[u32], columns: &[u32]) -> u32 {
        let translated: Vec<u32> = own.iter().map(|column| at(columns, *column)).collect();
        self.shapes.intern_layout(&translated)
    }

    fn column(&mut self, key: &ColumnKey) -> u32 {
        if let Some(code) = self.known_columns.get(key) {
            return *code;
        }
        let code = len_u32(self.columns.len());
        self.columns.push(key.clone());
        self.value_types.push(key.value_type);
        self.known_columns.insert(key.clone(), code);
        code
    }
}
