//! Checks what each readable page alone does not show: order, sums, filters.

use hoptrail_proto::model::{Extent, TraceId};

use super::group::SegmentGroup;
use super::pages;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::strings::Strings;
use crate::codec::{Damaged, fuse};
use crate::rows::TableKind;
use crate::scan::SpanColumns;

impl SegmentGroup<'_> {
    /// Checks the order of traces and spans. `before` is the start and id of the last trace of the group before; the answer is that of this
    /// group.
    pub(crate) fn check_order(&self, before: Option<(u64, TraceId)>) -> Result<Option<(u64, TraceId)>, ReadError> {
        let wrong = |page, what| self.corrupt(page)(Damaged(what));
        let (starts, durations) = (self.starts()?, self.raw_durations()?);
        let extent = |row: usize| {
            let (start, duration) = (starts.get(row)?, durations.get(row)?);
            Some(Extent::of(*start, start.wrapping_add(*duration)))
        };
        let mut last = before;
        for (id, start, rows) in self.trace_table()? {
            if last.is_some_and(|last| last >= (start, id)) {
                return Err(wrong(pages::TRACES, "traces out of order"));
            }
            last = Some((start, id));
            if Extent::of_all(rows.clone().filter_map(extent)).is_some_and(|extent| extent.order_start() < start) {
                return Err(wrong(pages::TRACES, "a trace that starts after its first span"));
            }
            let mut previous = None;
            for row in rows {
                let place = (starts.get(row).copied().unwrap_or_default(), self.span_id(row)?);
                if previous.is_some_and(|previous| previous > place) {
                    return Err(wrong(pages::STARTS, "spans out of order"));
                }
                previous = Some(place);
            }
        }
        Ok(last)
    }

    /// Checks that every filter over a column has all values of the column. Calls `wrong` for each filter that has not.
    pub(crate) fn check_filters(&self, wrong: &mut dyn FnMut(ReadError)) {
        for kind in TableKind::ALL {
            let mut filtered: Vec<u32> = self.group().columns[kind]
                .iter()
                .filter_map(|(column, location)| location.filter.then_some(*column))
                .collect();
            filtered.sort_unstable();
            for column in filtered {
                if let Err(error) = self.check_filter(kind, column) {
                    wrong(error);
                }
            }
        }
    }

    fn check_filter(&self, kind: TableKind, column: u32) -> Result<(), ReadError> {
        let set = self.filter(kind, column)?;
        let wrong = |error: Damaged| ReadError::Corrupt {
            location: self.filter_location(kind, column),
            reason: error.to_string(),
        };
        // Damage of the column itself is reported by whoever reads it.
        let Ok(Some(bytes)) = self.column(kind, column) else { return Ok(()) };
        let Ok(page) = Strings::parse(&bytes) else { return Ok(()) };
        let mut missing = Ok(true);
        let read = page.distinct(&Bitmap::all(page.len()), |value| {
            if matches!(missing, Ok(true)) {
                missing = fuse::may_hold(&set, fuse::hash_in(self.index, fuse::hash(value)));
            }
        });
        match (read, missing) {
            (Ok(()), Ok(false)) => Err(wrong(Damaged("a filter that does not know a value"))),
            (Ok(()), Err(error)) => Err(wrong(error)),
            _ => Ok(()),
        }
    }
}
