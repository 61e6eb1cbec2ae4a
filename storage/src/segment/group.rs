//! A row group of a segment, read page by page as a query asks for them.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hoptrail_proto::model::{SpanId, TraceId};

use super::metadata::{ColumnLocation, GroupMeta, Metadata, TableMeta};
use super::tail::value_filter;
use super::traces::Traces;
use super::{Page, PageId, PageSource, pages};
use crate::ReadError;
use crate::codec::bytes::Input;
use crate::codec::fuse;
use crate::codec::ints::{Ints, decode, of_len};
use crate::codec::{Damaged, to_u32};
use crate::rows::{PerTable, Shape, ShapeList, TableKind};

/// A group. Its pages are fetched when they are needed, and kept while the query runs.
pub(crate) struct SegmentGroup<'a> {
    source: &'a dyn PageSource,
    segment: u64,
    /// Its index in the segment.
    pub(super) index: u16,
    pub(super) meta: Arc<Metadata>,
    pages: [OnceLock<Page<'a>>; 9],
    shapes: PerTable<OnceLock<Arc<ShapeList>>>,
    shape_codes: PerTable<OnceLock<Vec<u32>>>,
    /// Unused for spans.
    pub(super) owners: PerTable<OnceLock<Vec<u32>>>,
    pub(super) starts: OnceLock<Vec<u64>>,
    pub(super) event_times: OnceLock<Vec<u64>>,
    pub(super) link_ids: OnceLock<Vec<(TraceId, SpanId)>>,
    /// Damage that was left out of spans.
    left_out: Mutex<Vec<ReadError>>,
    /// Pages that were read, and their bytes.
    read: (AtomicUsize, AtomicUsize),
}

/// Keeps the first good value of a cell; errors are not kept.
pub(super) fn fill<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T, ReadError>) -> Result<&T, ReadError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

impl<'a> SegmentGroup<'a> {
    /// Group `index` of the segment that `meta` describes.
    pub(crate) fn open(
        source: &'a dyn PageSource,
        segment: u64,
        meta: Arc<Metadata>,
        index: u16,
    ) -> Result<Self, ReadError> {
        if meta.groups.len() <= usize::from(index) {
            return Err(ReadError::Corrupt {
                location: format!("segment {segment}"),
                reason: format!("group {index} is not described"),
            });
        }
        Ok(Self {
            source,
            segment,
            index,
            meta,
            pages: Default::default(),
            shapes: Default::default(),
            shape_codes: Default::default(),
            owners: Default::default(),
            starts: OnceLock::new(),
            event_times: OnceLock::new(),
            link_ids: OnceLock::new(),
            left_out: Mutex::default(),
            read: Default::default(),
        })
    }

    /// How many spans it has.
    pub(crate) fn len(&self) -> usize {
        self.rows(TableKind::Span)
    }

    /// Notes damage that spans are read without: a damaged column, damaged events or links. Other errors stay errors.
    pub(super) fn leave_out(&self, error: ReadError) -> Result<(), ReadError> {
        if !matches!(error, ReadError::Corrupt { .. }) {
            return Err(error);
        }
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        Ok(())
    }

