//! The spans, events or links of a segment group as a table that is searched.

use hoptrail_proto::otlp::view::ValueView;

use super::PageId;
use super::group::SegmentGroup;
use super::metadata::TableMeta;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::ints::{Ints, unordered};
use crate::codec::strings::Strings;
use crate::codec::{Damaged, to_u32, to_usize};
use crate::rows::{ColumnKey, Owner, ShapeList, TableKind, ValueType};
use crate::scan::{Hashes, NO_CODE, TableView, Test, hash_of_int, hashes_of_values, searched};

/// The spans, events or links of a segment group.
pub(super) struct View<'g, 'a> {
    pub(super) group: &'g SegmentGroup<'a>,
    pub(super) kind: TableKind,
}

impl View<'_, '_> {
    fn meta(&self) -> &TableMeta {
        self.group.table_meta(self.kind)
    }

    fn key(&self, column: u32) -> Option<&ColumnKey> {
        self.meta().columns.get(column as usize)
    }

    fn corrupt(&self, column: u32) -> impl Fn(Damaged) -> ReadError + use<> {
        self.group.corrupt(PageId::column(self.kind, column))
    }

    /// A page of strings has no more values than the table has rows.
    fn strings<'p>(&self, column: u32, bytes: &'p [u8]) -> Result<Strings<'p>, ReadError> {
        let page = Strings::parse(bytes).map_err(self.corrupt(column))?;
        if page.len() > self.len() { Err(self.corrupt(column)(Damaged("page with a wrong count"))) } else { Ok(page) }
    }

    fn select_strings(&self, column: u32, key: &ColumnKey, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        if key.value_type == ValueType::Text
            && let Some(literal) = test.literal()
            && !self.group.may_hold(self.kind, column, literal)?
        {
            return Ok(Bitmap::none(0));
        }
        let Some(bytes) = self.group.column(self.kind, column)? else { return Ok(Bitmap::none(0)) };
        let page = self.strings(column, &bytes)?;
        let holds = |value: &[u8]| test.holds_stored(key.value_type.string(value));
        let text = (key.value_type == ValueType::Text).then_some(test);
        if let Some(literal) = text.and_then(Test::literal) {
            return page.find(literal).map_err(self.corrupt(column));
        }
        let positions = if among.is_full() || page.dictionary().is_some() {
            Bitmap::all(page.len())
        } else {
            self.group.to_positions(self.kind, column, among, page.len())?
        };
        let many = text.filter(|_| !positions.is_sparse());
        let found = many.and_then(|test| test.in_pieces(|pieces| page.select_pieces(&positions, pieces)));
        match found.transpose().map_err(self.corrupt(column))?.flatten() {
            Some(found) => Ok(found),
            None => page.select(&positions, holds).map_err(self.corrupt(column)),
        }
    }

    fn select_numbers(&self, column: u32, key: &ColumnKey, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let Some(bytes) = self.group.column(self.kind, column)? else { return Ok(Bitmap::none(0)) };
        let page = Ints::parse(&bytes).map_err(self.corrupt(column))?;
        if page.len() > self.len() {
            return Err(self.corrupt(column)(Damaged("page with a wrong count")));
        }
        let holds = |number| test.holds_stored(stored_number(key.value_type, number));
        if among.is_sparse() {
            let mut positions = Bitmap::none(page.len());
            for position in self.group.to_positions(self.kind, column, among, page.len())?.iter() {
                positions.insert_if(position, holds(page.get(position).map_err(self.corrupt(column))?));
            }
            return Ok(positions);
        }
        page.select(holds).map_err(self.corrupt(column))
    }
}

impl TableView for View<'_, '_> {
    fn len(&self) -> usize {
        self.group.rows(self.kind)
    }

    fn shapes(&self) -> Result<&ShapeList, ReadError> {
        self.group.shapes(self.kind)
    }

    fn shape_codes(&self) -> Result<&[u32], ReadError> {
        self.group.shape_codes(self.kind)
    }

