//! What a unit has of call paths.

use hashbrown::HashMap;
use hoptrail_proto::model::{Extent, SpanKind, StatusCode, TraceId};
use rustc_hash::FxHashMap;

use super::fold::{Fold, Folded, SPAN_BYTES};
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::paths::Step;
use crate::rows::{TableKind, text};
use crate::scan::{ParentRow, RowGroup};
use crate::store::read::contrast::{Marked, UnitTraces};
use crate::store::read::trace_loader::TraceLoader;

/// What a unit knows.
pub(super) struct Unit {
    pub(super) folded: Folded,
    pub(super) services: Vec<String>,
    pub(super) names: FxHashMap<u32, String>,
    /// Traces with several spans of one key, which only their contents tell apart.
    pub(super) irregular: Vec<(TraceId, bool)>,
}

/// The traces of a unit that only it has.
pub(super) fn of_unit(group: &dyn RowGroup, own: &UnitTraces, loader: &TraceLoader<'_, '_>) -> Result<Unit, ReadError> {
    let table = &*group.table(TableKind::Span);
    let (shapes, codes, starts) = (table.shapes()?, table.shape_codes()?, group.starts()?);
    let _memory = loader.context.reserve(table.len() * (size_of::<u64>() + SPAN_BYTES))?;
    let mut durations = vec![0; table.len()];
    group.each_duration(&Bitmap::all(table.len()), &mut |row, nanos| {
        durations.get_mut(row).into_iter().for_each(|own| *own = nanos);
    })?;
    let (mut fold, mut names, mut irregular) = (Fold::default(), FxHashMap::default(), Vec::new());
    let mut services = Services::of(group);
    for (row, is_selected) in local_traces(own) {
        let id = group.trace_id(row)?;
        let (rows, parents) = (group.rows_of(id)?, group.parents_of(id)?);
        let mut keyed: Vec<_> = Vec::with_capacity(rows.len());
        for (row, parent) in rows.iter().zip(parents).filter(|(row, _)| (**row as usize) < own.of_rows.len()) {
            let start = starts.get(*row as usize).copied().unwrap_or_default();
            keyed.push(((start, group.span_id(*row as usize)?), *row, parent));
        }
        keyed.sort_unstable_by_key(|(key, row, _)| (*key, *row));
        if keyed.windows(2).any(|pair| matches!(pair, [one, other] if one.0 == other.0)) {
            irregular.push((id, is_selected));
            continue;
        }
        let mut places: Vec<(u32, usize)> =
            keyed.iter().enumerate().map(|(place, (_, row, _))| (*row, place)).collect();
        places.sort_unstable();
        let place = |row: u32| {
            let found = places.binary_search_by_key(&row, |(row, _)| *row).ok();
            found.and_then(|found| places.get(found)).map(|(_, place)| *place)
        };
        let mut steps = Vec::with_capacity(keyed.len());
        for ((start, _), row, parent) in &keyed {
            let Some(shape) = codes.get(*row as usize).and_then(|code| shapes.get(*code)) else { continue };
            names.entry(shape.name).or_insert_with(|| text(table.name(shape.name)));
            let nanos = durations.get(*row as usize).copied().unwrap_or_default();
            steps.push(Step {
                key: (services.code(shape.resource), shape.name, SpanKind::from_otlp(i32::from(shape.kind))),
                parent: match parent {
                    ParentRow::Row(row) => place(*row),
                    ParentRow::Root | ParentRow::Outside => None,
                },
                start: *start,
                end: start.saturating_add(nanos),
                is_error: StatusCode::from_otlp(i32::from(shape.status)) == StatusCode::Error,
                is_real: Extent::are_real(*start, start.saturating_add(nanos)),
            });
        }
        fold.add(&steps, is_selected);
    }
    Ok(Unit { folded: fold.finish(), services: services.names, names, irregular })
}

/// A row of each trace that is in one unit, and whether it is selected.
fn local_traces(own: &UnitTraces) -> Vec<(usize, bool)> {
    let mut traces = Vec::new();
    let mut last = None;
    own.each_row(|row, trace, mark| {
        let is_selected = match mark.get() {
            Marked::Selected => true,
            Marked::Others => false,
            Marked::Split(_) => return,
        };
        if last.replace(trace) != Some(trace) {
            traces.push((row, is_selected));
        }
    });
    traces
}

/// Codes of services. Many resources are of one service.
struct Services<'g> {
    group: &'g dyn RowGroup,
    of_resources: FxHashMap<u32, u32>,
    known: HashMap<String, u32>,
    names: Vec<String>,
}

impl<'g> Services<'g> {
    fn of(group: &'g dyn RowGroup) -> Self {
        Self { group, of_resources: FxHashMap::default(), known: HashMap::new(), names: Vec::new() }
    }

    fn code(&mut self, resource: u32) -> u32 {
        let Self { group, of_resources, known, names } = self;
        *of_resources.entry(resource).or_insert_with(|| {
            let service = group.resources().get(resource as usize).map_or("", |own| own.service_name());
            *known.entry_ref(service).or_insert_with(|| {
                names.push(service.to_owned());
                len_u32(names.len() - 1)
            })
        })
    }
}
