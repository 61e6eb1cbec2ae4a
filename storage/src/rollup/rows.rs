//! The rows of a table at one level.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::level::Level;
use super::{Cell, RollupKey};

/// For each key its cells, by the starts of their rows. Keys are looked up once for many cells.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rows(BTreeMap<RollupKey, Vec<(u64, Cell)>>);

impl Rows {
    /// Adds cells of a key, by the starts of their rows.
    pub(crate) fn add(&mut self, key: &RollupKey, cells: &[(u64, Cell)]) {
        match self.0.get_mut(key) {
            Some(known) => add_cells(known, cells),
            None => _ = self.0.insert(key.clone(), cells.to_vec()),
        }
    }

    /// Adds a key that is not there yet.
    pub(crate) fn insert(&mut self, key: RollupKey, cells: Vec<(u64, Cell)>) {
        self.0.insert(key, cells);
    }

    /// Adds the rows of others.
    pub(crate) fn absorb(&mut self, others: Self) {
        for (key, cells) in others.0 {
            match self.0.entry(key) {
                Entry::Vacant(entry) => _ = entry.insert(cells),
                Entry::Occupied(entry) => add_cells(entry.into_mut(), &cells),
            }
        }
    }

    /// How many keys there are.
    pub(crate) fn keys(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each key and its cells.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RollupKey, &[(u64, Cell)])> {
        self.0.iter().map(|(key, cells)| (key, &**cells))
    }

    /// Leaves out what says nothing, because all of it was taken back.
    pub(crate) fn leave_out_nothings(&mut self) {
        self.0.retain(|_, cells| {
            cells.retain(|(_, cell)| !cell.is_empty());
            !cells.is_empty()
        });
    }

    /// The rows of a coarser level.
    pub(crate) fn at_level(&self, level: Level) -> Self {
        let coarser = |cells: &Vec<(u64, Cell)>| {
            let mut coarse: Vec<(u64, Cell)> = Vec::new();
            cells.iter().for_each(|(time, cell)| push(&mut coarse, level.row(*time), cell));
            coarse
        };
        Self(self.0.iter().map(|(key, cells)| (key.clone(), coarser(cells))).collect())
    }

    /// The rows by the starts of their pages.
    pub(crate) fn by_page(self, level: Level) -> BTreeMap<u64, Self> {
        let mut pages: BTreeMap<u64, Self> = BTreeMap::new();
        for (key, mut cells) in self.0 {
            while let Some((last, _)) = cells.last() {
                let page = level.page(*last);
                let first = cells.partition_point(|(time, _)| level.page(*time) < page);
                let own = cells.split_off(first);
                pages.entry(page).or_default().0.insert(key.clone(), own);
            }
        }
        pages
    }
}

/// Adds cells to others, both by the starts of their rows.
fn add_cells(known: &mut Vec<(u64, Cell)>, cells: &[(u64, Cell)]) {
    let is_later = |(known, _): &(u64, Cell)| cells.first().is_some_and(|(first, _)| known < first);
    if known.last().is_none_or(is_later) {
        known.extend_from_slice(cells);
        return;
    }
    let mut all = Vec::with_capacity(known.len() + cells.len());
    let mut new = cells.iter().peekable();
    for (time, cell) in known.drain(..) {
        while let Some((time, cell)) = new.next_if(|(new, _)| *new < time) {
            all.push((*time, cell.clone()));
        }
        all.push((time, cell));
        while let Some((time, cell)) = new.next_if(|(new, _)| *new == time) {
            push(&mut all, *time, cell);
        }
    }
    all.extend(new.cloned());
    *known = all;
}

