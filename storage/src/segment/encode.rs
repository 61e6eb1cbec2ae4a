//! From rows to the pages of a segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use hoptrail_proto::model::{Resource, SpanId, TraceId};

use super::fit::{TooLarge, at_most, fit};
use super::meta::{GroupMeta, MOST_ROWS, Meta, Place};
use super::order::{KnownStarts, RowRef, TraceRun, order};
use super::{META, PageId, pages, shapes, shapes_of, traces};
use crate::codec::strings::{self, Content};
use crate::codec::{bytes::put_varint, fuse, ints};
use crate::names::{Names, ShapeCounts};
use crate::rows::{
    ColumnKey, Interner, OriginBytes, Rows, Shape, ShapeList, Shapes, Slot, Table, TableKind, ValueType, owned_by,
};

/// Spans after which a group is closed, at the end of a trace.
pub(crate) const GROUP_SPANS: usize = 8 << 10;
/// Columns of fewer bytes are read rather than filtered.
const LEAST_FILTERED: usize = 1 << 10;
/// Columns of fewer bytes share the tail page: one look-up for all of them.
const TAIL_BYTES: usize = 16 << 10;

/// A segment ready to be stored.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// In key order.
    pub(crate) pages: BTreeMap<PageId, Vec<u8>>,
    pub(crate) meta: Meta,
    pub(crate) groups: Vec<GroupStats>,
    /// Filter over the trace ids of all groups.
    pub(crate) traces: Vec<u8>,
    /// Services and span names, unless there are too many.
    pub(crate) names: Option<Names>,
    /// How many spans have each shape.
    shape_counts: ShapeCounts,
}

/// What the catalog keeps of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupStats {
    pub(crate) spans: u32,
    /// Earliest and latest span start.
    pub(crate) starts: (u64, u64),
    /// The latest order key of a trace, by its earliest span here. No trace of the group is later in the order of traces.
    pub(crate) latest_trace: u64,
    /// Filter over trace ids.
    pub(crate) traces: Vec<u8>,
}

/// Most bytes of the values of a column of a group, before compression, 8 for a number. Places in a page are below it and fit 32 bits.
const MOST_BYTES: usize = 1 << 30;
/// Most columns of a table: their pages have numbers below those of the filters.
const MOST_COLUMNS: usize = ((pages::FILTERS - pages::COLUMNS) / 3) as usize;

/// Builds one segment of all rows.
pub(crate) fn encode(parts: &[&Rows]) -> Result<Built, TooLarge> {
    encode_in_groups(parts, GROUP_SPANS, &KnownStarts::default())
}

/// The same with groups of about so many spans, and of traces of which some began elsewhere.
pub(crate) fn encode_in_groups(parts: &[&Rows], spans: usize, known: &KnownStarts) -> Result<Built, TooLarge> {
    let (traces, rows) = order(parts, known);
    let mut built = Built::default();
    let mut members = Members::default();
    let mut scratch = Scratch::default();
    let translation = Translation::new(parts, &mut built)?;
    built.shape_counts = ShapeCounts::of(&translation.span_shapes);
    let mut first = 0;
    while first < traces.len() {
        let begin = traces[first].rows.start;
        let full = traces[first..].iter().position(|trace| trace.rows.end - begin >= spans);
        let end = full.map_or(traces.len(), |count| first + count + 1);
        let group = Group { parts, translation: &translation, traces: &traces[first..end], rows: &rows };
        // The last number is that of the pages that belong to no group.
        let number = fit(at_most(built.groups.len(), usize::from(META.group) - 1, "row groups")?, "row groups")?;
        group.encode(number, &mut built, &mut members, &mut scratch)?;
        first = end;
    }
    built.traces = fuse::encode(traces.iter().map(|trace| fuse::hash(&trace.id.0)).collect());
    for (page, hashes) in members {
        built.pages.insert(PageId { group: META.group, page }, fuse::encode(hashes));
    }
    let name = |number: u32| built.meta.span_name(number);
    built.names = Names::of(&translation.span_shapes, &built.shape_counts, &translation.resources, name);
    built.pages.insert(META, built.meta.encode()?);
    Ok(built)
}