    fn rows_of_shapes(&self, among: &Bitmap, good: &[bool]) -> Result<Bitmap, ReadError> {
        // There may be ten thousand shapes. A fold without a branch is faster than a search that stops at the first one.
        if !good.iter().fold(false, |any, good| any | good) || among.is_empty() {
            return Ok(Bitmap::none(self.len()));
        }
        let codes = self.group.shape_page(self.kind)?;
        let corrupt = self.group.corrupt(SegmentGroup::page_of_shapes(self.kind));
        let holds = |code: u64| good.get(to_usize(code)).copied().unwrap_or(false);
        if among.is_sparse() {
            let mut rows = Bitmap::none(self.len());
            for row in among.iter() {
                rows.insert_if(row, holds(codes.get(row).map_err(&corrupt)?));
            }
            return Ok(rows);
        }
        let mut rows = codes.select(holds).map_err(corrupt)?;
        rows.and(among);
        Ok(rows)
    }

    fn names(&self) -> usize {
        self.meta().names.len()
    }

    fn name(&self, index: u32) -> &[u8] {
        self.meta().names.get(index as usize).map_or(&[], |name| name)
    }

    fn columns(&self, owner: Owner, name: &[u8]) -> Vec<u32> {
        searched(self.meta().named(owner, name))
    }

    fn select(&self, column: u32, test: &Test, among: &Bitmap) -> Result<Bitmap, ReadError> {
        let Some(key) = self.key(column) else { return Ok(Bitmap::none(self.len())) };
        let positions = match test {
            Test::Present => Bitmap::all(self.len()),
            _ if key.value_type.is_bytes() => self.select_strings(column, key, test, among)?,
            _ => self.select_numbers(column, key, test, among)?,
        };
        self.group.to_rows(self.kind, column, &positions)
    }

