//! Reads from rows of the head what rollups count.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashMap};
use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode, TraceId, sampling};

use super::hops::HopSpan;
use super::of_spans::{KeyParts, Place, text};
use super::peer::{KEYS, peer_of, queue_of};
use super::{Connection, NodeKind, SpanNames, Tally};
use crate::rows::{Column, Owner, Rows, Shape, Slot, ValueType, fields, to_value};

/// The first of [`KEYS`] that is a URL. Each call may have its own, so peers are not remembered by URLs.
const FIRST_URL: usize = KEYS.len() - 2;

/// A span as rollups see it, and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSpan {
    pub(crate) hop: HopSpan,
    pub(crate) bytes: u32,
    pub(crate) place: Option<Place>,
    /// The chunk, by the caller's count, and the row in it.
    pub(crate) at: (u32, u32),
}

impl Borrow<HopSpan> for RowSpan {
    fn borrow(&self) -> &HopSpan {
        &self.hop
    }
}

/// Reads rows of one chunk for a tally. What spans of one shape share is worked out once.
#[derive(Debug, Default)]
pub(crate) struct RowReader {
    shapes: Vec<Option<ShapeFacts>>,
    layouts: Vec<Option<LayoutFacts>>,
    /// Places by what [`Tally::place`] looks at, when no dimension is asked for.
    places: HashMap<PlaceKey, Place>,
    /// Peers by layout, kind and the slots that name them.
    peers: HashMap<u64, Option<(u32, Connection)>>,
    hasher: DefaultHashBuilder,
}

/// The resource and the name by their codes, kind, status and flags of the shape, and whether the span is a root.
type PlaceKey = (u32, u32, u8, u8, u32, bool);

#[derive(Debug, Clone, Copy)]
struct ShapeFacts {
    service: u32,
    kind: SpanKind,
    status: StatusCode,
    layout: u32,
    /// Where spans with a parent and those without are counted.
    places: [Option<Place>; 2],
}

/// Which of a row's slots are of interest.
#[derive(Debug, Default)]
struct LayoutFacts {
    trace_state: Option<usize>,
    /// By the index in [`KEYS`].
    peers: Vec<(usize, usize)>,
}

impl RowReader {
    /// What hops tell of a row.
    pub(crate) fn read(&mut self, rows: &Rows, row: u32, tally: &mut Tally) -> Option<HopSpan> {
        let span = rows.spans.get(row as usize)?;
        let facts = self.shape(rows, row, tally)?;
        let peer = self.peer(rows, row, &facts, tally);
        Some(HopSpan {
            id: u64::from_be_bytes(span.span_id.0),
            parent: u64::from_be_bytes(span.parent.0),
            start: span.start,
            duration: span.end.saturating_sub(span.start),
            service: facts.service,
            kind: facts.kind,
            failed: facts.status == StatusCode::Error,
            weight: self.weight(rows, row, facts.layout).unwrap_or(1.0),
            peer,
        })
    }

    /// Where a row is counted.
    pub(crate) fn place(
        &mut self,
        rows: &Rows,
        row: u32,
        dimensions: &[String],
        (tally, names): (&mut Tally, &mut SpanNames),
    ) -> Option<Place> {
        let is_root = rows.spans.get(row as usize)?.parent.0 == [0; 8];
        let facts = self.shape(rows, row, tally)?;
        let known = facts.places.get(usize::from(is_root)).copied().flatten();
        if dimensions.is_empty() && known.is_some() {
            return known;
        }
        let index = rows.span_table.shape_of(row as usize);
        let shape = rows.span_table.shape(index)?;
        let key = (shape.resource, shape.name, shape.kind, shape.status, shape.flags, is_root);
        let place = match self.places.get(&key).filter(|_| dimensions.is_empty()) {
            Some(known) => *known,
            None => new_place(rows, (row, is_root), dimensions, (tally, names))?,
        };
        self.places.insert(key, place);
        let known = self.shapes.get_mut(index as usize)?.as_mut()?.places.get_mut(usize::from(is_root))?;
        *known = Some(place);
        Some(place)
    }

    fn shape(&mut self, rows: &Rows, row: u32, tally: &mut Tally) -> Option<ShapeFacts> {
        let index = rows.span_table.shape_of(row as usize);
        if let Some(Some(known)) = self.shapes.get(index as usize) {
            return Some(*known);
        }
        let Shape { resource, kind, status, layout, .. } = *rows.span_table.shape(index)?;
        let service = rows.resources.decoded.get(resource as usize)?.service_name();
        let facts = ShapeFacts {
            service: tally.node(NodeKind::Service, service),
            kind: SpanKind::from_otlp(i32::from(kind)),
            status: StatusCode::from_otlp(i32::from(status)),
            layout,
            places: [None; 2],
        };
        if self.shapes.len() <= index as usize {
            self.shapes.resize(index as usize + 1, None);
        }
        *self.shapes.get_mut(index as usize)? = Some(facts);
        if self.layouts.len() <= layout as usize {
            self.layouts.resize_with(layout as usize + 1, || None);
        }
        self.layouts.get_mut(layout as usize)?.get_or_insert_with(|| LayoutFacts::of(rows, index));
        Some(facts)
    }

    fn layout(&self, layout: u32) -> Option<&LayoutFacts> {
        self.layouts.get(layout as usize)?.as_ref()
    }