/// The members of the filters of each column, over all groups, by page.
type Members = BTreeMap<u32, Vec<u64>>;

/// How the numbers of each part map to those of the segment.
struct Translation {
    /// For each part and table: shape numbers.
    shapes: Vec<[Vec<u32>; 3]>,
    /// For each part and table: column numbers.
    columns: Vec<[Vec<u32>; 3]>,
    value_types: [Vec<ValueType>; 3],
    /// Of the segment.
    resources: Vec<Arc<Resource>>,
    span_shapes: ShapeList,
}

impl Translation {
    fn new(parts: &[&Rows], Built { meta, pages, .. }: &mut Built) -> Result<Self, TooLarge> {
        let mut shapes = Vec::new();
        let mut columns = Vec::new();
        let resources = origins(parts.iter().map(|part| &part.resources.bytes), &mut meta.resource_bytes);
        let scopes = origins(parts.iter().map(|part| &part.scopes.bytes), &mut meta.scope_bytes);
        let mut builders: [TableBuilder; 3] = Default::default();
        let mut decoded = vec![Arc::default(); meta.resource_bytes.len()];
        for (part, numbers) in parts.iter().zip(&resources) {
            for (number, resource) in numbers.iter().zip(&part.resources.decoded) {
                if let Some(place) = decoded.get_mut(*number as usize) {
                    *place = Arc::clone(resource);
                }
            }
        }
        for ((part, resources), scopes) in parts.iter().zip(&resources).zip(&scopes) {
            let tables = [&part.span_table, &part.event_table, &part.link_table];
            let mut index = 0;
            let translated = builders.each_mut().map(|builder| {
                let table = tables[index];
                index += 1;
                builder.add(table, resources, scopes)
            });
            let [spans, events, links] = translated;
            shapes.push([spans.0, events.0, links.0]);
            columns.push([spans.1, events.1, links.1]);
        }
        let kinds = [TableKind::Span, TableKind::Event, TableKind::Link];
        let span_shapes = builders[TableKind::Span as usize].shapes.list().clone();
        for ((builder, table), kind) in builders.into_iter().zip(&mut meta.tables).zip(kinds) {
            table.names = builder.names.iter().map(Into::into).collect();
            at_most(builder.columns.len(), MOST_COLUMNS, "columns")?;
            table.columns = builder.columns;
            pages.insert(shapes_of(kind), shapes::encode(builder.shapes.list())?);
        }
        let value_types = meta.tables.each_ref().map(|table| table.columns.iter().map(|key| key.value_type).collect());
        Ok(Self { shapes, columns, value_types, resources: decoded, span_shapes })
    }
}

/// Numbers distinct origins over all parts.
fn origins<'a>(parts: impl Iterator<Item = &'a Vec<OriginBytes>>, all: &mut Vec<OriginBytes>) -> Vec<Vec<u32>> {
    let mut known: HashMap<&OriginBytes, u32> = HashMap::new();
    let number = |origin: &'a OriginBytes| {
        *known.entry(origin).or_insert_with(|| {
            all.push(origin.clone());
            all.len() as u32 - 1
        })
    };
    let mut number = number;
    parts.map(|part| part.iter().map(&mut number).collect()).collect()
}

#[derive(Default)]
struct TableBuilder {
    names: Interner,
    columns: Vec<ColumnKey>,
    column_numbers: HashMap<ColumnKey, u32>,
    shapes: Shapes,
}