    /// The damage that was left out since the last call.
    pub(crate) fn take_left_out(&self) -> Vec<ReadError> {
        std::mem::take(&mut *self.left_out.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[expect(clippy::indexing_slicing, reason = "the group is there: checked when it was opened")]
    pub(super) fn group(&self) -> &GroupMeta {
        &self.meta.groups[usize::from(self.index)]
    }

    pub(super) fn corrupt(&self, page: u32) -> impl Fn(Damaged) -> ReadError + use<> {
        let (segment, group) = (self.segment, self.index);
        move |damaged| ReadError::Corrupt {
            location: format!("segment {segment}, group {group}, page {page}"),
            reason: damaged.to_string(),
        }
    }

    /// All traces by their rows: id, start, rows.
    pub(crate) fn trace_table(&self) -> Result<Vec<(TraceId, u64, Range<usize>)>, ReadError> {
        self.traces()?.all().map_err(self.corrupt(pages::TRACES))
    }

    /// The segment's filter over the values of a column.
    pub(super) fn filter(&self, kind: TableKind, column: u32) -> Result<Page<'a>, ReadError> {
        self.fetch(value_filter(kind, column))
    }

    /// Where that filter is.
    pub(super) fn filter_location(&self, kind: TableKind, column: u32) -> String {
        let PageId { group, page } = value_filter(kind, column);
        format!("segment {}, group {group}, page {page}", self.segment)
    }

    /// Steps to parents, rows that have outside parents, ids of these.
    pub(super) fn parent_parts(&self) -> Result<[&[u8]; 3], ReadError> {
        split(self.page(pages::PARENTS)?).map_err(self.corrupt(pages::PARENTS))
    }

    /// Ends minus starts of all spans, wrapping.
    pub(super) fn raw_durations(&self) -> Result<Vec<u64>, ReadError> {
        self.ints(pages::DURATIONS, self.group().spans as usize)
    }

    /// Times of all events minus the starts of their spans, wrapping.
    pub(super) fn raw_event_times(&self) -> Result<Vec<u64>, ReadError> {
        self.child_ints(TableKind::Event, 2, |time| time)
    }

    fn fetch(&self, id: PageId) -> Result<Page<'a>, ReadError> {
        let page = self.source.page(self.segment, id)?;
        self.read.0.fetch_add(1, Ordering::Relaxed);
        self.read.1.fetch_add(page.len(), Ordering::Relaxed);
        Ok(page)
    }

    /// The pages that were read since the last call, and their bytes.
    pub(crate) fn take_read(&self) -> (usize, usize) {
        (self.read.0.swap(0, Ordering::Relaxed), self.read.1.swap(0, Ordering::Relaxed))
    }

