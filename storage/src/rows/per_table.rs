//! One thing for each of the three tables.

use std::ops::{Index, IndexMut};

use super::TableKind;

/// One value for each table: `columns[TableKind::Event]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PerTable<T> {
    pub(crate) spans: T,
    pub(crate) events: T,
    pub(crate) links: T,
}

impl<T> PerTable<T> {
    /// Makes the values in the order of the format: spans, events, links.
    pub(crate) fn try_of<E>(mut make: impl FnMut(TableKind) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { spans: make(TableKind::Span)?, events: make(TableKind::Event)?, links: make(TableKind::Link)? })
    }

    /// The values with their tables: spans, events, links.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TableKind, &T)> {
        TableKind::ALL.into_iter().map(|kind| (kind, &self[kind]))
    }
}

impl<T> Index<TableKind> for PerTable<T> {
    type Output = T;

    #[inline]
    fn index(&self, kind: TableKind) -> &T {
        match kind {
            TableKind::Span => &self.spans,
            TableKind::Event => &self.events,
            TableKind::Link => &self.links,
        }
    }
}

impl<T> IndexMut<TableKind> for PerTable<T> {
    #[inline]
    fn index_mut(&mut self, kind: TableKind) -> &mut T {
        match kind {
            TableKind::Span => &mut self.spans,
            TableKind::Event => &mut self.events,
            TableKind::Link => &mut self.links,
        }
    }
}
