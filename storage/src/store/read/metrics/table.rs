//! The numbers of all series.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::{Exemplar, QueryContext, ReadError, Reserved};

/// Most numbers that an answer may have: series times intervals.
pub(super) const MOST_NUMBERS: usize = 1 << 22;

/// Memory of a span that stands for others, about.
const EXEMPLAR_BYTES: usize = 96;

/// The place of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// A group of values.
    pub(super) group: u32,
    /// Which series of the group.
    pub(super) part: u32,
    pub(super) interval: u32,
}

/// What is known of the spans of a place.
pub(super) trait Content: Default + Clone + Send + Sync {
    /// Adds what is known of other spans of the place. Returns the memory that this takes, about.
    fn add(&mut self, other: Self) -> usize;

    /// Memory beside that of the type itself, about.
    fn bytes(&self) -> usize;
}

/// What a unit knows: places with their contents, and one span of each.
#[derive(Debug)]
pub(super) struct Found<C> {
    pub(super) contents: Vec<(Place, C)>,
    pub(super) exemplars: Vec<(Place, Exemplar)>,
    /// Spans whose sampling probability was asked for and is unknown.
    pub(super) unweighted: u64,
}

impl<C: Content> Found<C> {
    /// The same at other places.
    pub(super) fn at(&self, place: impl Fn(&Place) -> Option<Place>) -> Self {
        let contents = self.contents.iter().filter_map(|(own, content)| Some((place(own)?, content.clone())));
        let exemplars = self.exemplars.iter().filter_map(|(own, exemplar)| Some((place(own)?, exemplar.clone())));
        Self { contents: contents.collect(), exemplars: exemplars.collect(), unweighted: self.unweighted }
    }

    /// Memory, about.
    pub(super) fn bytes(&self) -> usize {
        let contents =
            self.contents.iter().map(|(place, content)| size_of_val(place) + size_of::<C>() + content.bytes());
        contents.sum::<usize>() + self.exemplars.len() * EXEMPLAR_BYTES
    }
}

/// The contents of a series, one for each interval, and a span of each interval.
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
            if let Some(known) = self.row(place)?.contents.get_mut(place.interval as usize) {
                let bytes = known.add(content);
                self.memory.grow(bytes)?;
            }
        }
        for (place, exemplar) in found.exemplars {
            let known = &mut self.row(place)?.exemplars;
            if known.get(&place.interval).is_none_or(|known| before(&exemplar, known).is_lt())
                && known.insert(place.interval, exemplar).is_none()
            {
                self.memory.grow(EXEMPLAR_BYTES)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, place: Place) -> Result<&mut Row<C>, ReadError> {
        let Self { intervals, rows, memory } = self;
        let series = rows.len() + 1;
        match rows.entry((place.group, place.part)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                if series.saturating_mul(*intervals) > MOST_NUMBERS {
                    return Err(ReadError::Series { series, intervals: *intervals, most: MOST_NUMBERS });
                }
                memory.grow(*intervals * (size_of::<C>() + size_of::<f64>()) + size_of::<Row<C>>())?;
                let contents = std::iter::repeat_with(C::default).take(*intervals).collect();
                Ok(new.insert(Row { contents, exemplars: BTreeMap::new() }))
            }
        }
    }

    /// All series. Their memory stays with the answer.
    pub(super) fn finish(self) -> Vec<((u32, u32), Row<C>)> {
        self.memory.keep();
        self.rows.into_iter().collect()
    }
}

/// Which of two spans stands for others: the one with the greater value, then the earlier.
pub(super) fn before(one: &Exemplar, other: &Exemplar) -> Ordering {
    let key = |own: &Exemplar| (own.time_unix_nano, own.trace_id, own.span_id);
    other.value.total_cmp(&one.value).then_with(|| key(one).cmp(&key(other)))
}
