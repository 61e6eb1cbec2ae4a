//! Pages of rollups: the rows of a table at one level, for some time.
//!
//! A page is divided into streams of one kind of number each, which zstd then packs. Rows are by key, and by time within a key.

use hoptrail_proto::model::{SpanKind, StatusCode};

use super::level::Level;
use super::{Bucket, Cell, Connection, Durations, Node, NodeKind, RollupKey, RollupTable, Rows};
use crate::codec::bytes::{Input, put_bytes, put_varint};
use crate::codec::{Damaged, len_u32, pack, to_usize};
use crate::segment::PageId;

/// The streams of a page.
#[derive(Default)]
struct Streams {
    keys: Vec<u8>,
    times: Vec<u8>,
    counts: Vec<u8>,
    weights: Vec<u8>,
    bytes: Vec<u8>,
    durations: Vec<u8>,
    buckets: Vec<u8>,
}

impl Streams {
    fn all(&self) -> [&[u8]; 7] {
        [&self.keys, &self.times, &self.counts, &self.weights, &self.bytes, &self.durations, &self.buckets]
    }
}

/// The bytes of a page.
pub(crate) fn encode(rows: &Rows, level: Level, start: u64) -> Vec<u8> {
    let mut streams = Streams::default();
    put_varint(&mut streams.keys, rows.keys() as u64);
    for (key, cells) in rows.iter() {
        put_key(&mut streams.keys, key);
        put_varint(&mut streams.times, cells.len() as u64);
        let mut before = start;
        for (time, cell) in cells {
            put_varint(&mut streams.times, time.saturating_sub(before) / level.length());
            before = *time;
            put_cell(&mut streams, cell);
        }
    }
    let mut raw = Vec::new();
    streams.all().iter().for_each(|stream| put_bytes(&mut raw, stream));
    let packed = pack::compress(&raw);
    let mut out = len_u32(if packed.is_some() { raw.len() } else { 0 }).to_le_bytes().to_vec();
    out.extend_from_slice(packed.as_deref().unwrap_or(&raw));
    out
}

/// Calls `take` with each wanted key of a page and its rows, by the times of their starts.
pub(crate) fn decode(
    page: &[u8],
    table: RollupTable,
    (level, start): (Level, u64),
    wanted: impl Fn(&RollupKey) -> bool,
    mut take: impl FnMut(&RollupKey, &[(u64, Cell)]),
) -> Result<(), Damaged> {
    let mut input = Input(page);
    let raw_len = input.u32()? as usize;
    let unpacked = (raw_len > 0).then(|| pack::decompress(input.0, raw_len)).transpose()?;
    let mut input = Input(unpacked.as_deref().unwrap_or(input.0));
    let mut next = || input.bytes().map(Input);
    let (mut keys, mut times) = (next()?, next()?);
    let mut cells = Cells { counts: next()?, weights: next()?, bytes: next()?, durations: next()?, buckets: next()? };
    // The memory of rows is used for one key after the other.
    let mut rows: Vec<(u64, Cell)> = Vec::new();
    for _ in 0..keys.count(8)? {
        let (key, count, mut time) = (read_key(&mut keys, table)?, times.count(8)?, start);
        rows.resize_with(count.max(rows.len()), Default::default);
        let own = rows.get_mut(..count).unwrap_or_default();
        for (at, cell) in &mut *own {
            time = time.saturating_add(times.varint()?.saturating_mul(level.length()));
            *at = time;
            cells.read(cell)?;
        }
        if wanted(&key) {
            take(&key, own);
        }
    }
    Ok(())
}

fn put_key(out: &mut Vec<u8>, key: &RollupKey) {
    match key {
        RollupKey::Service { service, kind, status, entry } => {
            put_bytes(out, service.as_bytes());
            out.push(traits_of(*kind, *status, *entry));
        }
        RollupKey::Span { service, name, kind, status, entry, dimensions } => {
            put_bytes(out, service.as_bytes());
            put_bytes(out, name.as_bytes());
            out.push(traits_of(*kind, *status, *entry));
            put_varint(out, dimensions.len() as u64);
            dimensions.iter().for_each(|value| put_bytes(out, value.as_bytes()));
        }
        RollupKey::Edge { caller, callee, connection } => {
            for node in [caller, callee] {
                out.push(node.kind as u8);
                put_bytes(out, node.name.as_bytes());
            }
            out.push(*connection as u8);
        }
        RollupKey::Instance { service, version, instance } => {
            [service, version, instance].iter().for_each(|text| put_bytes(out, text.as_bytes()));
        }
    }
}

