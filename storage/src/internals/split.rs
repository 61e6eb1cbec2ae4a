//! Which column takes how much of the disk.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ReadError;
use crate::backend;
use crate::catalog::{RollupEntry, StoreEntry};
use crate::rows::{ColumnKey, Owner, PerTable, TableKind, ValueType};
use crate::segment::{GroupMeta, Metadata, PageId, PageSource, pages, tail};

/// The share of something in the size of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// A column, a page that every group has, or a filter.
    pub name: String,
    /// Bytes in all segments.
    pub bytes: u64,
}

/// The bytes of all pages of a data folder, by what is in them, the largest share first. No server may have the folder open.
pub fn split(folder: &Path) -> Result<Vec<Share>, String> {
    let store = backend::open(folder, 0).map_err(|error| error.to_string())?;
    let (mut shares, mut segments) = (Shares::default(), Vec::new());
    let each = store.each(&mut |segment, entry| {
        if let Ok(rollup) = RollupEntry::decode(segment, entry) {
            shares.add_rollup(&*store, &rollup);
        } else if segment != StoreEntry::ID {
            segments.push(segment);
        }
    });
    each.map_err(|error| error.to_string())?;
    for segment in segments {
        shares.add_segment(&*store, segment).map_err(|error| error.to_string())?;
    }
    let mut shares: Vec<Share> = shares.0.into_iter().map(|(name, bytes)| Share { name, bytes }).collect();
    shares.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.name.cmp(&other.name)));
    Ok(shares)
}

#[derive(Default)]
struct Shares(BTreeMap<String, u64>);

/// The pages that every group may have.
const PAGES: [(u32, &str); 8] = [
    (pages::TRACES, "trace ids, lengths, starts"),
    (pages::SPAN_SHAPES, "shape numbers"),
    (pages::SPAN_IDS, "span ids"),
    (pages::PARENTS, "parents"),
    (pages::STARTS, "starts of spans"),
    (pages::DURATIONS, "durations"),
    (pages::EVENTS, "events: span, shape, time"),
    (pages::LINKS, "links: span, shape, ids"),
];

const TABLES: PerTable<&str> = PerTable { spans: "", events: "event ", links: "link " };

impl Shares {
    fn add(&mut self, name: &str, bytes: usize) {
        if bytes > 0 {
            *self.0.entry(name.to_owned()).or_default() += bytes as u64;
        }
    }

    fn add_rollup(&mut self, source: &dyn PageSource, rollup: &RollupEntry) {
        for (index, page) in rollup.list.pages.iter().enumerate() {
            let bytes = source.page(rollup.id, page.id(index)).map_or(0, |page| page.len());
            self.add(&format!("rollups: {:?} by {:?}", page.table, page.level).to_lowercase(), bytes);
        }
    }

    fn add_segment(&mut self, source: &dyn PageSource, segment: u64) -> Result<(), ReadError> {
        let described = source.page(segment, tail::METADATA)?;
        // A group leaves out pages that it does not need.
        let len = |group, page| source.page(segment, PageId { group, page }).map_or(0, |page| page.len());
        let shapes = TableKind::ALL.map(|kind| len(tail::GROUP, tail::shapes(kind).page));
        self.add("metadata and shapes", described.len() + shapes.iter().sum::<usize>());
        let filters = [tail::TRACE_FILTER, tail::GROUP_TRACE_FILTERS].map(|id| len(id.group, id.page));
        self.add("filters over trace ids", filters.iter().sum());
        self.add("services and span names", len(tail::GROUP, tail::NAMES.page));
        let meta = Metadata::decode(&described).map_err(|error| ReadError::Corrupt {
            location: format!("segment {segment}"),
            reason: error.to_string(),
        })?;
        for (index, group) in (0..).zip(&meta.groups) {
            PAGES.iter().for_each(|(page, name)| self.add(name, len(index, *page)));
            self.add_columns(&meta, group, |page| len(index, page));
        }
        for (kind, table) in meta.tables.iter() {
            for (column, key) in (0u32..).zip(&table.columns) {
                let filter = len(tail::GROUP, tail::value_filter(kind, column).page);
                self.add(&format!("filter over {}{}", TABLES[kind], name(key)), filter);
            }
        }
        Ok(())
    }

    fn add_columns(&mut self, meta: &Metadata, group: &GroupMeta, len: impl Fn(u32) -> usize) {
        for (kind, columns) in group.columns.iter() {
            for (column, location) in columns {
                let Some(key) = meta.tables[kind].columns.get(*column as usize) else { continue };
                let name = format!("{}{}", TABLES[kind], name(key));
                let in_small_columns = location.small.map(|(_, len)| len as usize);
                self.add(&name, in_small_columns.unwrap_or_else(|| len(PageId::column(kind, *column))));
            }
        }
    }
}

/// The column's name, with its type unless it is text.
fn name(key: &ColumnKey) -> String {
    let name = String::from_utf8_lossy(&key.name);
    let repeated = if key.occurrence > 0 { format!(" #{}", key.occurrence + 1) } else { String::new() };
    match (key.owner, key.value_type) {
        (Owner::Field, _) => format!("{name}{repeated}"),
        (Owner::Attribute, ValueType::Text) => format!("`{name}`{repeated}"),
        (Owner::Attribute, other) => format!("`{name}`{repeated} ({other:?})"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{Attribute, Span, SpanId, TenantId, TraceId, TraceSpan};
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::conformance::write;
    use crate::{Config, FakeClock, Store};

    /// All of one trace, which makes one group.
    fn span(number: u64) -> TraceSpan {
        let span = Span {
            trace_id: TraceId([1; 16]),
            span_id: SpanId((number + 1).to_be_bytes()),
            name: "work".to_owned(),
            attributes: vec![Attribute::new("few", "one"), Attribute::new("many", format!("{:x}", number * number))],
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
    }

    #[test]
    fn the_shares_name_the_columns_and_make_up_the_segments() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(1_700_000_000_000_000_000));
        let store = Store::open(folder.path(), &Config::default(), clock, &mut Registry::default()).expect("opens");
        let spans: Vec<TraceSpan> = (0..20_000).map(span).collect();
        write(&*store, &TenantId::single(), &spans);
        store.settle().expect("settled");
        let bytes = store.sizes().segment_bytes;
        store.close();
        drop(store);
        let shares = split(folder.path()).expect("readable");
        let of = |name: &str| shares.iter().find(|share| share.name == name).map_or(0, |share| share.bytes);
        assert_eq!(of("span ids"), 160_000, "{shares:?}");
        assert!(of("`many`") > 20_000 && of("`few`") < 1_000 && of("filter over `many`") > 20_000, "{shares:?}");
        assert!(shares.is_sorted_by(|one, other| one.bytes >= other.bytes));
        let of_rollups = shares.iter().filter(|share| share.name.starts_with("rollups")).map(|share| share.bytes);
        let in_catalog = of("filters over trace ids") + of_rollups.sum::<u64>();
        assert!(shares.iter().any(|share| share.name.starts_with("rollups")), "{shares:?}");
        let pages = shares.iter().map(|share| share.bytes).sum::<u64>() - in_catalog;
        assert!(pages <= bytes && pages * 20 > bytes * 19, "{pages} of {bytes}: {shares:?}");
    }
}