/// Adds a cell whose row does not start before the last one's.
pub(crate) fn push<T: PartialEq>(cells: &mut Vec<(T, Cell)>, time: T, cell: &Cell) {
    match cells.last_mut() {
        Some((last, known)) if *last == time => known.add(cell),
        _ => cells.push((time, cell.clone())),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Connection, DAY, Durations, HOUR, MINUTE, Node, NodeKind};
    use super::*;

    pub(in super::super) fn some_rows() -> Rows {
        let node = |kind, name: &str| Node { kind, name: name.to_owned() };
        let mut rows = Rows::default();
        for number in 0..200_u64 {
            let key = RollupKey::Edge {
                caller: node(NodeKind::User, "user"),
                callee: node(NodeKind::Service, &format!("s{}", number % 7)),
                connection: Connection::Virtual,
            };
            let mut cell = Cell { count: 3, errors: -1, weight: 3.0, bytes: 77, ..Cell::default() };
            cell.durations.note(number * 1_000_000, 1);
            cell.durations.note(number * number, 2);
            cell.durations.note(0, -2);
            cell.caller.note(u64::MAX, 4);
            cell.weight += (number % 2) as f64 / 4.0;
            if number % 5 == 0 {
                cell.durations = Durations { sum_nanos: -7, ..Durations::default() };
            }
            // In no order of time.
            rows.add(&key, &[(DAY + number / 7 * 11 % 29 * MINUTE, cell)]);
        }
        rows
    }

    fn count(rows: &Rows) -> i64 {
        rows.iter().flat_map(|(_, cells)| cells).map(|(_, cell)| cell.count).sum()
    }

    #[test]
    fn rows_are_in_the_order_of_time_and_sums_stay() {
        let rows = some_rows();
        assert_eq!((rows.keys(), count(&rows)), (7, 600));
        assert!(rows.iter().all(|(_, cells)| cells.is_sorted_by(|(one, _), (other, _)| one < other)));
        let mut twice = rows.clone();
        twice.absorb(rows.clone());
        rows.iter().for_each(|(key, cells)| twice.add(key, cells));
        assert_eq!((twice.keys(), count(&twice)), (7, 1_800));
        let lengths = |rows: &Rows| rows.iter().map(|(_, cells)| cells.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&twice), lengths(&rows));
        let hours = rows.at_level(Level::Hour);
        assert_eq!((lengths(&hours), count(&hours)), (vec![1; 7], 600));
        assert!(rows.at_level(Level::Ever).iter().all(|(_, cells)| cells.iter().all(|(time, _)| *time == 0)));
    }

    #[test]
    fn pages_have_the_rows_of_their_times() {
        let key = RollupKey::Instance { service: "s".into(), version: String::new(), instance: String::new() };
        let cell = Cell { count: 1, ..Cell::default() };
        let mut rows = Rows::default();
        [5, 0, 1, 65, 125, 121].iter().for_each(|minute| rows.add(&key, &[(minute * MINUTE, cell.clone())]));
        let pages = rows.by_page(Level::Minute);
        let found = pages.iter().map(|(page, rows)| (*page, rows.iter().map(|(_, cells)| cells.len()).sum::<usize>()));
        assert_eq!(found.collect::<Vec<_>>(), [(0, 3), (HOUR, 1), (2 * HOUR, 2)]);
    }

    #[test]
    fn what_was_taken_back_whole_is_left_out() {
        let mut rows = some_rows();
        rows.leave_out_nothings();
        let before = rows.clone();
        for (key, cells) in before.iter() {
            let back = |(time, cell): &(u64, Cell)| {
                let mut back =
                    Cell { count: -cell.count, errors: -cell.errors, weight: -cell.weight, ..Cell::default() };
                back.durations.sum_nanos = -cell.durations.sum_nanos;
                back.durations.buckets = cell.durations.buckets.iter().map(|(at, times)| (*at, -times)).collect();
                back.caller.sum_nanos = -cell.caller.sum_nanos;
                back.caller.buckets = cell.caller.buckets.iter().map(|(at, times)| (*at, -times)).collect();
                (*time, back)
            };
            rows.add(key, &cells.iter().map(back).collect::<Vec<_>>());
        }
        rows.leave_out_nothings();
        assert!(rows.is_empty() && !before.is_empty());
    }
}
