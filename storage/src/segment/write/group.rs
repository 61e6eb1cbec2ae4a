//! The pages of one group.

use std::collections::BTreeMap;

use super::super::metadata::{ColumnLocation, GroupMeta, MOST_ROWS};
use super::super::{GroupStats, PageId, pages, traces};
use super::fit::{TooLarge, at_most, fit};
use super::order::{RowRef, TraceRun};
use super::parents::Parents;
use super::translate::Translator;
use super::{Source, join_pages};
use crate::codec::strings::{self, Content};
use crate::codec::{fuse, ints};
use crate::rows::{PerTable, Rows, Slot, SpanRow, TableKind, ValueType, owned_by};

/// Columns of fewer bytes have no filter: reading them is cheap enough.
const LEAST_FILTERED: usize = 1 << 10;
/// Columns of fewer bytes share a page, so that all of them cost one look-up.
const SMALL_COLUMN: usize = 16 << 10;
/// Most bytes of a column of a group before compression; a number counts 8. So offsets in a page fit 32 bits.
const MOST_BYTES: usize = 1 << 30;

/// The values of one column of a group.
#[derive(Default)]
struct Values<'r> {
    numbers: Vec<u64>,
    strings: Vec<&'r [u8]>,
}

impl Values<'_> {
    fn bytes(&self) -> usize {
        self.numbers.len() * 8 + self.strings.iter().map(|string| string.len()).sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.strings.is_empty()
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.strings.clear();
    }

    /// The same memory for values of other rows.
    fn reused<'n>(mut self) -> Values<'n> {
        self.clear();
        // The list is empty, so nothing is copied: this changes only the lifetime, and keeps the allocation.
        Values { numbers: self.numbers, strings: self.strings.into_iter().map(|_| -> &'n [u8] { &[] }).collect() }
    }
}

/// Memory for the values of all columns, used again for each group: fresh memory cost a tenth of the time of sealing, in page faults.
#[derive(Default)]
pub(crate) struct Scratch<'r>(PerTable<Vec<Values<'r>>>);

impl Scratch<'_> {
    /// The same memory for groups of other rows.
    pub(crate) fn reused<'n>(self) -> Scratch<'n> {
        let PerTable { spans, events, links } = self.0;
        Scratch(PerTable { spans: reused(spans), events: reused(events), links: reused(links) })
    }
}

fn reused<'n>(columns: Vec<Values<'_>>) -> Vec<Values<'n>> {
    columns.into_iter().map(Values::reused).collect()
}

/// The result of writing a group.
#[derive(Default)]
pub(super) struct GroupPages {
    pub(super) pages: BTreeMap<u32, Vec<u8>>,
    pub(super) metadata: GroupMeta,
    pub(super) stats: GroupStats,
    /// The shape of each span.
    pub(super) shapes: Vec<u64>,
    /// Hashes of the values of filtered columns, by the page of the filter.
    pub(super) values: Vec<(u32, Vec<u64>)>,
    small_columns: Vec<u8>,
}

/// Writes a group.
pub(super) struct GroupWriter<'w, 'r> {
    number: u16,
    sources: &'w [Source<'r>],
    translator: &'w Translator,
    scratch: &'w mut Scratch<'r>,
    out: GroupPages,
}