    pub(super) fn page(&self, page: u32) -> Result<&Page<'a>, ReadError> {
        match self.pages.get(page as usize) {
            Some(cell) => fill(cell, || self.fetch(PageId { group: self.index, page })),
            None => Err(self.corrupt(page)(Damaged("no such page"))),
        }
    }

    /// A page that has an integer for each span.
    pub(super) fn span_ints(&self, page: u32) -> Result<Ints<'_>, ReadError> {
        of_len(self.page(page)?, self.rows(TableKind::Span)).map_err(self.corrupt(page))
    }

    /// The integers of some spans.
    pub(super) fn some_ints(&self, page: u32, rows: Range<usize>) -> Result<Vec<u64>, ReadError> {
        self.span_ints(page)?.range(rows, |number| number).map_err(self.corrupt(page))
    }

    /// Decodes a page of integers that must have `len` values.
    pub(super) fn ints(&self, page: u32, len: usize) -> Result<Vec<u64>, ReadError> {
        let bytes = self.page(page)?;
        decode(bytes, len, |number| number).map_err(self.corrupt(page))
    }

    pub(super) fn rows(&self, kind: TableKind) -> usize {
        match kind {
            TableKind::Span => self.group().spans as usize,
            TableKind::Event => self.group().events as usize,
            TableKind::Link => self.group().links as usize,
        }
    }

    /// The three parts of the event or link page: owners, shapes, the rest.
    pub(super) fn child_parts(&self, kind: TableKind) -> Result<[&[u8]; 3], ReadError> {
        let page = Self::page_of_shapes(kind);
        if self.rows(kind) == 0 {
            return Ok([&[], &[], &[]]);
        }
        split(self.page(page)?).map_err(self.corrupt(page))
    }

    pub(super) fn child_ints<T>(
        &self,
        kind: TableKind,
        part: usize,
        map: impl Fn(u64) -> T,
    ) -> Result<Vec<T>, ReadError> {
        if self.rows(kind) == 0 {
            return Ok(Vec::new());
        }
        let parts = self.child_parts(kind)?;
        let part = parts.get(part).copied().unwrap_or_default();
        decode(part, self.rows(kind), map).map_err(self.corrupt(Self::page_of_shapes(kind)))
    }

    pub(super) fn shapes(&self, kind: TableKind) -> Result<&ShapeList, ReadError> {
        let shapes = fill(&self.shapes[kind], || self.source.shapes(self.segment, kind, &self.meta));
        shapes.map(|shapes| &**shapes)
    }

    /// The shapes of some rows.
    pub(super) fn shapes_of(&self, kind: TableKind, rows: Range<usize>) -> Result<Vec<u32>, ReadError> {
        let codes = self.shape_page(kind)?.range(rows, to_u32);
        codes.map_err(self.corrupt(Self::page_of_shapes(kind)))
    }

    /// The shape of a row, as an index into the shapes of its table.
    pub(super) fn shape_code(&self, kind: TableKind, row: usize) -> Result<u32, ReadError> {
        let code = self.shape_page(kind)?.get(row).map(to_u32);
        code.map_err(self.corrupt(Self::page_of_shapes(kind)))
    }

    /// The shape of a row.
    pub(super) fn shape_at(&self, kind: TableKind, row: usize) -> Result<Shape, ReadError> {
        let shape = self.shapes(kind)?.get(self.shape_code(kind, row)?).copied();
        shape.ok_or_else(|| self.corrupt(Self::page_of_shapes(kind))(Damaged("shape that is not described")))
    }

    /// The page that has the shapes of rows.
    pub(super) fn page_of_shapes(kind: TableKind) -> u32 {
        match kind {
            TableKind::Span => pages::SPAN_SHAPES,
            TableKind::Event => pages::EVENTS,
            TableKind::Link => pages::LINKS,
        }
    }

    /// The shapes of all rows of a table that has rows.
    pub(super) fn shape_page(&self, kind: TableKind) -> Result<Ints<'_>, ReadError> {
        let bytes = match kind {
            TableKind::Span => self.page(pages::SPAN_SHAPES)?,
            TableKind::Event | TableKind::Link => self.child_parts(kind)?[1],
        };
        of_len(bytes, self.rows(kind)).map_err(self.corrupt(Self::page_of_shapes(kind)))
    }

    pub(super) fn shape_codes(&self, kind: TableKind) -> Result<&[u32], ReadError> {
        let codes = fill(&self.shape_codes[kind], || {
            if self.rows(kind) == 0 {
                return Ok(Vec::new());
            }
            self.shapes_of(kind, 0..self.rows(kind))
        });
        codes.map(Vec::as_slice)
    }

    pub(super) fn traces(&self) -> Result<Traces<'_>, ReadError> {
        let (page, group) = (self.page(pages::TRACES)?, self.group());
        Traces::parse(page, group.traces as usize, group.spans as usize).map_err(self.corrupt(pages::TRACES))
    }

    /// The start of a trace and its rows.
    pub(super) fn find(&self, id: TraceId) -> Result<Option<(u64, Range<usize>)>, ReadError> {
        let traces = self.traces()?;
        let Some(trace) = traces.find(id) else { return Ok(None) };
        let found = traces.start(trace).and_then(|start| Ok((start, traces.rows(trace)?)));
        found.map(Some).map_err(self.corrupt(pages::TRACES))
    }

    pub(super) fn table_meta(&self, kind: TableKind) -> &TableMeta {
        &self.meta.tables[kind]
    }

    /// The bytes of a column, when the group has values of it.
    pub(super) fn column(&self, kind: TableKind, column: u32) -> Result<Option<ColumnBytes<'_, 'a>>, ReadError> {
        let page = PageId::column(kind, column);
        match self.group().columns[kind].get(&column) {
            None => Ok(None),
            Some(ColumnLocation { small: None, .. }) => {
                let id = PageId { group: self.index, page };
                Ok(Some(ColumnBytes::Page(self.fetch(id)?)))
            }
            Some(ColumnLocation { small: Some((at, len)), .. }) => {
                let (at, len) = (*at as usize, *len as usize);
                let small = self.page(pages::SMALL_COLUMNS)?.get(at..at.saturating_add(len));
                small
                    .map(|bytes| Some(ColumnBytes::Small(bytes)))
                    .ok_or_else(|| self.corrupt(page)(Damaged("outside of the small columns")))
            }
        }
    }

    /// Whether the column may hold this text. A damaged filter rules nothing out.
    pub(super) fn may_hold(&self, kind: TableKind, column: u32, literal: &[u8]) -> Result<bool, ReadError> {
        if !self.group().columns[kind].get(&column).is_some_and(|location| location.filter) {
            return Ok(true);
        }
        let set = match self.filter(kind, column) {
            Err(ReadError::Corrupt { .. }) => return Ok(true),
            set => set?,
        };
        Ok(fuse::may_hold(&set, fuse::hash_in(self.index, fuse::hash(literal))).unwrap_or(true))
    }
}