impl TableBuilder {
    /// The segment's numbers for the shapes and columns of a part's table.
    fn add(&mut self, table: &Table, resources: &[u32], scopes: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let columns: Vec<u32> = table.columns.iter().map(|column| self.column(&column.key)).collect();
        let names: Vec<u32> =
            table.names.iter().map(|name| self.names.intern(name, usize::MAX).unwrap_or_default()).collect();
        let at = |list: &[u32], number: u32| list.get(number as usize).copied().unwrap_or_default();
        let known = table.shapes.list();
        let layout = |own: &[u32]| own.iter().map(|column| at(&columns, *column)).collect::<Vec<_>>();
        let layouts: Vec<u32> = known.layouts.iter().map(|own| self.shapes.intern_layout(&layout(own))).collect();
        let translate = |shape: &Shape| Shape {
            resource: at(resources, shape.resource),
            scope: at(scopes, shape.scope),
            name: at(&names, shape.name),
            layout: at(&layouts, shape.layout),
            ..*shape
        };
        let shapes = known.shapes.iter().map(|shape| self.shapes.intern(translate(shape))).collect();
        (shapes, columns)
    }

    fn column(&mut self, key: &ColumnKey) -> u32 {
        if let Some(number) = self.column_numbers.get(key) {
            return *number;
        }
        let number = self.columns.len() as u32;
        self.columns.push(key.clone());
        self.column_numbers.insert(key.clone(), number);
        number
    }
}

/// The values of one column of a group.
#[derive(Default)]
struct Values<'a> {
    numbers: Vec<u64>,
    strings: Vec<&'a [u8]>,
}

impl Values<'_> {
    fn bytes(&self) -> usize {
        self.numbers.len() * 8 + self.strings.iter().map(|string| string.len()).sum::<usize>()
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.strings.clear();
    }
}

/// The values of all columns of a table, used again for each group: fresh memory cost a tenth of sealing, in page faults.
type Scratch<'a> = [Vec<Values<'a>>; 3];

struct Group<'a> {
    parts: &'a [&'a Rows],
    translation: &'a Translation,
    traces: &'a [TraceRun],
    rows: &'a [RowRef],
}