/// Kind, status and entry in one byte.
fn traits_of(kind: SpanKind, status: StatusCode, entry: bool) -> u8 {
    kind as u8 | (status as u8) << 3 | u8::from(entry) << 5
}

fn read_key(input: &mut Input<'_>, table: RollupTable) -> Result<RollupKey, Damaged> {
    let text = |input: &mut Input<'_>| input.text().map(ToOwned::to_owned);
    Ok(match table {
        RollupTable::Services => {
            let (service, (kind, status, entry)) = (text(input)?, read_traits(input)?);
            RollupKey::Service { service, kind, status, entry }
        }
        RollupTable::Spans => {
            let (service, name, (kind, status, entry)) = (text(input)?, text(input)?, read_traits(input)?);
            let dimensions = (0..input.count(8)?).map(|_| text(input)).collect::<Result<_, _>>()?;
            RollupKey::Span { service, name, kind, status, entry, dimensions }
        }
        RollupTable::Edges => {
            let (caller, callee, connection) = (read_node(input)?, read_node(input)?, input.byte()?);
            let connection = Connection::ALL.get(usize::from(connection)).ok_or(Damaged("no connection"))?;
            RollupKey::Edge { caller, callee, connection: *connection }
        }
        RollupTable::Instances => {
            RollupKey::Instance { service: text(input)?, version: text(input)?, instance: text(input)? }
        }
    })
}

fn read_traits(input: &mut Input<'_>) -> Result<(SpanKind, StatusCode, bool), Damaged> {
    let byte = input.byte()?;
    let (kind, status) = (SpanKind::from_otlp(i32::from(byte & 7)), StatusCode::from_otlp(i32::from(byte >> 3 & 3)));
    Ok((kind, status, byte >> 5 & 1 == 1))
}

fn read_node(input: &mut Input<'_>) -> Result<Node, Damaged> {
    let kind = *NodeKind::ALL.get(usize::from(input.byte()?)).ok_or(Damaged("no kind of a node"))?;
    Ok(Node { kind, name: input.text()?.to_owned() })
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, (number << 1 ^ number >> 63).cast_unsigned());
}

fn signed(input: &mut Input<'_>) -> Result<i64, Damaged> {
    let number = input.varint()?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

fn put_cell(streams: &mut Streams, cell: &Cell) {
    put_signed(&mut streams.counts, cell.count);
    put_signed(&mut streams.counts, cell.errors);
    let is_plain = cell.weight == cell.count as f64;
    streams.weights.push(u8::from(!is_plain));
    if !is_plain {
        streams.weights.extend_from_slice(&cell.weight.to_le_bytes());
    }
    put_signed(&mut streams.bytes, cell.bytes);
    put_durations(streams, &cell.durations);
    put_durations(streams, &cell.caller);
}

/// The sum with its low and high half; the bounds, when they are not the sum itself; the buckets.
fn put_durations(streams: &mut Streams, durations: &Durations) {
    let Durations { sum_nanos, bounds, buckets } = durations;
    let buckets: Vec<_> = buckets.iter().filter(|(_, times)| *times != 0).collect();
    if durations.is_empty() {
        put_varint(&mut streams.buckets, 0);
        return;
    }
    put_varint(&mut streams.buckets, buckets.len() as u64 + 1);
    let mut before = 0;
    for (bucket, times) in buckets {
        put_signed(&mut streams.buckets, i64::from(bucket.0) - before);
        put_signed(&mut streams.buckets, *times);
        before = i64::from(bucket.0);
    }
    let sum = sum_nanos.to_le_bytes();
    let (low, high) = sum.split_at(8);
    for half in [low, high] {
        put_signed(&mut streams.durations, i64::from_le_bytes(half.try_into().unwrap_or_default()));
    }
    match bounds {
        None => streams.durations.push(0),
        Some((least, most)) if least == most && i128::from(*least) == *sum_nanos => streams.durations.push(1),
        Some((least, most)) => {
            streams.durations.push(2);
            put_varint(&mut streams.durations, *least);
            put_varint(&mut streams.durations, most - least);
        }
    }
}

/// Reads cells, one after the other.
struct Cells<'p> {
    counts: Input<'p>,
    weights: Input<'p>,
    bytes: Input<'p>,
    durations: Input<'p>,
    buckets: Input<'p>,
}