impl<'w, 'r> GroupWriter<'w, 'r> {
    pub(super) fn new(
        number: u16,
        sources: &'w [Source<'r>],
        translator: &'w Translator,
        scratch: &'w mut Scratch<'r>,
    ) -> Self {
        Self { number, sources, translator, scratch, out: GroupPages::default() }
    }

    /// Makes the pages of these traces. `rows` are exactly their rows, trace after trace.
    pub(super) fn write(mut self, traces: &[TraceRun], rows: &[RowRef]) -> Result<GroupPages, TooLarge> {
        self.out.metadata.spans = rows_that_fit(rows.len(), "spans in a row group")?;
        self.out.metadata.traces = rows_that_fit(traces.len(), "traces in a row group")?;
        self.put(pages::TRACES, traces::encode(traces));
        self.out.shapes = self.put_table(TableKind::Span, rows)?;
        let shapes = ints::encode(&self.out.shapes);
        self.put(pages::SPAN_SHAPES, shapes);
        self.put_scalars(traces, rows);
        self.put_events(rows)?;
        self.put_links(rows)?;
        self.note_stats(traces, rows);
        let small_columns = std::mem::take(&mut self.out.small_columns);
        if !small_columns.is_empty() {
            self.put(pages::SMALL_COLUMNS, small_columns);
        }
        Ok(self.out)
    }

    fn put(&mut self, page: u32, bytes: Vec<u8>) {
        self.out.pages.insert(page, bytes);
    }

    #[expect(clippy::indexing_slicing, reason = "a `RowRef` names a row of these sources")]
    fn source(&self, at: RowRef) -> &'r Rows {
        self.sources[at.source as usize].rows
    }

    #[expect(clippy::indexing_slicing, reason = "a `RowRef` names a row of these sources")]
    fn span(&self, at: RowRef) -> &'r SpanRow {
        &self.source(at).spans[at.row as usize]
    }

    fn note_stats(&mut self, traces: &[TraceRun], rows: &[RowRef]) {
        let starts = || rows.iter().map(|row| self.span(*row).start);
        self.out.stats = GroupStats {
            spans: self.out.metadata.spans,
            starts: (starts().min().unwrap_or_default(), starts().max().unwrap_or_default()),
            latest_end: rows.iter().map(|row| self.span(*row).latest()).max().unwrap_or_default(),
            latest_trace: traces.iter().filter_map(|trace| self.order_start(trace, rows)).max().unwrap_or_default(),
            hints: (traces.first().map_or(0, |trace| trace.start), traces.last().map_or(0, |trace| trace.start)),
        };
    }

    /// The order start of a trace by its spans here, without any start hint.
    fn order_start(&self, trace: &TraceRun, rows: &[RowRef]) -> Option<u64> {
        rows.get(trace.rows.clone())?.iter().map(|row| self.span(*row).extent().order_start()).min()
    }

    fn put_scalars(&mut self, traces: &[TraceRun], rows: &[RowRef]) {
        let mut ids = Vec::with_capacity(rows.len() * 8);
        let (mut starts, mut durations) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let mut parents = Parents::default();
        for trace in traces {
            let spans = rows.get(trace.rows.clone()).unwrap_or_default().iter().map(|row| self.span(*row));
            parents.add(spans.clone().map(|span| (span.span_id, span.parent)));
            for span in spans {
                ids.extend_from_slice(&span.span_id.0);
                starts.push(span.start.wrapping_sub(trace.start));
                durations.push(span.end.wrapping_sub(span.start));
            }
        }
        self.put(pages::SPAN_IDS, ids);
        self.put(pages::PARENTS, parents.encode());
        self.put(pages::STARTS, ints::encode(&starts));
        self.put(pages::DURATIONS, ints::encode(&durations));
    }

    #[expect(clippy::indexing_slicing, reason = "each event of a source has an owner and a time")]
    fn put_events(&mut self, rows: &[RowRef]) -> Result<(), TooLarge> {
        let (mut events, mut owners, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, row) in (0u64..).zip(rows) {
            let source = self.source(*row);
            for event in owned_by(&source.event_owners, row.row) {
                events.push(RowRef { source: row.source, row: fit(event, "events")? });
                owners.push(owner);
                times.push(source.event_times[event].wrapping_sub(self.span(*row).start));
            }
        }
        self.out.metadata.events = rows_that_fit(events.len(), "events in a row group")?;
        if events.is_empty() {
            return Ok(());
        }
        let shapes = self.put_table(TableKind::Event, &events)?;
        self.put(pages::EVENTS, join_pages(&[ints::encode(&owners), ints::encode(&shapes), ints::encode(&times)]));
        Ok(())
    }

    #[expect(clippy::indexing_slicing, reason = "each link of a source has an owner and ids")]
    fn put_links(&mut self, rows: &[RowRef]) -> Result<(), TooLarge> {
        let (mut links, mut owners, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, row) in (0u64..).zip(rows) {
            let source = self.source(*row);
            for link in owned_by(&source.link_owners, row.row) {
                links.push(RowRef { source: row.source, row: fit(link, "links")? });
                owners.push(owner);
                let (trace, span) = source.link_ids[link];
                ids.extend_from_slice(&trace.0);
                ids.extend_from_slice(&span.0);
            }
        }
        self.out.metadata.links = rows_that_fit(links.len(), "links in a row group")?;
        if links.is_empty() {
            return Ok(());
        }
        let shapes = self.put_table(TableKind::Link, &links)?;
        self.put(pages::LINKS, join_pages(&[ints::encode(&owners), ints::encode(&shapes), ids]));
        Ok(())
    }

    /// Writes the columns of these rows of a table. Answers the shape of each row.
    #[expect(clippy::indexing_slicing, reason = "the translator gave a code to each shape and column of these sources")]
    fn put_table(&mut self, kind: TableKind, rows: &[RowRef]) -> Result<Vec<u64>, TooLarge> {
        let types = self.translator.value_types(kind);
        let mut columns = std::mem::take(&mut self.scratch.0[kind]);
        columns.resize_with(types.len(), Values::default);
        columns.iter_mut().for_each(Values::clear);
        let mut shapes = Vec::with_capacity(rows.len());
        for at in rows {
            let codes = &self.sources[at.source as usize].codes;
            let table = self.source(*at).table(kind);
            let shape = table.shape_of(at.row as usize);
            shapes.push(u64::from(codes.shapes[kind][shape as usize]));
            let codes = &codes.columns[kind];
            let own = table.shapes.list().columns(shape);
            for (column, slot) in own.iter().zip(table.slots(at.row as usize)) {
                let code = codes[*column as usize] as usize;
                let values = &mut columns[code];
                if types[code].is_bytes() {
                    values.strings.push(table.bytes(*column, Slot(*slot)));
                } else if types[code] == ValueType::Int {
                    values.numbers.push(ints::ordered(slot.cast_signed()));
                } else {
                    values.numbers.push(*slot);
                }
            }
        }
        for (code, (values, value_type)) in columns.iter().zip(types).enumerate() {
            if !values.is_empty() {
                self.put_column(kind, fit(code, "columns")?, values, *value_type)?;
            }
        }
        self.scratch.0[kind] = columns;
        Ok(shapes)
    }

    fn put_column(
        &mut self,
        kind: TableKind,
        column: u32,
        values: &Values<'_>,
        value_type: ValueType,
    ) -> Result<(), TooLarge> {
        at_most(values.bytes(), MOST_BYTES, "bytes of a column")?;
        let bytes = match value_type {
            ValueType::Text => strings::encode(&values.strings, Content::Text),
            ValueType::Bytes | ValueType::Nested => strings::encode(&values.strings, Content::Bytes),
            _ => ints::encode(&values.numbers),
        };
        let page = PageId::column(kind, column);
        let filter = value_type.is_bytes() && bytes.len() >= LEAST_FILTERED && strings::wants_filter(&bytes);
        if filter {
            let hashes = values.strings.iter().map(|value| fuse::hash_in(self.number, fuse::hash(value)));
            self.out.values.push((page + pages::FILTERS, hashes.collect()));
        }
        let mut small = None;
        if bytes.len() < SMALL_COLUMN {
            let offset = fit(self.out.small_columns.len(), "bytes of small columns")?;
            small = Some((offset, fit(bytes.len(), "bytes of a column")?));
            self.out.small_columns.extend_from_slice(&bytes);
        } else {
            self.put(page, bytes);
        }
        self.out.metadata.columns[kind].insert(column, ColumnLocation { small, filter });
        Ok(())
    }
}

/// The count, if readers take so many rows.
fn rows_that_fit(count: usize, what: &'static str) -> Result<u32, TooLarge> {
    fit(at_most(count, MOST_ROWS as usize, what)?, what)
}