impl<'a> Group<'a> {
    fn rows(&self) -> &'a [RowRef] {
        let first = self.traces.first().map_or(0, |trace| trace.rows.start);
        let end = self.traces.last().map_or(0, |trace| trace.rows.end);
        &self.rows[first..end]
    }

    fn encode(
        &self,
        number: u16,
        built: &mut Built,
        members: &mut Members,
        scratch: &mut Scratch<'a>,
    ) -> Result<(), TooLarge> {
        let mut out = GroupPages { number, built, members, scratch, tail: Vec::new(), meta: GroupMeta::default() };
        out.meta.spans = rows_that_fit(self.rows().len(), "spans in a row group")?;
        out.meta.traces = rows_that_fit(self.traces.len(), "traces in a row group")?;
        let first = self.traces.first().map_or(0, |trace| trace.rows.start);
        out.put(pages::TRACES, traces::encode(self.traces, first));
        let shapes = self.encode_table(0, self.rows(), &mut out)?;
        out.put(pages::SPAN_SHAPES, ints::encode(&shapes));
        shapes.iter().for_each(|shape| out.built.shape_counts.add(*shape as u32));
        self.encode_scalars(&mut out);
        self.encode_events(&mut out)?;
        self.encode_links(&mut out)?;
        let GroupPages { tail, meta, .. } = out;
        let stats = self.stats(meta.spans);
        if !tail.is_empty() {
            built.pages.insert(PageId { group: number, page: pages::TAIL }, tail);
        }
        built.meta.groups.push(meta);
        built.groups.push(stats);
        Ok(())
    }

    fn stats(&self, spans: u32) -> GroupStats {
        let starts = self.rows().iter().map(|row| self.parts[row.part as usize].spans[row.row as usize].start);
        GroupStats {
            spans,
            starts: (starts.clone().min().unwrap_or_default(), starts.max().unwrap_or_default()),
            latest_trace: self.traces.iter().filter_map(|trace| self.order_start(trace)).max().unwrap_or_default(),
            traces: fuse::encode(self.traces.iter().map(|trace| fuse::hash(&trace.id.0)).collect()),
        }
    }

    /// The order key of a trace by its spans here, whatever other segments know of its start.
    fn order_start(&self, trace: &TraceRun) -> Option<u64> {
        let rows = self.rows.get(trace.rows.clone())?;
        rows.iter().map(|row| self.parts[row.part as usize].spans[row.row as usize].extent().place()).min()
    }

    fn encode_scalars(&self, out: &mut GroupPages<'_, 'a>) {
        let count = self.rows().len();
        let mut ids = Vec::with_capacity(count * 8);
        let (mut starts, mut durations) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut parents = Parents::default();
        for trace in self.traces {
            let rows = &self.rows[trace.rows.clone()];
            let spans = rows.iter().map(|row| &self.parts[row.part as usize].spans[row.row as usize]);
            parents.add(spans.clone().map(|span| (span.span_id, span.parent)));
            for span in spans {
                ids.extend_from_slice(&span.span_id.0);
                starts.push(span.start.wrapping_sub(trace.start));
                durations.push(span.end.wrapping_sub(span.start));
            }
        }
        out.put(pages::SPAN_IDS, ids);
        out.put(pages::PARENTS, parents.encode());
        out.put(pages::STARTS, ints::encode(&starts));
        out.put(pages::DURATIONS, ints::encode(&durations));
    }

    fn encode_events(&self, out: &mut GroupPages<'_, 'a>) -> Result<(), TooLarge> {
        let (mut children, mut owners, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (place, row) in self.rows().iter().enumerate() {
            let part = self.parts[row.part as usize];
            for event in owned_by(&part.event_owners, row.row) {
                children.push(RowRef { part: row.part, row: fit(event, "events")? });
                owners.push(place as u64);
                times.push(part.event_times[event].wrapping_sub(part.spans[row.row as usize].start));
            }
        }
        out.meta.events = rows_that_fit(children.len(), "events in a row group")?;
        if children.is_empty() {
            return Ok(());
        }
        let shapes = self.encode_table(1, &children, out)?;
        out.put(pages::EVENTS, join_pages(&[ints::encode(&owners), ints::encode(&shapes), ints::encode(&times)]));
        Ok(())
    }

    fn encode_links(&self, out: &mut GroupPages<'_, 'a>) -> Result<(), TooLarge> {
        let (mut children, mut owners, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for (place, row) in self.rows().iter().enumerate() {
            let part = self.parts[row.part as usize];
            for link in owned_by(&part.link_owners, row.row) {
                children.push(RowRef { part: row.part, row: fit(link, "links")? });
                owners.push(place as u64);
                let (trace, span): (TraceId, SpanId) = part.link_ids[link];
                ids.extend_from_slice(&trace.0);
                ids.extend_from_slice(&span.0);
            }
        }
        out.meta.links = rows_that_fit(children.len(), "links in a row group")?;
        if children.is_empty() {
            return Ok(());
        }
        let shapes = self.encode_table(2, &children, out)?;
        out.put(pages::LINKS, join_pages(&[ints::encode(&owners), ints::encode(&shapes), ids]));
        Ok(())
    }

    /// Writes the columns of these rows of table `kind`; returns their shapes.
    fn encode_table(&self, kind: usize, rows: &[RowRef], out: &mut GroupPages<'_, 'a>) -> Result<Vec<u64>, TooLarge> {
        let types = &self.translation.value_types[kind];
        let mut columns = std::mem::take(&mut out.scratch[kind]);
        columns.resize_with(types.len(), Values::default);
        columns.iter_mut().for_each(Values::clear);
        let mut shapes = Vec::with_capacity(rows.len());
        for at in rows {
            let part = self.parts[at.part as usize];
            let table = [&part.span_table, &part.event_table, &part.link_table][kind];
            let shape = table.shape_of(at.row as usize);
            shapes.push(u64::from(self.translation.shapes[at.part as usize][kind][shape as usize]));
            let numbers = &self.translation.columns[at.part as usize][kind];
            let own = table.shapes.list().columns(shape);
            for (column, slot) in own.iter().zip(table.slots(at.row as usize)) {
                let number = numbers[*column as usize] as usize;
                let values = &mut columns[number];
                if types[number].is_bytes() {
                    values.strings.push(table.bytes(*column, Slot(*slot)));
                } else if types[number] == ValueType::Int {
                    values.numbers.push(ints::ordered(*slot as i64));
                } else {
                    values.numbers.push(*slot);
                }
            }
        }
        for (number, (values, value_type)) in columns.iter().zip(types).enumerate() {
            out.put_column(kind, fit(number, "columns")?, values, *value_type)?;
        }
        out.scratch[kind] = columns;
        Ok(shapes)
    }
}

/// A count of rows that a reader takes.
fn rows_that_fit(count: usize, what: &'static str) -> Result<u32, TooLarge> {
    fit(at_most(count, MOST_ROWS as usize, what)?, what)
}

/// Pages one after the other, each but the last with its length before it.
fn join_pages(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 < parts.len() {
            put_varint(&mut out, part.len() as u64);
        }
        out.extend_from_slice(part);
    }
    out
}

