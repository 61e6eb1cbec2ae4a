//! The numbers of all series.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::{Exemplar, QueryContext, ReadError, Reserved};

/// Most numbers that an answer may have: series times intervals.
const MOST_NUMBERS: usize = 1 << 22;

/// The place of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// A group of values.
    pub(super) group: u32,
    /// Which series of the group.
    pub(super) part: u32,
    pub(super) interval: u32,
}

/// What is known of the spans of a place.
pub(super) trait Content: Default + Send {
    /// Adds what is known of other spans of the place.
    fn add(&mut self, other: Self);
}

/// What a unit knows: places with their contents, and some of their spans.
pub(super) struct Found<C> {
    pub(super) contents: Vec<(Place, C)>,
    pub(super) exemplars: Vec<(Place, Exemplar)>,
}

/// The contents of a series, one for each interval, and some of its spans by interval.
pub(super) struct Row<C> {
    pub(super) contents: Vec<C>,
    pub(super) exemplars: BTreeMap<u32, Exemplar>,
}

/// Contents by group and part.
pub(super) struct Table<C> {
    intervals: usize,
    pub(super) rows: HashMap<(u32, u32), Row<C>>,
    memory: Reserved,
}

impl<C: Content> Table<C> {
    pub(super) fn new(intervals: usize, context: &QueryContext) -> Result<Self, ReadError> {
        Ok(Self { intervals, rows: HashMap::new(), memory: context.reserve(0)? })
    }

    /// Adds what another unit knows.
    pub(super) fn add(&mut self, found: Found<C>) -> Result<(), ReadError> {
        for (place, content) in found.contents {
            let row = self.row(place)?;
            if let Some(known) = row.contents.get_mut(place.interval as usize) {
                known.add(content);
            }
        }
        for (place, exemplar) in found.exemplars {
            self.row(place)?.exemplars.entry(place.interval).or_insert(exemplar);
        }
        Ok(())
    }

    fn row(&mut self, place: Place) -> Result<&mut Row<C>, ReadError> {
        let Self { intervals, rows, memory } = self;
        let count = rows.len();
        match rows.entry((place.group, place.part)) {
            hashbrown::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            hashbrown::hash_map::Entry::Vacant(new) => {
                if (count + 1).saturating_mul(*intervals) > MOST_NUMBERS {
                    return Err(ReadError::Series { series: count + 1, intervals: *intervals, most: MOST_NUMBERS });
                }
                memory.grow(*intervals * (size_of::<C>() + size_of::<f64>()) + size_of::<Row<C>>())?;
                let contents = std::iter::repeat_with(C::default).take(*intervals).collect();
                Ok(new.insert(Row { contents, exemplars: BTreeMap::new() }))
            }
        }
    }

    /// Keeps its memory for the answer.
    pub(super) fn finish(self) -> HashMap<(u32, u32), Row<C>> {
        self.memory.keep();
        self.rows
    }
}
