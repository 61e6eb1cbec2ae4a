//! The metadata of a segment: everything that is needed before its first page is read.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;
use hoptrail_proto::model::{InstrumentationScope, Resource};
use hoptrail_proto::otlp::{decode_origin_resource, decode_origin_scope};

use super::write::{TooLarge, at_most};
use crate::codec::bytes::{Input, put_bytes, put_varint};
use crate::codec::pack;
use crate::codec::{Damaged, to_usize};
use crate::rows::{ColumnKey, OriginBytes, Owner, PerTable, ValueType, text};

const VERSION: u8 = 1;
/// Most spans, events or links of a group.
pub(super) const MOST_ROWS: u32 = 1 << 28;

/// Names and columns of the spans, events or links of a segment. There may be many shapes, so they have a page of their own.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TableMeta {
    pub(crate) names: Vec<Box<[u8]>>,
    pub(crate) columns: Vec<ColumnKey>,
    /// The indexes of the columns, sorted by name. Filled when metadata is read; there may be thousands of columns.
    by_name: Vec<u32>,
}

/// Where the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnLocation {
    /// First byte and length in the page that small columns share; `None` in a page of their own.
    pub(crate) small: Option<(u32, u32)>,
    /// Whether the column's filter has these values.
    pub(crate) filter: bool,
}

impl ColumnLocation {
    fn decode(input: &mut Input<'_>) -> Result<Self, Damaged> {
        let bits = input.byte()?;
        if bits > FILTERED | SMALL {
            return Err(Damaged("unknown location of a column"));
        }
        let small = if bits & SMALL != 0 { Some((take_u32(input)?, take_u32(input)?)) } else { None };
        Ok(Self { small, filter: bits & FILTERED != 0 })
    }
}

/// Bits of the byte that says where a column is.
const FILTERED: u8 = 1;
const SMALL: u8 = 2;

/// A row group.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct GroupMeta {
    pub(crate) spans: u32,
    pub(crate) traces: u32,
    pub(crate) events: u32,
    pub(crate) links: u32,
    /// For each table the columns that have values.
    pub(crate) columns: PerTable<HashMap<u32, ColumnLocation>>,
}

/// The metadata of a segment: resources, scopes, names, columns, groups.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) resource_bytes: Vec<OriginBytes>,
    pub(crate) scope_bytes: Vec<OriginBytes>,
    pub(crate) resources: Vec<Arc<Resource>>,
    pub(crate) scopes: Vec<Arc<InstrumentationScope>>,
    pub(crate) tables: PerTable<TableMeta>,
    pub(crate) groups: Vec<GroupMeta>,
}

impl Metadata {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, TooLarge> {
        let mut raw = Vec::new();
        put_origins(&mut raw, &self.resource_bytes);
        put_origins(&mut raw, &self.scope_bytes);
        self.tables.iter().for_each(|(_, table)| table.encode(&mut raw));
        put_varint(&mut raw, self.groups.len() as u64);
        self.groups.iter().for_each(|group| group.encode(&mut raw));
        seal(&raw)
    }

    pub(crate) fn decode(page: &[u8]) -> Result<Self, Damaged> {
        Self::decode_raw(Input(&unseal(page)?))
    }

    fn decode_raw(mut input: Input<'_>) -> Result<Self, Damaged> {
        let resource_bytes = take_origins(&mut input)?;
        let scope_bytes = take_origins(&mut input)?;
        let resources = resource_bytes.iter().map(decode_resource).collect::<Result<_, _>>()?;
        let scopes = scope_bytes.iter().map(decode_scope).collect::<Result<_, _>>()?;
        let tables = PerTable::try_of(|_| TableMeta::decode(&mut input))?;
        let groups = input.count(8)?;
        let groups = (0..groups).map(|_| GroupMeta::decode(&mut input)).collect::<Result<_, _>>()?;
        Ok(Self { resource_bytes, scope_bytes, resources, scopes, tables, groups })
    }

    /// The span name with this index.
    pub(crate) fn span_name(&self, index: u32) -> String {
        self.tables.spans.names.get(index as usize).map_or_else(String::new, |name| text(name))
    }

    /// Bytes held in memory, about.
    pub(crate) fn memory(&self) -> usize {
        self.resource_bytes.iter().map(|origin| 600 + origin.message.len() * 4).sum::<usize>()
            + self.tables.iter().map(|(_, table)| table.memory()).sum::<usize>()
            + self
                .groups
                .iter()
                .flat_map(|group| group.columns.iter())
                .map(|(_, columns)| columns.len() * 24)
                .sum::<usize>()
    }
}

/// A version, the length before compression, and the compressed bytes. Length 0 means that the bytes are not compressed.
pub(super) fn seal(raw: &[u8]) -> Result<Vec<u8>, TooLarge> {
    at_most(raw.len(), pack::MOST_BYTES, "bytes of a description")?;
    let mut out = vec![VERSION];
    match pack::compress(raw) {
        Some(packed) => {
            put_varint(&mut out, raw.len() as u64);
            out.extend_from_slice(&packed);
        }
        None => {
            out.push(0);
            out.extend_from_slice(raw);
        }
    }
    Ok(out)
}

pub(super) fn unseal(page: &[u8]) -> Result<Cow<'_, [u8]>, Damaged> {
    let mut input = Input(page);
    if input.byte()? != VERSION {
        return Err(Damaged("unknown version of a segment"));
    }
    let raw_len = to_usize(input.varint()?);
    if raw_len == 0 { Ok(Cow::Borrowed(input.0)) } else { pack::decompress(input.0, raw_len).map(Cow::Owned) }
}

