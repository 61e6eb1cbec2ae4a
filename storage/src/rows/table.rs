//! A table of rows of varying shape: the attributes of spans, events or links.

use std::ops::Range;

use hashbrown::HashTable;
use hoptrail_proto::otlp::view::ValueView;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::arena::Arena;
use super::dictionary::Interner;
use super::shapes::{ColumnKey, Owner, Shape, Shapes, ValueType};
use crate::codec::{Damaged, len_u32, to_u32};

/// Most distinct strings in the dictionary of a column; further ones go to the arena, one by one. In a column of unique values, looking up
/// each would cost more than it saves.
const DICTIONARY: usize = 1024;
/// Marks a slot that points into the column's arena. Other slots of a string column are codes of its dictionary.
const IN_ARENA: u64 = 1 << 63;
const LENGTH_BITS: u32 = 28;
/// The longest string a slot can point to.
pub(crate) const LONGEST: usize = (1 << LENGTH_BITS) - 1;
/// Memory of a column beside its name and dictionary, about.
const COLUMN_BYTES: usize = 160;
/// Memory of a dictionary entry beside its text, about.
const ENTRY_BYTES: usize = 12;

/// The value of one column of one row: a number, or where its string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) key: ColumnKey,
    pub(crate) dictionary: Interner,
    /// The strings that the dictionary has no room for.
    pub(crate) arena: Arena,
    /// The last row with this column. A second value on the same row goes to another column.
    last_row: u32,
    /// The column for the next occurrence.
    next: Option<u32>,
    /// Only for the first occurrence of a key: the column that took the last value on `last_row`. A key may come thousands of times on one
    /// row.
    latest: u32,
}

