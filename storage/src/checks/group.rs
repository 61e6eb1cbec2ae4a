//! A segment of any spans, as it is and with damaged pages.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hoptrail_proto::model::{AnyValue, TraceSpan};
use hoptrail_proto::otlp::{self, Limits, validate};

use crate::codec::bits::Bitmap;
use crate::codec::{len_u32, pack, to_usize};
use crate::rows::{Rows, TableKind};
use crate::scan::{
    HintHorizon, Materialize, Projection, ShapePart, SpanColumns, TableView, TraceIndex, matching, values,
};
use crate::segment::{Metadata, PageId, PageSource, Pages, SegmentGroup, encode, tail};
use crate::{
    AttributeScope, Cause, CompareOp, Field, Filter, Intrinsic, Pattern, QueryContext, ReadError, TimeRange, Value,
};

/// `input` is the count of damages (1 byte), the damages ([`Damage::BYTES`] each), and an OTLP request. The valid spans of the request come
/// back from a segment as they were. After the damage, reading gives errors or any answers, but never a panic.
pub fn group(input: &[u8]) {
    let Some((count, rest)) = input.split_first() else { return };
    let Some((damages, body)) = rest.split_at_checked(usize::from(count % 9) * Damage::BYTES) else { return };
    let Ok(validated) = validate(Bytes::copy_from_slice(body), &Limits::default()) else { return };
    let mut rows = Rows::default();
    rows.append_request(&validated.body).expect("validated");
    // A client sends the request again: exact copies count once.
    let mut retry = Rows::default();
    retry.append_request(&validated.body).expect("validated");
    let (mut pages, _) = encode(&[&rows, &retry]).expect("fits");
    if validated.accepted > 0 {
        let sent = otlp::decode(&validated.body).expect("validated");
        assert_eq!(all_spans(&pages).expect("intact"), in_any_order(&sent).into_iter().collect::<Vec<_>>());
    }
    unpack_metadata(&mut pages);
    damages.as_chunks::<{ Damage::BYTES }>().0.iter().for_each(|damage| Damage::read(damage).apply(&mut pages));
    let _ = all_spans(&pages);
    let _ = all_questions(&pages);
}

/// Stores the metadata without compression, so that damage reaches its contents.
fn unpack_metadata(pages: &mut Pages) {
    let Some(page) = pages.get_mut(&tail::METADATA) else { return };
    let mut input = crate::codec::bytes::Input(page);
    let (Ok(version), Ok(raw_len)) = (input.byte(), input.varint()) else { return };
    if raw_len > 0 {
        let raw = pack::decompress(input.0, to_usize(raw_len)).expect("just written");
        *page = [&[version, 0], raw.as_slice()].concat();
    }
}

fn open(pages: &Pages) -> Result<Vec<SegmentGroup<'_>>, ReadError> {
    let meta = Metadata::decode(&pages.page(0, tail::METADATA)?);
    let meta = Arc::new(meta.map_err(|error| ReadError::Storage(Cause::new(error)))?);
    (0..4).take(meta.groups.len()).map(|number| SegmentGroup::open(pages, 0, Arc::clone(&meta), number)).collect()
}

/// A change of one page.
struct Damage {
    /// Picks the page.
    page: usize,
    how: u8,
    at: usize,
    value: u8,
}

impl Damage {
    const BYTES: usize = 6;

    fn read([page, more, how, at, high, value]: &[u8; Self::BYTES]) -> Self {
        let (page, at) = (u16::from_le_bytes([*page, *more]), u16::from_le_bytes([*at, *high]));
        Self { page: page.into(), how: *how, at: at.into(), value: *value }
    }

    fn apply(&self, pages: &mut Pages) {
        let ids: Vec<PageId> = pages.keys().copied().collect();
        let (Some(id), Some(other)) = (ids.get(self.page % ids.len().max(1)), ids.get(self.at % ids.len().max(1)))
        else {
            return;
        };
        let other = pages.get(other).cloned().unwrap_or_default();
        let Some(page) = pages.get_mut(id) else { return };
        let at = self.at % (page.len() + 1);
        match self.how % 7 {
            0 | 1 => page.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.value),
            2 => page.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (self.value % 8)),
            3 => page.truncate(at),
            4 => page.insert(at, self.value),
            5 => *page = other,
            _ => _ = pages.remove(id),
        }
    }
}

/// Every span, as bytes: as a value a NaN would not equal itself.
fn in_any_order(spans: &[TraceSpan]) -> BTreeSet<Vec<u8>> {
    spans.iter().map(|span| otlp::encode(std::slice::from_ref(span))).collect()
}