    fn distinct(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(ValueView<'_>)) -> Result<(), ReadError> {
        let (Some(key), Some(bytes)) = (self.key(column), self.group.column(self.kind, column)?) else { return Ok(()) };
        if key.value_type.is_bytes() {
            let page = self.strings(column, &bytes)?;
            if let Some(dictionary) = page.dictionary().filter(|_| rows.is_full()) {
                // Each of its values is that of a row.
                let read = dictionary.each(|_, value| visit(key.value_type.string(value)));
                return read.map_err(self.corrupt(column));
            }
            let positions = self.group.to_positions(self.kind, column, rows, page.len())?;
            let read = page.distinct(&positions, |value| visit(key.value_type.string(value)));
            return read.map_err(self.corrupt(column));
        }
        let page = Ints::parse(&bytes).map_err(self.corrupt(column))?;
        if page.has_dictionary() && rows.is_full() {
            page.dictionary().for_each(|number| visit(stored_number(key.value_type, number)));
            return Ok(());
        }
        let positions = self.group.to_positions(self.kind, column, rows, page.len().min(self.len()))?;
        let mut seen = hashbrown::HashSet::new();
        for position in positions.iter() {
            let number = page.get(position).map_err(self.corrupt(column))?;
            if seen.insert(number) {
                visit(stored_number(key.value_type, number));
            }
        }
        Ok(())
    }

    fn values(&self, column: u32, rows: &Bitmap, visit: &mut dyn FnMut(usize, ValueView<'_>)) -> Result<(), ReadError> {
        let (Some(key), Some(bytes)) = (self.key(column), self.group.column(self.kind, column)?) else { return Ok(()) };
        let here = rows.iter().zip(self.group.positions(self.kind, column, rows)?);
        let (rows, positions): (Vec<usize>, Vec<usize>) =
            here.filter_map(|(row, position)| Some((row, position?))).unzip();
        let mut rows = rows.into_iter();
        let mut next = move || rows.next().unwrap_or(usize::MAX);
        let read = if key.value_type.is_bytes() {
            let page = self.strings(column, &bytes)?;
            page.values(&positions, |value| visit(next(), key.value_type.string(value)))
        } else {
            let page = Ints::parse(&bytes).map_err(self.corrupt(column))?;
            page.values(&positions, |number| visit(next(), stored_number(key.value_type, number)))
        };
        read.map_err(self.corrupt(column))
    }

    fn hashes(&self, column: u32, rows: &Bitmap) -> Result<Hashes, ReadError> {
        let value_type = self.key(column).map(|key| key.value_type);
        let is_known = matches!(value_type, Some(ValueType::Text | ValueType::Int)) && !rows.is_sparse();
        if let Some(bytes) = self.group.column(self.kind, column)?.filter(|_| is_known) {
            let held = if value_type == Some(ValueType::Text) {
                self.strings(column, &bytes)?.hashes()
            } else {
                Ints::parse(&bytes).and_then(|page| page.range(0..page.len(), |number| hash_of_int(unordered(number))))
            };
            return self.group.hashes_of_rows(self.kind, column, rows, held.map_err(self.corrupt(column))?);
        }
        hashes_of_values(self, column, rows)
    }

    fn codes(&self, column: u32, rows: &Bitmap) -> Result<Option<Vec<u32>>, ReadError> {
        let (Some(key), Some(bytes)) = (self.key(column), self.group.column(self.kind, column)?) else {
            return Ok(None);
        };
        let page = if key.value_type.is_bytes() {
            let page = self.strings(column, &bytes)?;
            if page.dictionary().is_none() {
                return Ok(None);
            }
            Coded::Strings(page)
        } else {
            let page = Ints::parse(&bytes).map_err(self.corrupt(column))?;
            if !page.has_dictionary() {
                return Ok(None);
            }
            Coded::Ints(page)
        };
        if rows.is_full() {
            let held = page.all().map_err(self.corrupt(column))?;
            return self.group.codes_of_rows(self.kind, column, held).map(Some);
        }
        let positions = self.group.positions(self.kind, column, rows)?;
        codes_at(&positions, |position| page.code(position)).map(Some).map_err(self.corrupt(column))
    }

    fn dictionary(&self, column: u32, visit: &mut dyn FnMut(u32, ValueView<'_>)) -> Result<(), ReadError> {
        let (Some(key), Some(bytes)) = (self.key(column), self.group.column(self.kind, column)?) else { return Ok(()) };
        let mut codes = 0..;
        let mut give = |value: ValueView<'_>| codes.by_ref().take(1).for_each(|code| visit(code, value));
        if key.value_type.is_bytes() {
            let page = self.strings(column, &bytes)?;
            let Some(dictionary) = page.dictionary() else { return Ok(()) };
            dictionary.each(|_, value| give(key.value_type.string(value))).map_err(self.corrupt(column))
        } else {
            let page = Ints::parse(&bytes).map_err(self.corrupt(column))?;
            page.dictionary().for_each(|number| give(stored_number(key.value_type, number)));
            Ok(())
        }
    }

    fn keys(&self) -> Box<dyn Iterator<Item = &ColumnKey> + '_> {
        Box::new(self.meta().columns.iter())
    }
}

/// A page with a dictionary.
enum Coded<'p> {
    Strings(Strings<'p>),
    Ints(Ints<'p>),
}

impl Coded<'_> {
    fn code(&self, position: usize) -> Result<usize, Damaged> {
        match self {
            Self::Strings(page) => page.code(position),
            Self::Ints(page) => page.code(position),
        }
    }

    /// The codes of all values.
    fn all(&self) -> Result<Vec<u32>, Damaged> {
        let mut all = Vec::new();
        match self {
            Self::Strings(page) => page.codes(|code| all.push(to_u32(code)))?,
            Self::Ints(page) => page.codes(|code| all.push(to_u32(code)))?,
        }
        Ok(all)
    }
}

/// The codes at these positions.
fn codes_at(positions: &[Option<usize>], code: impl Fn(usize) -> Result<usize, Damaged>) -> Result<Vec<u32>, Damaged> {
    const TOO_LARGE: Damaged = Damaged("code outside of its dictionary");
    let codes = positions.iter().map(|position| match position {
        None => Ok(NO_CODE),
        Some(position) => u32::try_from(code(*position)?).map_err(|_| TOO_LARGE),
    });
    codes.collect()
}

/// The value of a stored number. Signed integers are stored in a mapped form that keeps their order.
pub(super) fn stored_number(value_type: ValueType, stored: u64) -> ValueView<'static> {
    match value_type {
        ValueType::Int => ValueView::Int(unordered(stored)),
        _ => value_type.number(stored),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{AnyValue, Attribute, Span, SpanId, TraceId, TraceSpan};

    use super::super::group::tests::InMemory;
    use super::super::{Metadata, PageSource, encode, tail};
    use super::*;
    use crate::memory::spans_that_match;
    use crate::rows::Rows;
    use crate::scan::{SpanColumns, matching};
    use crate::test_spans::encode as request;
    use crate::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pattern, QueryContext, Value};

    /// Every 30th span has the name `rare`. All have a path and a size of their own, one in three not, and some end before they start.
    fn span(n: u64) -> TraceSpan {
        let mut attributes =
            vec![Attribute::new("path", format!("/users/{n}/cart")), Attribute::new("few", n as i64 % 3)];
        if !n.is_multiple_of(3) {
            attributes.extend([
                Attribute::new("size", n as i64 * 7),
                Attribute::new("odd", format!("{}q{}", n * 31, n * 17)),
            ]);
        }
        let (start, duration) = (1_000 + n, if n.is_multiple_of(7) { u64::MAX - 20 } else { n * 10 });
        let span = Span {
            trace_id: TraceId([(n / 50) as u8; 16]),
            span_id: SpanId(n.to_be_bytes()),
            name: if n.is_multiple_of(30) { "rare".to_owned() } else { format!("name {}", n % 5) },
            start_unix_nano: start,
            end_unix_nano: start.wrapping_add(duration),
            attributes,
            ..Span::default()
        };
        TraceSpan { span, resource: Arc::default(), scope: Arc::default() }
    }

    #[test]
    fn a_condition_finds_the_same_among_few_rows_as_among_all() {
        let mut rows = Rows::default();
        rows.append_request(&request(&(1..3000).map(span).collect::<Vec<_>>())).unwrap();
        let source = InMemory(encode(&[&rows]).expect("fits").0);
        let meta = Arc::new(Metadata::decode(&source.page(0, tail::METADATA).unwrap()).unwrap());
        let group = SegmentGroup::open(&source, 0, meta, 0).unwrap();
        let attribute = |key: &str| Field::attribute(AttributeScope::Span, key);
        let compare = |field: Field, op, value: Value| Filter::Compare { field, op, value };
        let matches = |field: Field, pattern: &str, negated| Filter::Matches {
            field,
            pattern: Pattern::new(pattern).unwrap(),
            negated,
        };
        let rare = compare(Field::Intrinsic(Intrinsic::Name), CompareOp::Eq, Value::string("rare"));
        let conditions = [
            compare(Field::Intrinsic(Intrinsic::Duration), CompareOp::Gt, Value::Duration(9_000)),
            compare(Field::Intrinsic(Intrinsic::Duration), CompareOp::Eq, Value::Duration(0)),
            compare(Field::Intrinsic(Intrinsic::Name), CompareOp::Ne, Value::string("name 1")),
            compare(attribute("size"), CompareOp::Lt, Value::Any(AnyValue::Int(9_000))),
            compare(attribute("few"), CompareOp::Eq, Value::Any(AnyValue::Int(0))),
            compare(attribute("path"), CompareOp::Eq, Value::string("/users/600/cart")),
            matches(attribute("path"), "/users/.*[05]0/cart", false),
            matches(attribute("odd"), ".*1q.*", true),
            Filter::Exists { field: attribute("odd"), present: false },
        ];
        let expected = |filter: &Filter| -> Vec<SpanId> {
            let spans: Vec<TraceSpan> = (1..3000).map(span).collect();
            spans_that_match(&spans, filter).into_iter().map(|span| span.span.span_id).collect()
        };
        let found = |filter: &Filter| -> Vec<SpanId> {
            let rows = matching(&group, filter, None, &QueryContext::unbounded()).unwrap();
            let mut ids: Vec<SpanId> = rows.iter().map(|row| group.span_id(row).unwrap()).collect();
            ids.sort_unstable();
            ids
        };
        for condition in conditions {
            let both = Filter::And(vec![rare.clone(), condition.clone()]);
            let but = Filter::And(vec![rare.clone(), Filter::Not(Box::new(condition.clone()))]);
            assert!(!expected(&condition).is_empty() && expected(&both).len() + expected(&but).len() == 99);
            for filter in [condition, both, but] {
                assert_eq!(found(&filter), expected(&filter), "{filter:?}");
            }
        }
    }
}
