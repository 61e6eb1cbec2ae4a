//! Spans of a trace that have one start and one id. Most are exact copies, since a client sent them again, and count once; the others,
//! of a process that was forked with its random state, all count and stand in the order of their contents.
//!
//! Columns tell which rows to look at: only these are read whole, batch by batch, and only the hashes of one start and id are kept
//! at a time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hashbrown::HashSet;
use hoptrail_proto::model::{StatusCode, TraceId, TraceSpan};
use rustc_hash::FxHashMap;

use super::scan_unit::ScanUnit;
use super::trace_loader::Pace;
use super::trace_loader::{KeyedRow, TraceLoader};
use crate::codec::bits::Bitmap;
use crate::copies::{ContentHash, Contents};
use crate::scan::{RootKey, SpanKey};
use crate::{ReadError, Reserved};

/// Memory of what is known of a row, about.
const ROW_BYTES: usize = 48;

/// What is known of the spans of a trace that have one start and id.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    /// For each unit the rows whose span another row has as well; one of these rows is not listed.
    copies: FxHashMap<usize, Vec<u32>>,
    /// How many spans and errors of each service these rows are.
    pub(super) services: BTreeMap<String, (u32, u32)>,
    /// The contents of spans that are not the same, by unit and row.
    contents: FxHashMap<(usize, u32), ContentHash>,
    /// The first of them without a parent, with its service and name.
    pub(super) root: Option<(RootKey, ContentHash, (String, String))>,
}

impl Duplicates {
    /// How many rows are copies.
    pub(super) fn copies(&self) -> usize {
        self.copies.values().map(Vec::len).sum()
    }

    /// The rows that are copies, each with the index of its unit.
    pub(super) fn copied_rows(&self) -> HashSet<(usize, u32)> {
        self.copies.iter().flat_map(|(unit, rows)| rows.iter().map(|row| (*unit, *row))).collect()
    }

    /// The rows of a unit that are copies.
    pub(super) fn copies_in(&self, unit: usize) -> &[u32] {
        self.copies.get(&unit).map_or(&[], |rows| rows)
    }

    /// Those of the rows of a unit that are not copies.
    pub(super) fn without_copies<'b>(&self, unit: usize, rows: &'b Bitmap) -> Cow<'b, Bitmap> {
        let Some(copies) = self.copies.get(&unit) else { return Cow::Borrowed(rows) };
        let (mut left, mut gone) = (rows.clone(), Bitmap::none(rows.len()));
        // A chunk may have grown since.
        let known = copies.iter().map(|row| *row as usize).filter(|row| *row < rows.len());
        known.for_each(|row| gone.insert(row));
        left.and_not(&gone);
        Cow::Owned(left)
    }

    /// The order among spans of one start and id.
    pub(super) fn content(&self, unit: usize, row: u32) -> ContentHash {
        self.contents.get(&(unit, row)).copied().unwrap_or_default()
    }

    /// How many spans share start and id with another one, and are not copies.
    pub(super) fn distinct(&self) -> usize {
        self.contents.len()
    }

    fn add_copy(&mut self, unit: usize, row: u32, span: &TraceSpan) {
        self.copies.entry(unit).or_default().push(row);
        let counts = self.services.entry(span.resource.service_name().to_owned()).or_default();
        counts.0 += 1;
        counts.1 += u32::from(span.span.status.code == StatusCode::Error);
    }

    fn add_root(&mut self, key: SpanKey, content: ContentHash, span: &TraceSpan) {
        let root = (span.span.extent().order_start(), key);
        let is_first = self.root.as_ref().is_none_or(|(known, other, _)| (root, content) < (*known, *other));
        if span.span.parent_span_id.is_none() && is_first {
            self.root = Some((root, content, (span.resource.service_name().to_owned(), span.span.name.clone())));
        }
    }
}

/// The spans of one start and id that were seen so far.
#[derive(Default)]
struct Alike {
    key: Option<SpanKey>,
    seen: HashSet<ContentHash>,
    rows: Vec<((usize, u32), ContentHash)>,
}