fn put_origins(out: &mut Vec<u8>, origins: &[OriginBytes]) {
    put_varint(out, origins.len() as u64);
    for origin in origins {
        put_bytes(out, &origin.message);
        put_bytes(out, &origin.schema_url);
    }
}

fn take_origins(input: &mut Input<'_>) -> Result<Vec<OriginBytes>, Damaged> {
    let count = input.count(16)?;
    (0..count).map(|_| take_origin(input)).collect()
}

fn take_origin(input: &mut Input<'_>) -> Result<OriginBytes, Damaged> {
    Ok(OriginBytes { message: input.bytes()?.into(), schema_url: input.bytes()?.into() })
}

fn decode_resource(origin: &OriginBytes) -> Result<Arc<Resource>, Damaged> {
    let decoded = decode_origin_resource(&origin.message, &text(&origin.schema_url));
    decoded.map(Arc::new).map_err(|_| Damaged("resource does not decode"))
}

fn decode_scope(origin: &OriginBytes) -> Result<Arc<InstrumentationScope>, Damaged> {
    let decoded = decode_origin_scope(&origin.message, &text(&origin.schema_url));
    decoded.map(Arc::new).map_err(|_| Damaged("scope does not decode"))
}

pub(super) fn take_u32(input: &mut Input<'_>) -> Result<u32, Damaged> {
    u32::try_from(input.varint()?).map_err(|_| Damaged("number over 32 bits"))
}

impl TableMeta {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.names.len() as u64);
        self.names.iter().for_each(|name| put_bytes(out, name));
        put_varint(out, self.columns.len() as u64);
        for column in &self.columns {
            out.extend_from_slice(&[column.owner as u8, column.value_type as u8]);
            put_varint(out, u64::from(column.occurrence));
            put_bytes(out, &column.name);
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Damaged> {
        let names = input.count(8)?;
        let names = (0..names).map(|_| Ok(input.bytes()?.into())).collect::<Result<Vec<_>, _>>()?;
        let columns = input.count(32)?;
        let columns = (0..columns).map(|_| take_column(input)).collect::<Result<Vec<_>, _>>()?;
        let mut by_name: Vec<u32> = (0u32..).take(columns.len()).collect();
        by_name.sort_by_key(|column| columns.get(*column as usize).map(|key: &ColumnKey| &key.name));
        Ok(Self { names, columns, by_name })
    }

    /// Bytes held in memory, about.
    fn memory(&self) -> usize {
        self.columns.len() * 80 + self.names.len() * 40
    }

    /// The columns of this name, ascending.
    pub(crate) fn named(&self, owner: Owner, name: &[u8]) -> impl Iterator<Item = (u32, &ColumnKey)> {
        let key = |column: &u32| self.columns.get(*column as usize);
        let first = self.by_name.partition_point(|column| key(column).is_some_and(|key| &*key.name < name));
        let columns = self.by_name.iter().skip(first).filter_map(move |column| Some((*column, key(column)?)));
        columns.take_while(move |(_, key)| *key.name == *name).filter(move |(_, key)| key.owner == owner)
    }
}

fn take_column(input: &mut Input<'_>) -> Result<ColumnKey, Damaged> {
    let owner = match input.byte()? {
        0 => Owner::Attribute,
        1 => Owner::Field,
        _ => return Err(Damaged("unknown owner of a column")),
    };
    let value_type = ValueType::from_stored(input.byte()?).ok_or(Damaged("unknown type of a column"))?;
    Ok(ColumnKey { owner, value_type, occurrence: take_u32(input)?, name: input.bytes()?.into() })
}

impl GroupMeta {
    fn encode(&self, out: &mut Vec<u8>) {
        for count in [self.spans, self.traces, self.events, self.links] {
            put_varint(out, u64::from(count));
        }
        for (_, columns) in self.columns.iter() {
            let mut sorted: Vec<_> = columns.iter().collect();
            sorted.sort_by_key(|(column, _)| **column);
            put_varint(out, sorted.len() as u64);
            for (column, location) in sorted {
                put_varint(out, u64::from(*column));
                let filtered = if location.filter { FILTERED } else { 0 };
                out.push(filtered | location.small.map_or(0, |_| SMALL));
                if let Some((at, len)) = location.small {
                    put_varint(out, u64::from(at));
                    put_varint(out, u64::from(len));
                }
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Damaged> {
        let (spans, traces, events, links) = (take_u32(input)?, take_u32(input)?, take_u32(input)?, take_u32(input)?);
        if spans.max(events).max(links) > MOST_ROWS {
            return Err(Damaged("more rows than a group has"));
        }
        let columns = PerTable::try_of(|_| {
            let count = input.count(16)?;
            (0..count).map(|_| Ok((take_u32(input)?, ColumnLocation::decode(input)?))).collect()
        })?;
        Ok(Self { spans, traces, events, links, columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_bounded_number_of_rows() {
        let meta =
            |spans| Metadata { groups: vec![GroupMeta { spans, ..GroupMeta::default() }], ..Metadata::default() };
        assert!(Metadata::decode(&meta(MOST_ROWS).encode().expect("fits")).is_ok());
        assert!(Metadata::decode(&meta(MOST_ROWS + 1).encode().expect("fits")).is_err());
    }
}
