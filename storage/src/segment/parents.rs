//! The page of parents: steps back to earlier rows of the trace, and the ids of *outside parents*, which are no earlier row.
//!
//! Step 0 means a root, and step 1 an outside parent. A step n of 2 or more means the row n - 1 rows before: the first of the trace with
//! that id. For example, let the spans 8 and 9 be children of 7, and 7 a child of 5, which is not here. Then the spans 7, 8 and 9 have the
//! steps 1, 2 and 3, and 5 is an outside parent.

use std::ops::Range;

use hoptrail_proto::model::SpanId;

use super::group::SegmentGroup;
use super::pages;
use crate::ReadError;
use crate::codec::Damaged;
use crate::codec::bits::Bitmap;
use crate::codec::ints::{Ints, of_len};
use crate::scan::{Link, SpanColumns};

const NO_PARENT: u64 = 0;
const OUTSIDE: u64 = 1;
const NOT_LISTED: Damaged = Damaged("parent outside of its page");

/// The page of parents of a group.
struct ParentPage<'p> {
    steps: Ints<'p>,
    /// The rows that have outside parents, ascending.
    outside_rows: Ints<'p>,
    outside_ids: &'p [[u8; 8]],
}

impl SegmentGroup<'_> {
    fn parent_page(&self) -> Result<ParentPage<'_>, ReadError> {
        let [steps, rows, ids] = self.parent_parts()?;
        let page = of_len(steps, self.len()).and_then(|steps| {
            Ok(ParentPage { steps, outside_rows: Ints::parse(rows)?, outside_ids: ids.as_chunks().0 })
        });
        page.map_err(self.corrupt(pages::PARENTS))
    }

    /// The parent that a span names; all zero when it names none.
    pub(super) fn parent_of(&self, row: usize) -> Result<SpanId, ReadError> {
        let (page, corrupt) = (self.parent_page()?, self.corrupt(pages::PARENTS));
        match page.steps.get(row).map_err(&corrupt)? {
            NO_PARENT => Ok(SpanId::default()),
            OUTSIDE => page.outside(row).map_err(corrupt),
            step => self.span_id(back(row, step, 0).map_err(corrupt)?),
        }
    }

    /// The parent that each span names, by the ids of all spans; all zero when it names none.
    pub(super) fn parent_ids(&self, ids: &[SpanId]) -> Result<Vec<SpanId>, ReadError> {
        let (page, corrupt) = (self.parent_page()?, self.corrupt(pages::PARENTS));
        if page.outside_ids.len() != page.outside_rows.len() {
            return Err(corrupt(Damaged("page with a wrong count")));
        }
        let links = page.links(0..ids.len()).map_err(&corrupt)?;
        let parents = links.into_iter().map(|link| match link {
            Link::None => Ok(SpanId::default()),
            Link::Id(id) => Ok(id),
            Link::Before(row) => ids.get(row).copied().ok_or(NOT_LISTED),
        });
        parents.collect::<Result<_, _>>().map_err(corrupt)
    }

    /// The spans that name no parent.
    pub(super) fn rows_without_parent(&self) -> Result<Bitmap, ReadError> {
        self.parent_page()?.steps.select(|step| step == NO_PARENT).map_err(self.corrupt(pages::PARENTS))
    }

    /// The spans of a trace, and the parent that each names.
    pub(super) fn links(&self, rows: Range<usize>) -> Result<Vec<(SpanId, Link)>, ReadError> {
        let links = self.parent_page()?.links(rows.clone()).map_err(self.corrupt(pages::PARENTS))?;
        rows.zip(links).map(|(row, link)| Ok((self.span_id(row)?, link))).collect()
    }
}

impl ParentPage<'_> {
    /// The parents that these rows name, as indexes among these rows.
    fn links(&self, rows: Range<usize>) -> Result<Vec<Link>, Damaged> {
        let mut outside = self.outside_from(rows.start)?;
        let link = |(row, step): (usize, u64)| match step {
            NO_PARENT => Ok(Link::None),
            OUTSIDE => {
                let at = outside;
                outside += 1;
                self.outside_at(at, row).map(Link::Id)
            }
            step => back(row, step, rows.start).map(|parent| Link::Before(parent - rows.start)),
        };
        rows.clone().zip(self.steps.range(rows.clone(), |step| step)?).map(link).collect()
    }

    fn outside(&self, row: usize) -> Result<SpanId, Damaged> {
        self.outside_at(self.outside_from(row)?, row)
    }

    /// The index of the first outside parent of these rows.
    fn outside_from(&self, row: usize) -> Result<usize, Damaged> {
        self.outside_rows.partition_point(0..self.outside_rows.len(), |known| known < row as u64)
    }

    /// The outside parent with this index, which must be that of the row.
    fn outside_at(&self, index: usize, row: usize) -> Result<SpanId, Damaged> {
        if self.outside_rows.get(index)? != row as u64 {
            return Err(NOT_LISTED);
        }
        self.outside_ids.get(index).copied().map(SpanId).ok_or(NOT_LISTED)
    }
}

/// The row that a step leads to. It must not be before `first`.
fn back(row: usize, step: u64, first: usize) -> Result<usize, Damaged> {
    let parent = usize::try_from(step).ok().and_then(|step| (row + 1).checked_sub(step));
    parent.filter(|parent| *parent >= first).ok_or(Damaged("parent before its trace"))
}