impl Cells<'_> {
    fn read(&mut self, cell: &mut Cell) -> Result<(), Damaged> {
        (cell.count, cell.errors) = (signed(&mut self.counts)?, signed(&mut self.counts)?);
        let is_plain = self.weights.byte()? == 0;
        cell.weight = if is_plain { cell.count as f64 } else { f64::from_le_bytes(self.weights.array()?) };
        cell.bytes = signed(&mut self.bytes)?;
        self.durations(&mut cell.durations)?;
        self.durations(&mut cell.caller)
    }

    fn durations(&mut self, durations: &mut Durations) -> Result<(), Damaged> {
        let Durations { sum_nanos, bounds, buckets } = durations;
        (*sum_nanos, *bounds) = (0, None);
        buckets.clear();
        let mut bucket = 0_i64;
        let Some(count) = self.buckets.varint()?.checked_sub(1).map(to_usize) else { return Ok(()) };
        if count > self.buckets.0.len() / 2 {
            return Err(Damaged("count larger than the page"));
        }
        buckets.reserve_exact(count);
        for _ in 0..count {
            bucket = bucket.saturating_add(signed(&mut self.buckets)?);
            let number = i16::try_from(bucket).map_err(|_| Damaged("no bucket"))?;
            buckets.push((Bucket(number), signed(&mut self.buckets)?));
        }
        let (low, high) = (signed(&mut self.durations)?, signed(&mut self.durations)?);
        *sum_nanos = i128::from(high) << 64 | i128::from(low.cast_unsigned());
        *bounds = match self.durations.byte()? {
            0 => None,
            1 => u64::try_from(*sum_nanos).ok().map(|only| (only, only)),
            _ => {
                let least = self.durations.varint()?;
                Some((least, least.saturating_add(self.durations.varint()?)))
            }
        };
        Ok(())
    }
}

/// A page of a rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RollupPage {
    pub(crate) level: Level,
    pub(crate) table: RollupTable,
    /// The time that its rows are counted from.
    pub(crate) start: u64,
}

impl RollupPage {
    /// Where the page is, by its index among the pages of its segment.
    pub(crate) fn id(self, index: usize) -> PageId {
        PageId { group: self.level as u16, page: len_u32(index) }
    }

    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        out.push(self.level as u8);
        out.push(self.table as u8);
        put_varint(out, self.start);
    }

    pub(crate) fn decode(input: &mut Input<'_>) -> Result<Self, Damaged> {
        let (level, table) = (input.byte()?, input.byte()?);
        let level = *Level::ALL.get(to_usize(level.into())).ok_or(Damaged("no level of a rollup"))?;
        let table = *RollupTable::ALL.get(to_usize(table.into())).ok_or(Damaged("no table of a rollup"))?;
        Ok(Self { level, table, start: input.varint()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::DAY;
    use super::super::rows::tests::some_rows;
    use super::*;

    fn read(page: &[u8], level: Level) -> Result<Rows, Damaged> {
        let mut rows = Rows::default();
        decode(page, RollupTable::Edges, (level, DAY), |_| true, |key, cells| rows.add(key, cells))?;
        Ok(rows)
    }

    #[test]
    fn pages_come_back_and_damaged_ones_are_refused() {
        let rows = some_rows();
        let page = encode(&rows, Level::Minute, DAY);
        assert_eq!(read(&page, Level::Minute), Ok(rows));
        (0..page.len()).for_each(|end| assert!(read(&page[..end], Level::Minute).is_err(), "{end}"));
        assert_eq!(read(&encode(&Rows::default(), Level::Day, 0), Level::Day), Ok(Rows::default()));
    }
}
