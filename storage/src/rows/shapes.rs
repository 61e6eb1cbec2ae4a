//! Columns and shapes: what kinds of rows there are.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// Which of the three kinds of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TableKind {
    Span,
    Event,
    Link,
}

/// The type of a column's values. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ValueType {
    Empty = 0,
    Text = 1,
    Bool = 2,
    Int = 3,
    Double = 4,
    Bytes = 5,
    /// An array or list of attributes, as an OTLP `AnyValue` message.
    Nested = 6,
}

impl ValueType {
    pub(crate) fn from_stored(number: u8) -> Option<Self> {
        [Self::Empty, Self::Text, Self::Bool, Self::Int, Self::Double, Self::Bytes, Self::Nested]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }

    /// Whether values are strings of bytes, not numbers.
    pub(crate) fn is_bytes(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Nested)
    }
}

/// Whose name a column bears. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// An attribute key.
    Attribute = 0,
    /// A field of OTLP that most rows leave at its default.
    Field = 1,
}

/// What makes two columns the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ColumnKey {
    pub(crate) owner: Owner,
    pub(crate) name: Box<[u8]>,
    pub(crate) value_type: ValueType,
    /// 0 for the first attribute of this key and type on a row, 1 for a repeated one, and so on.
    pub(crate) occurrence: u32,
}

/// Everything rows share that have the same columns in the same order. Events and links use `name`, `flags` and `columns` only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Shape {
    pub(crate) resource: u32,
    pub(crate) scope: u32,
    pub(crate) name: u32,
    pub(crate) kind: u8,
    pub(crate) status: u8,
    pub(crate) flags: u32,
    pub(crate) columns: Vec<u32>,
}

/// Distinct shapes, numbered in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    list: Vec<Shape>,
    table: HashTable<u32>,
    columns: usize,
}

fn hash(shape: &Shape) -> u64 {
    FxBuildHasher.hash_one(shape)
}

impl Shapes {
    pub(crate) fn list(&self) -> &[Shape] {
        &self.list
    }

    /// The number of a shape.
    #[inline]
    pub(crate) fn intern(&mut self, shape: &Shape) -> u32 {
        let Self { list, table, columns } = self;
        let wanted = hash(shape);
        if let Some(number) = table.find(wanted, |number| list.get(*number as usize) == Some(shape)) {
            return *number;
        }
        let number = list.len() as u32;
        list.push(shape.clone());
        *columns += shape.columns.len();
        table.insert_unique(wanted, number, |number| list.get(*number as usize).map_or(0, hash));
        number
    }

    pub(crate) fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Shape>() + self.columns * 4
    }
}