struct GroupPages<'b, 'a> {
    number: u16,
    built: &'b mut Built,
    members: &'b mut Members,
    scratch: &'b mut Scratch<'a>,
    tail: Vec<u8>,
    meta: GroupMeta,
}

impl GroupPages<'_, '_> {
    fn put(&mut self, page: u32, bytes: Vec<u8>) {
        self.built.pages.insert(PageId { group: self.number, page }, bytes);
    }

    fn put_column(
        &mut self,
        kind: usize,
        column: u32,
        values: &Values<'_>,
        value_type: ValueType,
    ) -> Result<(), TooLarge> {
        if values.strings.is_empty() && values.numbers.is_empty() {
            return Ok(());
        }
        at_most(values.bytes(), MOST_BYTES, "bytes of a column")?;
        let bytes = match value_type {
            ValueType::Text => strings::encode(&values.strings, Content::Text),
            ValueType::Bytes | ValueType::Nested => strings::encode(&values.strings, Content::Bytes),
            _ => ints::encode(&values.numbers),
        };
        let page = pages::COLUMNS + 3 * column + kind as u32;
        let filter = value_type.is_bytes() && bytes.len() >= LEAST_FILTERED && strings::wants_filter(&bytes);
        if filter {
            let hashes = values.strings.iter().map(|value| fuse::hash_in(self.number, fuse::hash(value)));
            self.members.entry(page + pages::FILTERS).or_default().extend(hashes);
        }
        let mut tail = None;
        if bytes.len() < TAIL_BYTES {
            tail = Some((fit(self.tail.len(), "bytes of small columns")?, bytes.len() as u32));
            self.tail.extend_from_slice(&bytes);
        } else {
            self.put(page, bytes);
        }
        let place = Place { tail, filter };
        if let Some(columns) = self.meta.columns.get_mut(kind) {
            columns.insert(column, place);
        }
        Ok(())
    }
}

/// Parents as steps back in the trace, or as ids where the parent is not a row before.
#[derive(Default)]
struct Parents {
    steps: Vec<u64>,
    /// Rows of strangers, and their ids.
    stranger_rows: Vec<u64>,
    strangers: Vec<u8>,
    places: HashMap<SpanId, usize>,
}

impl Parents {
    /// 0: a root. 1: an id in the list of strangers. n: the row n - 1 before.
    fn add(&mut self, trace: impl Iterator<Item = (SpanId, SpanId)>) {
        self.places.clear();
        for (row, (id, parent)) in trace.enumerate() {
            let step = if parent == SpanId::default() {
                0
            } else if let Some(place) = self.places.get(&parent) {
                (row - place) as u64 + 1
            } else {
                self.stranger_rows.push(self.steps.len() as u64);
                self.strangers.extend_from_slice(&parent.0);
                1
            };
            self.steps.push(step);
            self.places.entry(id).or_insert(row);
        }
    }

    fn encode(&self) -> Vec<u8> {
        join_pages(&[ints::encode(&self.steps), ints::encode(&self.stranger_rows), self.strangers.clone()])
    }
}
