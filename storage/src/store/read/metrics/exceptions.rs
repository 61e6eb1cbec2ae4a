//! Exceptions in groups, counted by columns: events with the name `exception`, and what their spans share.

use std::collections::BTreeMap;

use hoptrail_proto::otlp::view::ValueView;
use rustc_hash::FxHashMap;

use super::Metrics;
use super::selected::Selected;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::exceptions::{
    EVENT, ExceptionExample, ExceptionGroup, Exceptions, KIND, MESSAGE, VERSION, message_template, shown,
};
use crate::rows::{Owner, TableKind};
use crate::scan::TableView;

/// Memory of a group beside its texts and counts, about.
const GROUP_BYTES: usize = 512;

/// Service, type and template.
type Key = (String, String, String);
type Groups = BTreeMap<Key, ExceptionGroup>;

impl Metrics<'_, '_> {
    /// The exceptions of all spans that count; so many examples of each group.
    pub(in crate::store::read) fn exceptions(&self, examples: usize) -> Result<Exceptions, ReadError> {
        let (mut answer, mut groups) = (Exceptions::default(), Groups::new());
        let mut memory = self.loader.context.reserve(0)?;
        let of_unit = |selected: &Selected<'_>| self.exceptions_of(selected, examples);
        self.each_unit(
            |_, _, make| make(),
            of_unit,
            |spans, found| {
                answer.inspected.segments += 1;
                answer.inspected.spans += spans as u64;
                for (key, more) in found {
                    let known = groups.len();
                    let bytes = GROUP_BYTES + size_of_val(more.counts.as_slice()) + 4 * (key.1.len() + key.2.len());
                    groups.entry(key).or_default().add(more, examples);
                    memory.grow(bytes * (groups.len() - known))?;
                }
                Ok(())
            },
        )?;
        let named = |((service, kind, template), group)| ExceptionGroup { service, kind, template, ..group };
        answer.groups = groups.into_iter().map(named).collect();
        memory.keep();
        Ok(answer)
    }

    fn exceptions_of(&self, selected: &Selected<'_>, examples: usize) -> Result<Groups, ReadError> {
        let group = selected.group;
        let (events, owners) = (&*group.table(TableKind::Event), group.owners(TableKind::Event)?);
        let rows = exceptions_among(events, owners, &selected.rows)?;
        let mut groups = Groups::new();
        if rows.is_empty() {
            return Ok(groups);
        }
        let (kinds, messages) = (first_texts(events, KIND, &rows)?, first_texts(events, MESSAGE, &rows)?);
        let spans = &*group.table(TableKind::Span);
        let (shapes, codes, starts) = (spans.shapes()?, spans.shape_codes()?, group.starts()?);
        for event in rows.iter() {
            let Some(span) = owners.get(event).map(|owner| *owner as usize) else { continue };
            let start = starts.get(span).copied().unwrap_or_default();
            let Some(interval) = self.request.steps.interval(start) else { continue };
            let shape = codes.get(span).and_then(|code| shapes.get(*code));
            let resource = shape.and_then(|shape| group.resources().get(shape.resource as usize));
            let version = resource.map(|resource| {
                let versions = resource.attributes.iter().filter(|own| own.key == VERSION);
                versions.filter_map(|own| own.value.as_str()).next().unwrap_or_default().to_owned()
            });
            let text = |texts: &FxHashMap<usize, String>| texts.get(&event).cloned().unwrap_or_default();
            let (kind, message) = (text(&kinds), text(&messages));
            let service = resource.map_or("", |resource| resource.service_name()).to_owned();
            let mut counts = vec![0; self.request.steps.count];
            counts.get_mut(interval).into_iter().for_each(|count| *count = 1);
            let example = ExceptionExample {
                start_unix_nano: start,
                trace_id: group.trace_id(span)?,
                span_id: group.span_id(span)?,
                message: shown(&message),
            };
            let one = ExceptionGroup {
                counts,
                seen: (start, start),
                versions: vec![(version.unwrap_or_default(), 1)],
                examples: vec![example],
                ..ExceptionGroup::default()
            };
            groups.entry((service, kind, message_template(&message))).or_default().add(one, examples);
        }
        Ok(groups)
    }
}

/// The events with the name of exceptions, of these spans.
fn exceptions_among(events: &dyn TableView, owners: &[u32], spans: &Bitmap) -> Result<Bitmap, ReadError> {
    let (shapes, codes) = (events.shapes()?, events.shape_codes()?);
    let is_exception = |code: u32| shapes.get(code).is_some_and(|shape| events.name(shape.name) == EVENT.as_bytes());
    let of_shapes: Vec<bool> = (0..crate::codec::len_u32(shapes.shapes.len())).map(is_exception).collect();
    let mut rows = Bitmap::none(events.len());
    for (row, (code, owner)) in codes.iter().zip(owners).enumerate() {
        let is_one = of_shapes.get(*code as usize).copied().unwrap_or_default();
        rows.insert_if(row, is_one && spans.contains(*owner as usize));
    }
    Ok(rows)
}

/// The first text that each of the events has under a key. Later columns of a key hold what an event repeats.
fn first_texts(events: &dyn TableView, key: &str, rows: &Bitmap) -> Result<FxHashMap<usize, String>, ReadError> {
    let mut texts: FxHashMap<usize, String> = FxHashMap::default();
    for column in events.columns(Owner::Attribute, key.as_bytes()) {
        events.values(column, rows, &mut |row, value| {
            if let ValueView::Text(text) = value {
                texts.entry(row).or_insert_with(|| String::from_utf8_lossy(text).into_owned());
            }
        })?;
    }
    Ok(texts)
}
