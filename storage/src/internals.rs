//! The inner modules of the store, one by one, for benches and fuzz targets. Nothing here is stable: it may change or go with any commit.

#[cfg(feature = "rocksdb")]
mod split;

#[cfg(feature = "rocksdb")]
pub use split::{Share, split};

use std::sync::Arc;

use hoptrail_proto::model::{TraceId, TraceSpan};

use crate::codec::bits::Bitmap;
use crate::codec::ints::Ints;
use crate::codec::strings::{Content, StringCursor, Strings};
use crate::codec::{Damaged, fuse, ints, strings};
use crate::rows::Rows;
use crate::scan::{Materialize, ParentRow, Projection, TraceIndex, matching};
use crate::segment::{GroupFilters, Metadata, Page, PageId, PageSource, Pages, SegmentGroup, tail};
use crate::{Filter, QueryContext, ReadError};

/// Spans in memory, as the head keeps them.
#[derive(Debug, Default)]
pub struct Head(Rows);

impl Head {
    /// Appends the spans of an OTLP request; the error says what is wrong with it.
    pub fn append(&mut self, request: &[u8]) -> Result<(), String> {
        self.0.append_request(request).map_err(|error| error.to_string())
    }

    /// Spans held.
    #[must_use]
    pub fn spans(&self) -> usize {
        self.0.len()
    }

    /// Bytes held, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.memory()
    }
}

/// The parent of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// It has none.
    None,
    /// It is not among the spans.
    Missing,
    /// The span with this index.
    Span(usize),
}

/// A segment in memory.
#[derive(Debug)]
pub struct Segment {
    pages: Pages,
    meta: Arc<Metadata>,
    trace_filters: GroupFilters,
}

impl Segment {
    /// Sorts and encodes spans, as sealing does.
    pub fn encode(parts: &[&Head]) -> Result<Self, String> {
        let rows: Vec<&Rows> = parts.iter().map(|part| &part.0).collect();
        let (pages, _) = crate::segment::encode(&rows).map_err(|error| error.to_string())?;
        let meta = said(Metadata::decode(pages.get(&tail::METADATA).ok_or("no metadata")?))?;
        let filters = said(GroupFilters::decode(pages.get(&tail::GROUP_TRACE_FILTERS).ok_or("no filters")?))?;
        Ok(Self { pages, meta: Arc::new(meta), trace_filters: filters })
    }

    /// Bytes of all pages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pages.values().map(Vec::len).sum()
    }

    /// Reads its metadata again, as the first query after a start does; the count of its groups.
    pub fn describe(&self) -> Result<usize, String> {
        let meta = self.pages.get(&tail::METADATA).ok_or("no metadata")?;
        said(Metadata::decode(meta)).map(|meta| meta.groups.len())
    }

    /// In how many of its groups the trace may be.
    #[must_use]
    pub fn may_hold(&self, id: TraceId) -> usize {
        let hash = fuse::hash(&id.0);
        self.group_ids().filter(|group| self.trace_filters.may_hold(*group, hash)).count()
    }

    /// How many spans satisfy the filter.
    pub fn count(&self, filter: &Filter) -> Result<usize, ReadError> {
        let context = QueryContext::unbounded();
        let counts = self.groups().map(|group| Ok(matching(&group?, filter, None, &context)?.iter().count()));
        counts.sum()
    }

    /// Reads the spans of a trace; how many there are.
    pub fn trace(&self, id: TraceId) -> Result<usize, ReadError> {
        let spans = self.groups().map(|group| {
            let group = group?;
            let rows = group.rows_of(id)?;
            Ok(group.spans(id, &rows, Projection::Whole)?.len())
        });
        spans.sum()
    }

    /// The spans of a trace that is in one group, each with the index of its parent.
    pub fn parents(&self, id: TraceId) -> Result<Vec<(TraceSpan, Parent)>, ReadError> {
        let mut found = Vec::new();
        for group in self.groups() {
            let group = group?;
            let rows = group.rows_of(id)?;
            let first = rows.first().copied().unwrap_or_default();
            let parents = group.parents_of(id)?.into_iter().map(|parent| match parent {
                ParentRow::Root => Parent::None,
                ParentRow::Outside => Parent::Missing,
                ParentRow::Row(row) => Parent::Span(row.saturating_sub(first) as usize),
            });
            found.extend(group.spans(id, &rows, Projection::Whole)?.into_iter().zip(parents));
        }
        Ok(found)
    }

    fn groups(&self) -> impl Iterator<Item = Result<SegmentGroup<'_>, ReadError>> {
        self.group_ids().map(|group| SegmentGroup::open(self, 0, Arc::clone(&self.meta), group))
    }

    fn group_ids(&self) -> impl Iterator<Item = u16> + use<> {
        (0..).take(self.meta.groups.len())
    }
}

impl PageSource for Segment {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        self.pages.page(segment, id)
    }
}

/// Writes a page of integers.
#[must_use]
pub fn encode_ints(values: &[u64]) -> Vec<u8> {
    ints::encode(values)
}

/// Reads all values of a page of integers.
pub fn decode_ints(page: &[u8]) -> Result<Vec<u64>, String> {
    said(Ints::parse(page).and_then(|page| page.decode()))
}

/// Opens a page of integers and reads one row.
pub fn int_at(page: &[u8], row: usize) -> Result<u64, String> {
    said(Ints::parse(page).and_then(|page| page.get(row)))
}

/// Writes a page of text.
#[must_use]
pub fn encode_text(values: &[&[u8]]) -> Vec<u8> {
    strings::encode(values, Content::Text)
}

/// Reads all values of a page of strings, in order.
pub fn each_text(page: &[u8], visit: impl FnMut(&[u8])) -> Result<(), String> {
    said(read_all(page, visit))
}

fn read_all(page: &[u8], mut visit: impl FnMut(&[u8])) -> Result<(), Damaged> {
    let page = Strings::parse(page)?;
    let (mut cursor, mut value) = (StringCursor::new(&page), Vec::new());
    for row in 0..page.len() {
        value.clear();
        cursor.read(row, &mut value)?;
        visit(&value);
    }
    Ok(())
}

/// Opens a page of strings and reads one row.
pub fn text_at(page: &[u8], row: usize) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    said(Strings::parse(page).and_then(|page| StringCursor::new(&page).read(row, &mut value))).map(|()| value)
}

/// How many rows of a page of strings have this value.
pub fn count_text(page: &[u8], value: &[u8]) -> Result<usize, String> {
    said(Strings::parse(page).and_then(|page| Ok(page.find(value)?.iter().count())))
}

/// How many rows of a page of strings satisfy the test.
pub fn count_text_if(page: &[u8], test: impl FnMut(&[u8]) -> bool) -> Result<usize, String> {
    said(Strings::parse(page).and_then(|page| Ok(page.select(&Bitmap::all(page.len()), test)?.iter().count())))
}

/// Writes a filter over these members.
#[must_use]
pub fn encode_filter(members: &[&[u8]]) -> Vec<u8> {
    fuse::encode(members.iter().map(|member| fuse::hash(member)).collect())
}

/// Whether the filter may hold the member.
pub fn filter_may_hold(set: &[u8], member: &[u8]) -> Result<bool, String> {
    said(fuse::may_hold(set, fuse::hash(member)))
}

fn said<T>(result: Result<T, Damaged>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