    fn weight(&self, rows: &Rows, row: u32, layout: u32) -> Option<f64> {
        let at = self.layout(layout)?.trace_state?;
        let (column, slot) = value_at(rows, row, at)?;
        let state = std::str::from_utf8(rows.span_table.bytes(column, slot)).ok()?;
        sampling::weight(state, rows.spans.get(row as usize)?.trace_id)
    }

    fn peer(&mut self, rows: &Rows, row: u32, facts: &ShapeFacts, tally: &mut Tally) -> Option<(u32, Connection)> {
        if facts.kind == SpanKind::Server {
            return None;
        }
        let layout = self.layouts.get(facts.layout as usize)?.as_ref()?;
        let says_nothing = layout.peers.is_empty();
        if says_nothing && matches!(facts.kind, SpanKind::Internal | SpanKind::Unspecified) {
            return None;
        }
        let slots = rows.span_table.slots(row as usize);
        let mut hasher = self.hasher.build_hasher();
        (facts.layout, facts.kind).hash(&mut hasher);
        let named = layout.peers.iter().filter(|(key, _)| *key < FIRST_URL);
        named.for_each(|(_, at)| slots.get(*at).hash(&mut hasher));
        let hash = hasher.finish();
        if let Some(known) = self.peers.get(&hash) {
            return *known;
        }
        let asks_url = Cell::new(false);
        let said = |wanted: &'static str| {
            let (key, at) = layout.peers.iter().find(|(key, _)| KEYS.get(*key) == Some(&wanted))?;
            asks_url.set(asks_url.get() || *key >= FIRST_URL);
            text(&model_value(rows, row, *at)?)
        };
        let peer = match facts.kind {
            SpanKind::Consumer => Some(queue_of(said)),
            kind => peer_of(kind, said),
        };
        let peer = peer.map(|peer| tally.peer(&peer));
        if !asks_url.get() {
            self.peers.insert(hash, peer);
        }
        peer
    }
}

impl LayoutFacts {
    fn of(rows: &Rows, shape: u32) -> Self {
        let table = &rows.span_table;
        let mut facts = Self::default();
        for (at, column) in table.shapes.list().columns(shape).iter().enumerate() {
            let Some(Column { key, .. }) = table.columns.get(*column as usize) else { continue };
            match key.owner {
                Owner::Field if *key.name == *fields::TRACE_STATE => facts.trace_state = Some(at),
                Owner::Attribute => {
                    let wanted = KEYS.iter().position(|wanted| wanted.as_bytes() == &*key.name);
                    let is_new = |index: &usize| facts.peers.iter().all(|(known, _)| known != index);
                    facts.peers.extend(wanted.filter(is_new).map(|index| (index, at)));
                }
                Owner::Field => {}
            }
        }
        facts
    }
}

fn new_place(
    rows: &Rows,
    (row, is_root): (u32, bool),
    dimensions: &[String],
    (tally, names): (&mut Tally, &mut SpanNames),
) -> Option<Place> {
    let shape = rows.span_table.shape(rows.span_table.shape_of(row as usize))?;
    let resource = rows.resources.decoded.get(shape.resource as usize)?;
    let name = String::from_utf8_lossy(rows.span_table.names.get(shape.name));
    let kind = SpanKind::from_otlp(i32::from(shape.kind));
    let status = StatusCode::from_otlp(i32::from(shape.status));
    let parts = KeyParts { name: &name, kind, status, flags: shape.flags, is_root };
    let value = |key: &String| {
        let own = attribute(rows, row, key.as_bytes());
        own.or_else(|| resource.attribute(key).cloned()).and_then(|value| text(&value)).unwrap_or_default()
    };
    Some(tally.place(&parts, resource, dimensions.iter().map(value).collect(), names))
}

/// The column and slot of a row at a place of its layout.
fn value_at(rows: &Rows, row: u32, at: usize) -> Option<(u32, Slot)> {
    let table = &rows.span_table;
    let column = *table.shapes.list().columns(table.shape_of(row as usize)).get(at)?;
    Some((column, Slot(*table.slots(row as usize).get(at)?)))
}

fn model_value(rows: &Rows, row: u32, at: usize) -> Option<AnyValue> {
    let (column, slot) = value_at(rows, row, at)?;
    let value_type: ValueType = rows.span_table.columns.get(column as usize)?.key.value_type;
    Some(to_value(match value_type.is_bytes() {
        true => value_type.string(rows.span_table.bytes(column, slot)),
        false => value_type.number(slot.0),
    }))
}

/// The first attribute of a row with this key.
fn attribute(rows: &Rows, row: u32, key: &[u8]) -> Option<AnyValue> {
    let table = &rows.span_table;
    let columns = table.shapes.list().columns(table.shape_of(row as usize));
    let is_wanted = |column: &u32| {
        let key_of = table.columns.get(*column as usize).map(|column| &column.key);
        key_of.is_some_and(|own| own.owner == Owner::Attribute && *own.name == *key)
    };
    model_value(rows, row, columns.iter().position(is_wanted)?)
}

/// The spans that others of their trace link to, among the links from one on.
pub(crate) fn linked_from(rows: &Rows, first: usize) -> HashSet<(TraceId, u64)> {
    let links = rows.link_ids.iter().zip(&rows.link_owners).skip(first);
    let within = links
        .filter(|((trace, _), owner)| rows.spans.get(**owner as usize).is_some_and(|span| span.trace_id == *trace));
    within.map(|((trace, span), _)| (*trace, u64::from_be_bytes(span.0))).collect()
}
