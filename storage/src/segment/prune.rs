//! Rules out groups of a segment before they are opened.

use hoptrail_proto::model::{AnyValue, Attribute};

use super::metadata::{ColumnLocation, Metadata};
use super::tail::value_filter;
use super::{Page, PageSource};
use crate::codec::fuse;
use crate::matcher::MOST_VALUES;
use crate::rows::{ColumnKey, Owner, TableKind, ValueType};
use crate::{AttributeScope, CompareOp, Field, Filter, ReadError, Value};

/// For each group of a segment whether any of its rows may satisfy the filter. Only texts that every match must equal are looked up, in the
/// filters over values.
pub(crate) fn possible_groups(
    source: &dyn PageSource,
    segment: u64,
    meta: &Metadata,
    filter: &Filter,
) -> Result<Vec<bool>, ReadError> {
    let mut possible = vec![true; meta.groups.len()];
    let mut needed = Vec::new();
    collect(filter, &mut needed);
    let segment = Segment { source, id: segment, meta };
    for equality in needed.iter().filter(|equality| !segment.has_origin(equality)) {
        let holders = segment.holders(equality)?;
        possible.iter_mut().zip(holders).for_each(|(possible, holds)| *possible &= holds);
    }
    Ok(possible)
}

/// A text that an attribute of every match must equal.
struct Equality<'f> {
    scope: AttributeScope,
    key: &'f str,
    hash: u64,
}

/// The equalities that every match needs.
fn collect<'f>(filter: &'f Filter, needed: &mut Vec<Equality<'f>>) {
    match filter {
        Filter::And(parts) => parts.iter().for_each(|part| collect(part, needed)),
        Filter::Event(inner) | Filter::Link(inner) => collect(inner, needed),
        Filter::Compare {
            field: Field::Attribute { scope, key },
            op: CompareOp::Eq,
            value: Value::Any(AnyValue::String(text)),
        } => needed.push(Equality { scope: *scope, key, hash: fuse::hash(text.as_bytes()) }),
        _ => {}
    }
}

struct Segment<'a> {
    source: &'a dyn PageSource,
    id: u64,
    meta: &'a Metadata,
}

impl<'a> Segment<'a> {
    /// Whether a resource or scope may have the attribute. Attributes of these are not in columns.
    fn has_origin(&self, equality: &Equality<'_>) -> bool {
        match equality.scope {
            AttributeScope::Resource | AttributeScope::Instrumentation => true,
            AttributeScope::Any => {
                self.meta.resources.iter().any(|resource| has_key(&resource.attributes, equality.key))
                    || self.meta.scopes.iter().any(|scope| has_key(&scope.attributes, equality.key))
            }
            AttributeScope::Span | AttributeScope::Event | AttributeScope::Link => false,
        }
    }

    /// For each group whether a column of this key may hold the text.
    fn holders(&self, equality: &Equality<'_>) -> Result<Vec<bool>, ReadError> {
        let mut holders = vec![false; self.meta.groups.len()];
        for kind in equality.tables() {
            let named = self.meta.tables[*kind].named(Owner::Attribute, equality.key.as_bytes());
            for (column, key) in named.filter(|(_, key)| key.occurrence < MOST_VALUES) {
                let filter = self.filter(*kind, column, key)?;
                self.add_holders((*kind, column), filter.as_ref().map(|page| &***page), equality.hash, &mut holders);
            }
        }
        Ok(holders)
    }

    /// The filter over a column's texts, when any group has one.
    fn filter(&self, kind: TableKind, column: u32, key: &ColumnKey) -> Result<Option<Page<'a>>, ReadError> {
        let mut locations = self.meta.groups.iter().filter_map(|group| group.columns[kind].get(&column));
        let filtered = locations.any(|location| location.filter);

        let wanted = filtered && key.value_type == ValueType::Text;
        wanted.then(|| self.source.page(self.id, value_filter(kind, column))).transpose()
    }

    fn location(&self, group: u16, kind: TableKind, column: u32) -> Option<ColumnLocation> {
        self.meta.groups.get(usize::from(group))?.columns[kind].get(&column).copied()
    }

    fn add_holders(&self, (kind, column): (TableKind, u32), filter: Option<&[u8]>, hash: u64, holders: &mut [bool]) {
        for (group, holds) in (0u16..).zip(holders) {
            *holds |= match (self.location(group, kind, column), filter) {
                (None, _) => false,
                // A damaged filter rules nothing out.
                (Some(ColumnLocation { filter: true, .. }), Some(filter)) => {
                    fuse::may_hold(filter, fuse::hash_in(group, hash)).unwrap_or(true)
                }
                _ => true,
            };
        }
    }
}

impl Equality<'_> {
    fn tables(&self) -> &'static [TableKind] {
        match self.scope {
            AttributeScope::Span => &[TableKind::Span],
            AttributeScope::Event => &[TableKind::Event],
            AttributeScope::Link => &[TableKind::Link],
            _ => &TableKind::ALL,
        }
    }
}

fn has_key(attributes: &[Attribute], key: &str) -> bool {
    attributes.iter().any(|known| known.key == key)
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::{Span, SpanId, TraceId, TraceSpan};

    use super::super::group::tests::InMemory;
    use super::super::{encode, tail};
    use super::*;
    use crate::rows::Rows;
    use crate::test_spans::encode as request;

    /// A span with a value that no other one has.
    fn spans(count: u64) -> Vec<TraceSpan> {
        let span = |number: u64| {
            let mut trace_id = [1; 16];
            trace_id[..8].copy_from_slice(&number.to_be_bytes());
            let value = format!("{:x}", xxhash_rust::xxh3::xxh3_64(&number.to_be_bytes()));
            let (trace_id, span_id) = (TraceId(trace_id), SpanId([2; 8]));
            let attributes = vec![Attribute::new("id", value)];
            let span = Span { trace_id, span_id, start_unix_nano: number, attributes, ..Span::default() };
            TraceSpan { span, resource: Default::default(), scope: Default::default() }
        };
        (0..count).map(span).collect()
    }

    #[test]
    fn a_value_is_looked_for_in_its_group_and_in_hardly_any_other() {
        let (spans, mut rows) = (spans(40_000), Rows::default());
        rows.append_request(&request(&spans)).expect("good");
        let source = InMemory(encode(&[&rows]).expect("fits").0);
        let meta = Metadata::decode(&source.page(0, tail::METADATA).expect("there")).expect("decodes");
        let groups = meta.groups.len();
        assert!(groups > 3, "{groups}");
        let mut possible = 0;
        for number in (0..spans.len()).step_by(1_000) {
            let AnyValue::String(value) = &spans[number].span.attributes[0].value else { panic!("a text") };
            let field = Field::attribute(AttributeScope::Span, "id");
            let filter = Filter::compare(field, CompareOp::Eq, Value::string(value.as_str()));
            let holders = possible_groups(&source, 0, &meta, &filter).expect("read");
            let first = |group: usize| meta.groups[..group].iter().map(|group| group.spans as usize).sum::<usize>();
            let own = (0..groups).find(|group| number < first(group + 1)).expect("in a group");
            assert!(holders[own], "span {number} is in group {own}: {holders:?}");
            possible += holders.iter().filter(|holds| **holds).count();
        }
        assert!(possible < 40 + 5, "{possible} groups for 40 values");
    }
}
