//! What each attribute key takes on the disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::readers::{ReadOnce, Readers};
use super::{Store, lock};
use crate::rows::{Owner, TableKind};
use crate::segment::{PageId, PageSource, tail};
use crate::{AttributeScope, ReadError};

/// What the attributes of some spans take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttributeSizes {
    /// For each scope and key the bytes of its values and of the filters over them, the largest first.
    pub keys: Vec<(AttributeScope, String, u64)>,
    /// Bytes of everything that is stored of these spans.
    pub bytes: u64,
    /// How many spans these are: all of the newest segments that were looked at.
    pub spans: u64,
}

/// Bytes by scope and key.
type Keys = BTreeMap<(AttributeScope, String), u64>;

/// What is known of segments. They never change, so each is read once.
#[derive(Debug, Default)]
pub(super) struct KnownSizes(Mutex<BTreeMap<u64, Arc<Keys>>>);

impl Store {
    /// What each attribute key takes in the newest segments that have so many spans together, or in all. It reads them whole, unless it
    /// knows them already: about 100 ms for a million spans. A segment that cannot be read is left out.
    #[must_use]
    pub fn attribute_sizes(&self, least_spans: u64) -> AttributeSizes {
        let mut segments: Vec<_> = self.readers.read_state().segments.values().cloned().collect();
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse((segment.received, segment.id)));
        let (mut sizes, mut all, mut left) = (AttributeSizes::default(), Keys::new(), BTreeMap::new());
        // One at a time: whoever asks meanwhile finds what the first one read.
        let mut known = lock(&self.attribute_sizes.0);
        for segment in segments {
            if sizes.spans >= least_spans {
                break;
            }
            let own = match known.remove(&segment.id) {
                Some(own) => own,
                None => match keys_of(&self.readers, segment.id) {
                    Ok(own) => Arc::new(own),
                    Err(_) => continue,
                },
            };
            own.iter().for_each(|(key, bytes)| *all.entry(key.clone()).or_default() += bytes);
            sizes.spans += segment.spans();
            sizes.bytes += segment.bytes;
            left.insert(segment.id, own);
        }
        *known = left;
        sizes.keys = all.into_iter().map(|((scope, key), bytes)| (scope, key, bytes)).collect();
        sizes.keys.sort_by_key(|(.., bytes)| std::cmp::Reverse(*bytes));
        sizes
    }
}

fn keys_of(readers: &Readers, segment: u64) -> Result<Keys, ReadError> {
    let (source, meta) = (ReadOnce(readers), readers.meta(segment)?);
    let length = |id: PageId| source.page(segment, id).map_or(0, |page| page.len() as u64);
    let mut keys = Keys::new();
    for (kind, table) in meta.tables.iter() {
        let scope = match kind {
            TableKind::Span => AttributeScope::Span,
            TableKind::Event => AttributeScope::Event,
            TableKind::Link => AttributeScope::Link,
        };
        for (column, key) in (0u32..).zip(&table.columns).filter(|(_, key)| key.owner == Owner::Attribute) {
            let in_group = |(index, group): (u16, &crate::segment::GroupMeta)| {
                let location = group.columns[kind].get(&column)?;
                let whole = || length(PageId { group: index, page: PageId::column(kind, column) });
                Some(location.small.map_or_else(whole, |(_, length)| u64::from(length)))
            };
            let values: u64 = (0..).zip(&meta.groups).filter_map(in_group).sum();
            let name = String::from_utf8_lossy(&key.name).into_owned();
            *keys.entry((scope, name)).or_default() += values + length(tail::value_filter(kind, column));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::{Attribute, Span, SpanId, TenantId, TraceId, TraceSpan};

    use super::*;
    use crate::conformance::{open, write};

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
    fn the_keys_with_many_values_take_most() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        assert_eq!(store.attribute_sizes(1), AttributeSizes::default());
        for first in [0, 2_000] {
            write(&*store, &TenantId::single(), &(first..first + 2_000).map(span).collect::<Vec<_>>());
            store.settle().expect("settled");
        }
        let sizes = store.attribute_sizes(u64::MAX);
        assert_eq!(sizes.spans, 4_000);
        let [(AttributeScope::Span, many, bytes), (AttributeScope::Span, few, fewer)] = &sizes.keys[..] else {
            panic!("{sizes:?}")
        };
        assert_eq!((many.as_str(), few.as_str()), ("many", "few"));
        assert!(*bytes > 8_000 && *fewer < 1_000 && bytes + fewer < sizes.bytes, "{sizes:?}");
        assert_eq!(store.attribute_sizes(u64::MAX), sizes, "what is known is the same");
    }
}
