//! Columns and shapes: what rows may consist of.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use hoptrail_proto::model::AnyValue;
use hoptrail_proto::otlp::view::ValueView;

use crate::codec::len_u32;

/// Which of the three kinds of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TableKind {
    Span,
    Event,
    Link,
}

impl TableKind {
    /// All of them, in the order of the format.
    pub(crate) const ALL: [Self; 3] = [Self::Span, Self::Event, Self::Link];
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

    /// How many there are.
    pub(crate) const COUNT: usize = Self::Nested as usize + 1;

    /// The type of a value.
    pub(crate) fn of(value: &AnyValue) -> Self {
        match value {
            AnyValue::Empty => Self::Empty,
            AnyValue::String(_) => Self::Text,
            AnyValue::Bool(_) => Self::Bool,
            AnyValue::Int(_) => Self::Int,
            AnyValue::Double(_) => Self::Double,
            AnyValue::Bytes(_) => Self::Bytes,
            AnyValue::Array(_) | AnyValue::KvList(_) => Self::Nested,
        }
    }

    /// Whether values are strings of bytes, not numbers.
    pub(crate) fn is_bytes(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Nested)
    }

    /// A value of this type, which must be one of strings.
    #[inline]
    pub(crate) fn string(self, bytes: &[u8]) -> ValueView<'_> {
        match self {
            Self::Bytes => ValueView::Bytes(bytes),
            Self::Nested => ValueView::Nested(bytes),
            _ => ValueView::Text(bytes),
        }
    }

    /// A value of this type, which must be one of numbers, from its bits.
    #[inline]
    pub(crate) fn number(self, bits: u64) -> ValueView<'static> {
        match self {
            Self::Bool => ValueView::Bool(bits != 0),
            Self::Int => ValueView::Int(bits.cast_signed()),
            Self::Double => ValueView::Double(f64::from_bits(bits)),
            _ => ValueView::Empty,
        }
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

impl ColumnKey {
    #[inline]
    pub(crate) fn is(&self, owner: Owner, name: &[u8], value_type: ValueType, occurrence: u32) -> bool {
        self.occurrence == occurrence && self.owner == owner && self.value_type == value_type && *self.name == *name
    }
}

/// What rows with the same columns in the same order share. Events and links use only `name`, `flags` and `layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Shape {
    pub(crate) resource: u32,
    pub(crate) scope: u32,
    pub(crate) name: u32,
    pub(crate) flags: u32,
    /// Which columns its rows have. Thousands of shapes share a few layouts.
    pub(crate) layout: u32,
    pub(crate) kind: u8,
    pub(crate) status: u8,
}

/// Shapes and layouts. A shape and a layout are named by their index.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ShapeList {
    pub(crate) shapes: Vec<Shape>,
    /// Columns in the order of a row's attributes.
    pub(crate) layouts: Vec<Box<[u32]>>,
}

impl ShapeList {
    pub(crate) fn get(&self, index: u32) -> Option<&Shape> {
        self.shapes.get(index as usize)
    }

    /// The columns of a shape; none when there is no such shape.
    #[inline]
    pub(crate) fn columns(&self, shape: u32) -> &[u32] {
        self.get(shape).map_or(&[], |shape| self.layout(shape))
    }

    #[inline]
    pub(crate) fn layout(&self, shape: &Shape) -> &[u32] {
        self.layouts.get(shape.layout as usize).map_or(&[], |columns| columns)
    }

    /// For each shape the result of `of` for its columns. `of` runs once for each layout.
    pub(crate) fn by_layout<T: Copy + Default>(&self, of: impl FnMut(&[u32]) -> T) -> Vec<T> {
        let layouts: Vec<T> = self.layouts.iter().map(|columns| &**columns).map(of).collect();
        self.shapes.iter().map(|shape| layouts.get(shape.layout as usize).copied().unwrap_or_default()).collect()
    }

    pub(crate) fn memory(&self) -> usize {
        self.shapes.capacity() * size_of::<Shape>()
            + self.layouts.iter().map(|columns| 16 + columns.len() * 4).sum::<usize>()
    }
}

/// Distinct shapes and layouts in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    known: ShapeList,
    shapes: HashTable<u32>,
    layouts: HashTable<u32>,
    /// Columns in all layouts.
    columns: usize,
    /// Clients choose names, flags and keys, so the hash has a seed that no client knows.
    hasher: DefaultHashBuilder,
}

impl Shapes {
    pub(crate) fn list(&self) -> &ShapeList {
        &self.known
    }

    pub(crate) fn into_list(self) -> ShapeList {
        self.known
    }

    /// The index of a list of columns.
    #[inline]
    pub(crate) fn intern_layout(&mut self, wanted: &[u32]) -> u32 {
        let Self { known: ShapeList { layouts: known, .. }, layouts, columns, hasher, .. } = self;
        let hash = hasher.hash_one(wanted);
        if let Some(index) = layouts.find(hash, |index| known.get(*index as usize).is_some_and(|own| **own == *wanted))
        {
            return *index;
        }
        let index = len_u32(known.len());
        known.push(wanted.into());
        *columns += wanted.len() + 4;
        layouts.insert_unique(hash, index, |index| {
            known.get(*index as usize).map_or(0, |layout| hasher.hash_one(&**layout))
        });
        index
    }

    /// The index of a shape.
    #[inline]
    pub(crate) fn intern(&mut self, wanted: Shape) -> u32 {
        let Self { known: ShapeList { shapes: known, .. }, shapes, hasher, .. } = self;
        let hash = hasher.hash_one(wanted);
        if let Some(index) = shapes.find(hash, |index| known.get(*index as usize) == Some(&wanted)) {
            return *index;
        }
        let index = len_u32(known.len());
        known.push(wanted);
        shapes.insert_unique(hash, index, |index| known.get(*index as usize).map_or(0, |shape| hasher.hash_one(shape)));
        index
    }

    pub(crate) fn memory(&self) -> usize {
        self.known.shapes.capacity() * (size_of::<Shape>() + 5) + self.columns * 4
    }
}