/// Rows of one kind.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) shapes: Shapes,
    pub(crate) names: Interner,
    pub(crate) columns: Vec<Column>,
    /// Memory of the columns with their strings, about.
    column_bytes: usize,
    column_index: HashTable<u32>,
    /// Shape, and where the row's slots begin.
    rows: Vec<(u32, u32)>,
    slots: Vec<u64>,
    /// Columns of the row before, which the row being built most likely has, too.
    guess: Vec<u32>,
    building: Vec<u32>,
    pending: Vec<u64>,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes held, about.
    pub(crate) fn memory(&self) -> usize {
        self.rows.capacity() * 8
            + self.slots.capacity() * 8
            + self.shapes.memory()
            + self.names.memory()
            + self.column_bytes
    }

    /// Adds a value to the row being built.
    #[inline]
    pub(crate) fn push(&mut self, owner: Owner, name: &[u8], value: ValueView<'_>) {
        let (value_type, number) = match value {
            ValueView::Empty => (ValueType::Empty, 0),
            ValueView::Bool(value) => (ValueType::Bool, u64::from(value)),
            ValueView::Int(value) => (ValueType::Int, value.cast_unsigned()),
            ValueView::Double(value) => (ValueType::Double, value.to_bits()),
            ValueView::Text(_) => (ValueType::Text, 0),
            ValueView::Bytes(_) => (ValueType::Bytes, 0),
            ValueView::Nested(_) => (ValueType::Nested, 0),
        };
        let column = self.column(owner, name, value_type);
        let slot = match value {
            ValueView::Text(bytes) | ValueView::Bytes(bytes) | ValueView::Nested(bytes) => self.keep(column, bytes),
            _ => number,
        };
        self.building.push(column);
        self.pending.push(slot);
    }

    /// The slot of a string of a column.
    #[inline]
    pub(crate) fn keep(&mut self, column: u32, bytes: &[u8]) -> u64 {
        let row = len_u32(self.rows.len());
        let Some(Column { dictionary, arena, .. }) = self.columns.get_mut(column as usize) else { return 0 };
        // Once the dictionary was full, no string is looked up any more.
        if arena.is_unused() {
            let before = dictionary.len();
            if let Some(code) = dictionary.intern(bytes, DICTIONARY) {
                self.column_bytes += (dictionary.len() - before) * (ENTRY_BYTES + bytes.len() * 3 / 2);
                return u64::from(code);
            }
        }
        let before = arena.memory();
        let at = arena.push(row, bytes) as u64;
        self.column_bytes += arena.memory() - before;
        IN_ARENA | at << LENGTH_BITS | bytes.len() as u64
    }

    /// The slots of strings that `write` appends to the column one by one. None of them is looked up in the dictionary.
    pub(crate) fn keep_unique(
        &mut self,
        column: u32,
        count: usize,
        mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<(), Damaged>,
    ) -> Result<Vec<u64>, Damaged> {
        let row = len_u32(self.rows.len());
        let Some(Column { arena, .. }) = self.columns.get_mut(column as usize) else { return Ok(vec![0; count]) };
        let before = arena.memory();
        let mut slots = Vec::with_capacity(count);
        for index in 0..count {
            let at = arena.append(row, |bytes| write(index, bytes))?;
            if at.len() > LONGEST {
                return Err(Damaged("string too long"));
            }
            slots.push(IN_ARENA | (at.start as u64) << LENGTH_BITS | at.len() as u64);
        }
        self.column_bytes += arena.memory() - before;
        Ok(slots)
    }

    /// Adds a row with the slots of its shape's columns.
    #[inline]
    pub(crate) fn push_row(&mut self, shape: u32, slots: impl Iterator<Item = u64>) {
        self.rows.push((shape, len_u32(self.slots.len())));
        self.slots.extend(slots);
    }

    /// The column of a value of the row being built.
    #[inline]
    fn column(&mut self, owner: Owner, name: &[u8], value_type: ValueType) -> u32 {
        let row = len_u32(self.rows.len());
        let likely = self.guess.get(self.building.len()).copied();
        let fits = |column: &u32| {
            self.columns.get(*column as usize).is_some_and(|column| column.key.is(owner, name, value_type, 0))
        };
        let mut index = match likely.filter(fits) {
            Some(likely) => likely,
            None => self.intern_column(owner, name, value_type, 0),
        };
        match self.columns.get_mut(index as usize) {
            Some(column) if column.last_row == row => {
                let latest = column.latest;
                let next = self.next_occurrence(latest);
                if let Some(first) = self.columns.get_mut(index as usize) {
                    first.latest = next;
                }
                index = next;
            }
            Some(column) => (column.last_row, column.latest) = (row, index),
            None => {}
        }
        index
    }

    /// The column for one more value of the same key on the same row.
    fn next_occurrence(&mut self, index: u32) -> u32 {
        let Some(column) = self.columns.get(index as usize) else { return index };
        if let Some(next) = column.next {
            return next;
        }
        let ColumnKey { owner, name, value_type, occurrence } = column.key.clone();
        let next = self.intern_column(owner, &name, value_type, occurrence + 1);
        if let Some(column) = self.columns.get_mut(index as usize) {
            column.next = Some(next);
        }
        next
    }

    /// The column with this key, made when new.
    pub(crate) fn intern_column(&mut self, owner: Owner, name: &[u8], value_type: ValueType, occurrence: u32) -> u32 {
        let Self { columns, column_index, column_bytes, .. } = self;
        let hash = hash_column(owner, name, value_type, occurrence);
        let known = column_index.find(hash, |index| {
            columns.get(*index as usize).is_some_and(|column| column.key.is(owner, name, value_type, occurrence))
        });
        if let Some(index) = known {
            return *index;
        }
        let index = len_u32(columns.len());
        let key = ColumnKey { owner, name: name.into(), value_type, occurrence };
        *column_bytes += COLUMN_BYTES + name.len();
        let (dictionary, arena) = (Interner::default(), Arena::default());
        columns.push(Column { key, dictionary, arena, last_row: u32::MAX, next: None, latest: index });
        column_index.insert_unique(hash, index, |index| {
            let key = columns.get(*index as usize).map(|column| &column.key);
            key.map_or(0, |key| hash_column(key.owner, &key.name, key.value_type, key.occurrence))
        });
        index
    }

    /// Closes the row being built; `shape` gives everything but name and layout.
    pub(crate) fn finish_row(&mut self, shape: Shape, name: &[u8]) {
        let name = self.names.intern(name, usize::MAX).unwrap_or_default();
        let layout = self.shapes.intern_layout(&self.building);
        let shape = self.shapes.intern(Shape { name, layout, ..shape });
        self.rows.push((shape, len_u32(self.slots.len())));
        self.slots.append(&mut self.pending);
        std::mem::swap(&mut self.guess, &mut self.building);
        self.building.clear();
    }

    /// Forgets the row being built.
    pub(crate) fn abandon_row(&mut self) {
        self.building.clear();
        self.pending.clear();
    }

    /// The shape of a row.
    #[inline]
    pub(crate) fn shape_of(&self, row: usize) -> u32 {
        self.rows.get(row).map_or(0, |(shape, _)| *shape)
    }

    pub(crate) fn shape(&self, shape: u32) -> Option<&Shape> {
        self.shapes.list().get(shape)
    }

    /// The slots of a row, in the order of its shape's columns.
    #[inline]
    pub(crate) fn slots(&self, row: usize) -> &[u64] {
        let start = self.rows.get(row).map_or(0, |(_, start)| *start as usize);
        let end = self.rows.get(row + 1).map_or(self.slots.len(), |(_, end)| *end as usize);
        self.slots.get(start..end).unwrap_or_default()
    }

    /// The string of a slot of a string column.
    #[inline]
    pub(crate) fn bytes(&self, column: u32, slot: Slot) -> &[u8] {
        let Some(column) = self.columns.get(column as usize) else { return &[] };
        match slot.code() {
            Some(code) => column.dictionary.get(code),
            None => column.arena.get(slot.parts()),
        }
    }

    /// The value of a slot.
    pub(crate) fn value(&self, column: u32, slot: Slot) -> ValueView<'_> {
        let value_type = self.columns.get(column as usize).map_or(ValueType::Empty, |column| column.key.value_type);
        if value_type.is_bytes() { value_type.string(self.bytes(column, slot)) } else { value_type.number(slot.0) }
    }
}

fn hash_column(owner: Owner, name: &[u8], value_type: ValueType, occurrence: u32) -> u64 {
    xxh3_64_with_seed(name, (owner as u64) << 40 | (value_type as u64) << 32 | u64::from(occurrence))
}

impl Slot {
    /// The code of the string, when it is in the dictionary.
    #[inline]
    pub(crate) fn code(self) -> Option<u32> {
        (self.0 & IN_ARENA == 0).then(|| to_u32(self.0))
    }

    /// Where in the arena the string is.
    fn parts(self) -> Range<usize> {
        let at = ((self.0 & !IN_ARENA) >> LENGTH_BITS) as usize;
        at..at + (self.0 & ((1 << LENGTH_BITS) - 1)) as usize
    }
}
