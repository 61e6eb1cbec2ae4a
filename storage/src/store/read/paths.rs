//! Call paths, put together by columns: each unit folds the traces that only it has, and the others are read span by span.

use hashbrown::HashMap;
use hoptrail_proto::model::{Extent, SpanKind, StatusCode, TraceId, TraceSpan};
use rustc_hash::FxHashMap;

use super::contrast::{Marked, SidedTraces, UnitTraces};
use super::rounds::Rounds;
use super::scan_unit::ScanUnit;
use super::trace_loader::TraceLoader;
use crate::codec::bits::Bitmap;
use crate::codec::len_u32;
use crate::contrast::{Bar, ContrastRequest};
use crate::copies::Contents;
use crate::paths::{CallPath, CallPaths, Collected, PathsRequest, Step, arranged, critical, start_of, top_down};
use crate::rows::{TableKind, text};
use crate::scan::{Link, ParentRow, Projection, RowGroup, SpanIdentity, decide};
use crate::{Filter, ReadError};

/// Memory of a path beside its times, about.
const PATH_BYTES: usize = 320;
/// Memory of the times of a span.
const SPAN_BYTES: usize = 2 * size_of::<u64>();

/// Service, name and kind: as codes of a unit, or as numbers of the answer.
type Key = (u32, u32, SpanKind);

/// All traces of the question as one.
pub(super) fn call_paths(loader: &TraceLoader<'_, '_>, request: &PathsRequest) -> Result<CallPaths, ReadError> {
    let nothing = || Filter::Not(Box::new(Filter::True)).into();
    let sides = ContrastRequest {
        selected: request.selected.clone(),
        others: request.others.clone().unwrap_or_else(nothing),
        range: request.range,
        ignored: Vec::new(),
        without: Vec::new(),
        bar: Bar::default(),
    };
    let traces = SidedTraces::of(loader, &sides)?;
    let begun = crate::clock::instant();
    let (mut all, mut memory) = (Merged::default(), loader.context.reserve(0)?);
    let units: Vec<ScanUnit> = traces.units.iter().map(|(unit, _)| unit.clone()).collect();
    let rounds = Rounds::new(loader.snapshot, &units);
    let items: Vec<(usize, &(ScanUnit, UnitTraces))> = traces.units.iter().enumerate().collect();
    let work = |(index, (unit, own)): &(usize, &(ScanUnit, UnitTraces))| {
        loader.context.check()?;
        rounds.fetch(*index)?;
        loader.on(unit, |group| of_unit(group, own, loader))
    };
    let mut irregular = Vec::new();
    let take = |_: &(usize, &(ScanUnit, UnitTraces)), found: Result<Option<Unit>, ReadError>| {
        let Some(found) = found? else { return Ok(()) };
        irregular.extend(found.irregular);
        memory.grow(all.add(found.fold, |(service, name, kind)| {
            let service = found.services.get(service as usize).cloned().unwrap_or_default();
            (service, found.names.get(&name).cloned().unwrap_or_default(), kind)
        }))
    };
    loader.snapshot.workers().in_order(&items, begun, |_| true, work, take)?;
    let split = traces.split_ids.iter().copied().zip(traces.split.iter().copied());
    for (id, is_selected) in split.chain(irregular) {
        loader.context.check()?;
        let read = loader.spans(id, Projection::Whole)?;
        let (steps, keys) = steps_of_spans(read.spans)?;
        let mut fold = Fold::default();
        fold.add(&steps, is_selected);
        memory.grow(all.add(fold, |(code, ..)| keys.get(code as usize).cloned().unwrap_or_default()))?;
    }
    loader.context.ended("the paths of all traces", begun);
    memory.keep();
    Ok(CallPaths { traces: traces.all(), paths: all.paths(), inspected: traces.inspected })
}

/// What a unit knows.
struct Unit {
    fold: Fold,
    services: Vec<String>,
    names: FxHashMap<u32, String>,
    /// Traces with several spans of one key, which only their contents tell apart.
    irregular: Vec<(TraceId, bool)>,
}

/// A step in the answer of a unit, or of all.
struct Node<K> {
    parent: Option<u32>,
    key: K,
    sides: [Collected; 2],
    /// The last trace that had it.
    stamp: u32,
}

/// Traces as one, by codes.
#[derive(Default)]
struct Fold {
    nodes: Vec<Node<Key>>,
    known: FxHashMap<(Option<u32>, Key), u32>,
    traces: u32,
}

impl Fold {
    /// Adds a trace, whose steps are by start and id.
    fn add(&mut self, steps: &[Step<Key>], is_selected: bool) {
        self.traces += 1;
        let (order, children) = top_down(steps);
        let (start, on_path) = (start_of(steps), critical(steps, &order, &children));
        let mut of_steps: Vec<u32> = vec![0; steps.len()];
        for index in order {
            let Some(step) = steps.get(index) else { continue };
            let parent = step.parent.and_then(|parent| of_steps.get(parent).copied());
            let Self { nodes, known, traces } = self;
            let place = *known.entry((parent, step.key)).or_insert_with(|| {
                nodes.push(Node { parent, key: step.key, sides: Default::default(), stamp: 0 });
                len_u32(nodes.len() - 1)
            });
            if let Some(own) = of_steps.get_mut(index) {
                *own = place;
            }
            let Some(node) = nodes.get_mut(place as usize) else { continue };
            let [selected, others] = &mut node.sides;
            let own = if is_selected { selected } else { others };
            own.traces += u64::from(std::mem::replace(&mut node.stamp, *traces) != *traces);
            own.errors += u64::from(step.is_error);
            own.critical += on_path.get(index).copied().unwrap_or_default();
            own.starts.push(step.start.saturating_sub(start));
            own.durations.push(step.end.saturating_sub(step.start));
        }
    }
}

