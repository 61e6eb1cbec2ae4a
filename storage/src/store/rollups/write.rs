//! Writes rollups as segments of their own.

use std::collections::BTreeMap;

use super::count::Counting;
use crate::catalog::{RollupEntry, RollupList};
use crate::rollup::{Level, RollupPage, RollupTable, Rows, Tally, decode, encode};
use crate::segment::{About, PageSink, PageSource, damaged_page, tail};
use crate::store::lock;
use crate::{Cell, ReadError, RollupKey};

/// A rollup that is about to be written: its pages.
#[derive(Debug, Default)]
pub(in crate::store) struct NewRollup(BTreeMap<RollupPage, Rows>);

impl NewRollup {
    /// What chunks add that are to be sealed. An earlier span that cannot be read counts as missing.
    pub(in crate::store) fn of_chunks(counting: &Counting<'_>) -> Result<Self, ReadError> {
        let mut total = Tally::default();
        for (index, chunk) in counting.chunks.iter().enumerate() {
            let mut rollup = lock(&chunk.rollup);
            counting.catch_up(index, &mut rollup)?;
            total.absorb(&rollup.tally);
        }
        let mut new = Self::default();
        for table in RollupTable::ALL {
            let pages = total.rows(table).by_page(Level::Minute);
            new.0.extend(
                pages.into_iter().map(|(start, rows)| (RollupPage { level: Level::Minute, table, start }, rows)),
            );
        }
        Ok(new)
    }

    /// Adds a rollup that has minutes only.
    pub(super) fn add_fresh(&mut self, source: &dyn PageSource, rollup: &RollupEntry) -> Result<(), ReadError> {
        for (index, page) in rollup.list.pages.iter().enumerate() {
            let rows = self.0.entry(*page).or_default();
            read_page(source, rollup.id, (*page, index), |_| true, |key, cells| rows.add(key, cells))?;
        }
        Ok(())
    }

    /// The pages, in their order.
    pub(super) fn pages(&self) -> impl Iterator<Item = RollupPage> {
        self.0.keys().copied()
    }

    /// Takes the rows of a page out.
    pub(super) fn take(&mut self, page: &RollupPage) -> Rows {
        self.0.remove(page).unwrap_or_default()
    }

    /// Adds the coarser levels.
    pub(super) fn coarsen(&mut self) {
        for level in Level::ALL.into_iter().skip(1) {
            let finer = Level::ALL.get(level as usize - 1).copied();
            let pages: Vec<RollupPage> = self.0.keys().copied().filter(|page| Some(page.level) == finer).collect();
            for page in pages {
                let Some(coarse) = self.0.get(&page).map(|rows| rows.at_level(level)) else { continue };
                for (start, rows) in coarse.by_page(level) {
                    self.0.entry(RollupPage { level, table: page.table, start }).or_default().absorb(rows);
                }
            }
        }
    }

    /// Whether there is anything to write.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.values().all(Rows::is_empty)
    }

    /// Writes the pages; what the catalog says of them.
    pub(in crate::store) fn write<S: PageSink + ?Sized>(
        mut self,
        about: &About,
        out: &mut S,
    ) -> Result<RollupList, S::Error> {
        self.0.retain(|_, rows| !rows.is_empty());
        let pages: Vec<RollupPage> = self.0.keys().copied().collect();
        for (index, (page, rows)) in self.0.iter().enumerate() {
            Self::put_page(out, *page, index, rows)?;
        }
        Self::put_list(out, about, RollupList { pages, ..RollupList::default() })
    }

    pub(super) fn put_page<S: PageSink + ?Sized>(
        out: &mut S,
        page: RollupPage,
        index: usize,
        rows: &Rows,
    ) -> Result<(), S::Error> {
        out.put(page.id(index), &encode(rows, page.level, page.start))
    }

    /// The last page: which pages there are.
    pub(super) fn put_list<S: PageSink + ?Sized>(
        out: &mut S,
        about: &About,
        list: RollupList,
    ) -> Result<RollupList, S::Error> {
        out.put(tail::ABOUT, &about.encode())?;
        out.put(tail::ROLLUP, &list.encode())?;
        Ok(list)
    }
}

/// Adds the rows of a stored page.
pub(super) fn read_page(
    pages: &dyn PageSource,
    segment: u64,
    (page, index): (RollupPage, usize),
    wanted: impl Fn(&RollupKey) -> bool,
    take: impl FnMut(&RollupKey, &[(u64, Cell)]),
) -> Result<(), ReadError> {
    let id = page.id(index);
    let bytes = pages.page(segment, id)?;
    let read = decode(&bytes, page.table, (page.level, page.start), wanted, take);
    read.map_err(|damaged| damaged_page(segment, id, damaged))
}

/// Reads a page to the end.
pub(in crate::store) fn check_page(
    pages: &dyn PageSource,
    segment: u64,
    page: (RollupPage, usize),
) -> Result<(), ReadError> {
    read_page(pages, segment, page, |_| true, |_, _| ())
}

/// Writes the pages of a rollup that can be read.
pub(in crate::store) fn write_readable<S: PageSink + ?Sized>(
    source: &dyn PageSource,
    old: &RollupEntry,
    about: &About,
    out: &mut S,
) -> Result<RollupList, S::Error> {
    let mut pages = Vec::new();
    for (index, page) in old.list.pages.iter().enumerate() {
        let mut rows = Rows::default();
        let read = read_page(source, old.id, (*page, index), |_| true, |key, cells| rows.add(key, cells));
        if read.is_ok() {
            NewRollup::put_page(out, *page, pages.len(), &rows)?;
            pages.push(*page);
        }
    }
    NewRollup::put_list(out, about, RollupList { pages, ..old.list.clone() })
}