impl Alike {
    /// Whether it is no copy of one before.
    fn is_first(&mut self, (key, unit, row): KeyedRow, content: ContentHash, found: &mut Duplicates) -> bool {
        if self.key != Some(key) {
            self.end(found);
            self.key = Some(key);
        }
        let is_first = self.seen.insert(content);
        if is_first {
            self.rows.push(((unit, row), content));
        }
        is_first
    }

    fn end(&mut self, found: &mut Duplicates) {
        if self.rows.len() > 1 {
            found.contents.extend(self.rows.iter().copied());
        }
        self.rows.clear();
        self.seen.clear();
    }
}

impl TraceLoader<'_, '_> {
    /// Tells copies from other spans among these, which are all of a trace in the order of their keys.
    pub(super) fn duplicates(
        &self,
        id: TraceId,
        units: &[ScanUnit],
        keys: &[KeyedRow],
        memory: &mut Reserved,
    ) -> Result<Duplicates, ReadError> {
        let alike = keys.chunk_by(|(one, ..), (other, ..)| one == other).filter(|alike| alike.len() > 1);
        let shared: Vec<KeyedRow> = alike.flatten().copied().collect();
        memory.grow(shared.len() * ROW_BYTES)?;
        let (mut found, mut contents, mut alike) = (Duplicates::default(), Contents::default(), Alike::default());
        let (mut pace, mut left) = (Pace::default(), shared.as_slice());
        while !left.is_empty() {
            let batch = self.read_rows(id, units, pace.batch(&mut left))?;
            let _held = self.context.reserve(pace.count(batch.iter().map(|(_, span)| span)))?;
            for (row, span) in &batch {
                let content = contents.hash(span);
                if alike.is_first(*row, content, &mut found) {
                    found.add_root(row.0, content, span);
                } else {
                    found.add_copy(row.1, row.2, span);
                }
            }
        }
        alike.end(&mut found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, Status, TenantId};

    use super::*;
    use crate::conformance::{open, write};
    use crate::{MemoryStore, QueryContext, SearchRequest, TraceHit, TraceReader};

    const ID: TraceId = TraceId([7; 16]);
    const T0: u64 = 1_767_225_600_000_000_000;

    /// Spans of two services; every tenth failed, and those whose number is twice that of another one share start and id with it.
    fn span(number: u64) -> TraceSpan {
        let same = if number.is_multiple_of(2) && number < 40 { number / 2 } else { number };
        let code = if number.is_multiple_of(10) { StatusCode::Error } else { StatusCode::Unset };
        let service = Attribute::new("service.name", format!("s{}", number % 2));
        let span = Span {
            trace_id: ID,
            span_id: SpanId((same + 1).to_be_bytes()),
            // The first root is one of two that share start and id.
            parent_span_id: (number == 0 || number > 8).then_some(SpanId([1; 8])),
            name: format!("work {number}"),
            start_unix_nano: T0 + same,
            end_unix_nano: T0 + same + 5,
            status: Status { code, message: String::new() },
            attributes: vec![Attribute::new("text", "x".repeat(600))],
            ..Span::default()
        };
        let resource = Resource { attributes: vec![service], ..Resource::default() };
        TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
    }

    fn hits(store: &dyn TraceReader, memory: usize) -> Vec<TraceHit> {
        let request = SearchRequest { limit: 5, spans_per_set: 60, ..SearchRequest::default() };
        let context = QueryContext::new(Duration::from_secs(60), memory, Arc::default());
        store.search(&TenantId::single(), &request, &context).expect("room").hits
    }

    #[test]
    fn copies_in_segments_and_head_count_once_in_little_memory() {
        let (folder, tenant) = (tempfile::tempdir().expect("a folder"), TenantId::single());
        let (store, plain) = (open(folder.path()), MemoryStore::default());
        let spans: Vec<TraceSpan> = (0..4_000).map(span).collect();
        write(&plain, &tenant, &spans);
        for times in 1..=4 {
            write(&*store, &tenant, &spans);
            // All copies of four times are far more than the query may hold.
            let found = hits(&*store, 7 << 20);
            assert_eq!(found, hits(&plain, usize::MAX), "sent {times} times");
            assert_eq!(found.iter().map(|hit| hit.matched()).collect::<Vec<_>>(), [4_000]);
            if times < 4 {
                store.settle().expect("settled");
            }
        }
    }
}