/// The traces of a unit that only it has.
fn of_unit(group: &dyn RowGroup, own: &UnitTraces, loader: &TraceLoader<'_, '_>) -> Result<Unit, ReadError> {
    let table = &*group.table(TableKind::Span);
    let (shapes, codes, starts) = (table.shapes()?, table.shape_codes()?, group.starts()?);
    let _memory = loader.context.reserve(table.len() * (size_of::<u64>() + SPAN_BYTES))?;
    let mut durations = vec![0; table.len()];
    group.each_duration(&Bitmap::all(table.len()), &mut |row, nanos| {
        durations.get_mut(row).into_iter().for_each(|own| *own = nanos);
    })?;
    let mut unit =
        Unit { fold: Fold::default(), services: Vec::new(), names: FxHashMap::default(), irregular: Vec::new() };
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
            unit.irregular.push((id, is_selected));
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
            unit.names.entry(shape.name).or_insert_with(|| text(table.name(shape.name)));
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
        unit.fold.add(&steps, is_selected);
    }
    unit.services = services.names;
    Ok(unit)
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

/// Service, name and kind.
type Names = (String, String, SpanKind);

/// The steps of a trace, and what their keys stand for: the first part of a key is its place.
fn steps_of_spans(mut spans: Vec<TraceSpan>) -> Result<(Vec<Step<Key>>, Vec<Names>), ReadError> {
    let mut contents = Contents::default();
    spans.sort_by_cached_key(|span| (span.span.start_unix_nano, span.span.span_id, contents.hash(span)));
    let link = |span: &TraceSpan| span.span.parent_span_id.map_or(Link::None, Link::Id);
    let links: Vec<_> = spans.iter().map(|span| (span.span.span_id, link(span))).collect();
    let identity = |index: usize| {
        let own = spans.get(index).map(|own| SpanIdentity {
            start: own.span.start_unix_nano,
            span_id: own.span.span_id,
            end: own.span.end_unix_nano,
            kind: own.span.kind,
            name: own.span.name.as_bytes(),
            service: own.resource.service_name(),
        });
        own.ok_or(ReadError::Cancelled)
    };
    let parents = decide(&links, &identity)?;
    let (mut known, mut keys, mut steps) = (HashMap::<Names, u32>::new(), Vec::new(), Vec::new());
    for (span, parent) in spans.iter().zip(parents) {
        let names = (span.resource.service_name().to_owned(), span.span.name.clone(), span.span.kind);
        let code = *known.entry(names).or_insert_with_key(|names| {
            keys.push(names.clone());
            len_u32(keys.len() - 1)
        });
        let (start, end) = (span.span.start_unix_nano, span.span.end_unix_nano);
        steps.push(Step {
            key: (code, 0, SpanKind::Unspecified),
            parent: match parent {
                ParentRow::Row(row) => Some(row as usize),
                ParentRow::Root | ParentRow::Outside => None,
            },
            start,
            end: end.max(start),
            is_error: span.span.status.code == StatusCode::Error,
            is_real: Extent::are_real(start, end.max(start)),
        });
    }
    Ok((steps, keys))
}

/// The paths of all units.
#[derive(Default)]
struct Merged {
    nodes: Vec<Node<Key>>,
    known: HashMap<(Option<u32>, Key), u32>,
    services: Numbered,
    names: Numbered,
}

/// Texts by number.
#[derive(Default)]
struct Numbered {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Numbered {
    fn number(&mut self, text: String) -> u32 {
        let Self { numbers, texts } = self;
        *numbers.entry(text).or_insert_with_key(|text| {
            texts.push(text.clone());
            len_u32(texts.len() - 1)
        })
    }

    fn text(&self, number: u32) -> String {
        self.texts.get(number as usize).cloned().unwrap_or_default()
    }
}

impl Merged {
    /// Adds what a fold has; `names` says what its keys stand for. Returns the memory that this takes, about.
    fn add(&mut self, fold: Fold, names: impl Fn(Key) -> Names) -> usize {
        let mut places: Vec<u32> = Vec::with_capacity(fold.nodes.len());
        let (mut codes, mut bytes) = (FxHashMap::<Key, Key>::default(), 0);
        for Node { parent, key, sides, .. } in fold.nodes {
            let Self { nodes, known, services, names: all_names } = self;
            let own = *codes.entry(key).or_insert_with(|| {
                let (service, name, kind) = names(key);
                bytes += service.len() + name.len();
                (services.number(service), all_names.number(name), kind)
            });
            let parent = parent.and_then(|parent| places.get(parent as usize).copied());
            let place = *known.entry((parent, own)).or_insert_with(|| {
                bytes += PATH_BYTES;
                nodes.push(Node { parent, key: own, sides: Default::default(), stamp: 0 });
                len_u32(nodes.len() - 1)
            });
            places.push(place);
            let Some(node) = nodes.get_mut(place as usize) else { continue };
            for (own, more) in node.sides.iter_mut().zip(sides) {
                bytes += more.durations.len() * SPAN_BYTES;
                own.add(more);
            }
        }
        bytes
    }

    fn paths(self) -> Vec<CallPath> {
        let Self { nodes, services, names, .. } = self;
        let path = |node: Node<Key>| CallPath {
            parent: node.parent.map(|parent| parent as usize),
            service: services.text(node.key.0),
            name: names.text(node.key.1),
            kind: node.key.2,
            sides: node.sides.map(Collected::numbers),
        };
        arranged(nodes.into_iter().map(path).collect())
    }
}