/// Three parts, of which the first two have their length before them.
fn split(page: &[u8]) -> Result<[&[u8]; 3], Damaged> {
    let mut input = Input(page);
    Ok([input.bytes()?, input.bytes()?, input.0])
}

/// Bytes of a column, in its own page or among the small columns.
pub(super) enum ColumnBytes<'s, 'a> {
    Page(Page<'a>),
    Small(&'s [u8]),
}

impl std::ops::Deref for ColumnBytes<'_, '_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Page(page) => page,
            Self::Small(bytes) => bytes,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::super::encode;
    use super::*;
    use crate::codec::bits::Bitmap;
    use crate::rows::Rows;
    use crate::scan::{Materialize, Projection, SpanColumns, Test, TraceIndex};
    use crate::test_spans::{any_batch, encode as request};
    use crate::{Pattern, QueryContext};
    use hoptrail_proto::model::{Attribute, Span, TraceSpan};
    use proptest::prelude::*;

    pub(in super::super) struct InMemory(pub(in super::super) BTreeMap<PageId, Vec<u8>>);

    impl PageSource for InMemory {
        fn page(&self, _: u64, id: PageId) -> Result<Page<'_>, ReadError> {
            let page = self.0.get(&id).ok_or_else(|| ReadError::Storage(format!("no page {id:?}").into()))?;
            Ok(Box::new(page.as_slice()))
        }
    }

    #[test]
    fn a_column_has_no_more_values_than_the_group_has_rows() {
        let mut rows = Rows::default();
        let letter = |n: u32| char::from(b'!' + (xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()) % 90) as u8);
        let value: String = (0..30_000).map(letter).collect();
        let span =
            Span { attributes: vec![Attribute::new("long", value)], trace_id: TraceId([1; 16]), ..Span::default() };
        rows.append_request(&request(&[TraceSpan { span, resource: Arc::default(), scope: Arc::default() }])).unwrap();
        let mut source = InMemory(encode(&[&rows]).expect("fits").0);
        let meta = Arc::new(Metadata::decode(&source.page(0, super::super::tail::METADATA).unwrap()).unwrap());
        let select = |source: &InMemory| {
            let group = SegmentGroup::open(source, 0, Arc::clone(&meta), 0).unwrap();
            let test = Test::matches(&Pattern::new(".*").unwrap(), false, &QueryContext::unbounded());
            group.table(TableKind::Span).select(0, &test, &Bitmap::all(1)).map(|rows| rows.len())
        };
        assert_eq!(select(&source).unwrap(), 1);
        let page = source.0.get_mut(&PageId { group: 0, page: pages::COLUMNS }).unwrap();
        assert_eq!(page[1], 1, "the count");
        page.splice(1..2, [0x80, 0x80, 0x80, 0x80, 0x08]);
        assert!(select(&source).is_err());
    }

    proptest! {
        #[test]
        fn what_goes_into_a_segment_comes_out(batches in prop::collection::vec(any_batch(), 1..4)) {
            let parts: Vec<Rows> = batches.iter().map(|batch| {
                let mut rows = Rows::default();
                rows.append_request(&request(batch)).unwrap();
                rows
            }).collect();
            let source = InMemory(encode(&parts.iter().collect::<Vec<_>>()).expect("fits").0);
            let meta = Arc::new(Metadata::decode(&source.page(0, super::super::tail::METADATA).unwrap()).unwrap());
            prop_assert_eq!(meta.groups.len(), 1);
            let group = SegmentGroup::open(&source, 0, Arc::clone(&meta), 0).unwrap();
            let mut expected: Vec<TraceSpan> = Vec::new();
            for span in batches.into_iter().flatten() {
                if !expected.contains(&span) {
                    expected.push(span);
                }
            }
            let mut found = Vec::new();
            for trace in 1..4 {
                let rows = group.rows_of(TraceId([trace; 16])).unwrap();
                found.extend(group.spans(TraceId([trace; 16]), &rows, Projection::Whole).unwrap());
            }
            prop_assert_eq!(found.len(), expected.len());
            for span in &found {
                prop_assert!(expected.contains(span), "{span:?}");
            }
        }
    }
}