/// All spans of the segment, sorted. Exact copies come as often as the segment has them.
fn all_spans(pages: &Pages) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut out = Vec::new();
    for group in open(pages)? {
        for (id, _, rows) in group.trace_table()? {
            let rows: Vec<u32> = rows.map(len_u32).collect();
            let spans = group.spans(id, &rows, Projection::Whole)?;
            out.extend(spans.iter().map(|span| otlp::encode(std::slice::from_ref(span))));
        }
    }
    out.sort_unstable();
    Ok(out)
}

/// Asks everything that a query may ask of a group.
fn all_questions(pages: &Pages) -> Result<(), ReadError> {
    let context = QueryContext::unbounded();
    let range = Some(TimeRange { start: 1, end: u64::MAX / 2 });
    for group in open(pages)? {
        let rows = group.table(TableKind::Span).len();
        let all = Bitmap::all(rows);
        for field in fields(&group) {
            for filter in filters(&field) {
                for filter in [Filter::Event(Box::new(filter.clone())), Filter::Link(Box::new(filter.clone())), filter]
                {
                    let _ = matching(&group, &filter, range, &context);
                }
            }
            let _ = values(&group, &field, &all, &context, &mut |_| ());
        }
        let _ = group.traces_of(&all);
        TableKind::ALL.into_iter().for_each(|kind| all_columns(&*group.table(kind)));
        let names = [b"a".to_vec(), b"service.name".to_vec()];
        let only = Projection::Only { names: &names, children: true };
        for row in (0..rows).step_by(rows / 64 + 1) {
            let _ = (group.span_id(row), group.parent_id(row));
            let Ok(id) = group.trace_id(row) else { continue };
            let _ = group.parents_of(id);
            let _ = group.rows_of(id).and_then(|rows| group.spans(id, &rows, only));
            let Ok(Some(start)) = group.start_of(id) else { continue };
            let _ = (
                group.rows_from(start, HintHorizon(start / 2)),
                group.partial_summary(id, None),
                group.partial_summary(id, Some((start, (start, Default::default())))),
            );
            let _ = (group.among(id, &all, 3), group.keys(id, start, u64::MAX));
        }
    }
    Ok(())
}

/// Asks for all values of a table, by row.
fn all_columns(table: &dyn TableView) {
    let all = Bitmap::all(table.len());
    for (column, _) in (0..8).zip(table.keys()) {
        let _ = (table.codes(column, &all), table.values(column, &all, &mut |_, _| ()));
        let _ = table.dictionary(column, &mut |_, _| ());
    }
    for part in [ShapePart::Resource, ShapePart::Scope, ShapePart::Name, ShapePart::Kind, ShapePart::Status] {
        let _ = table.shape_values(part, &all);
    }
}

/// The intrinsic fields, and the attributes that the group has.
fn fields(group: &SegmentGroup<'_>) -> Vec<Field> {
    use Intrinsic::*;
    let intrinsics = [
        Name,
        Duration,
        Kind,
        Status,
        StatusMessage,
        TraceId,
        SpanId,
        ParentId,
        EventName,
        EventTimeSinceStart,
        LinkTraceId,
        LinkSpanId,
        ScopeName,
        ScopeVersion,
    ];
    let mut fields: Vec<Field> = intrinsics.into_iter().map(Field::Intrinsic).collect();
    let tables = [
        (TableKind::Span, AttributeScope::Span),
        (TableKind::Event, AttributeScope::Event),
        (TableKind::Link, AttributeScope::Link),
    ];
    for (kind, scope) in tables {
        let table = group.table(kind);
        for key in table.keys().take(8) {
            let name = String::from_utf8_lossy(&key.name).into_owned();
            fields.extend([Field::attribute(scope, name.clone()), Field::attribute(AttributeScope::Any, name)]);
        }
    }
    fields
}

static PATTERN: LazyLock<Pattern> = LazyLock::new(|| Pattern::new("[a-m].*").expect("a pattern"));

fn filters(field: &Field) -> Vec<Filter> {
    let compare = |op, value| Filter::compare(field.clone(), op, value);
    vec![
        compare(CompareOp::Eq, Value::string("a")),
        compare(CompareOp::Ne, Value::string("GET /cart")),
        compare(CompareOp::Gt, Value::Any(AnyValue::Int(1))),
        compare(CompareOp::Lt, Value::Duration(1_000_000)),
        Filter::Matches { field: field.clone(), pattern: PATTERN.clone(), negated: false },
        Filter::Exists { field: field.clone(), present: true },
    ]
}
