//! Which of some values stand together: on one span, or in one trace. Each span has a mask with a bit for each value.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::fields::{Part, TABLES, column_fields, values_of_part};
use super::marks::{Mark, Marked};
use super::traces::UnitTraces;
use crate::codec::bits::Bitmap;
use crate::contrast::{PairCounts, Sides};
use crate::rows::TableKind;
use crate::scan::{Hashes, RowGroup, TableView, ValueHasher, hash_of};
use crate::{Field, Intrinsic, QueryContext, ReadError, Value};

/// Bits of a mask.
const BITS: usize = 64;

/// A value that a span has is a bit of its mask.
type Mask = u64;

/// The values that are looked for.
pub(super) struct Pool {
    by_field: BTreeMap<Field, FxHashMap<u64, Mask>>,
    /// Those that tell alone.
    pub(super) telling: Mask,
    /// What the roots of traces say that may be in several units.
    pub(super) of_split_roots: Vec<Mask>,
}

impl Pool {
    pub(super) fn of<'f>(
        values: impl Iterator<Item = (&'f Field, u64)>,
        tell: impl Iterator<Item = bool>,
        split_roots: &[Option<(String, String)>],
    ) -> Self {
        let mut pool = Self { by_field: BTreeMap::new(), telling: 0, of_split_roots: Vec::new() };
        for (bit, ((field, hash), tells)) in values.zip(tell).enumerate().take(BITS) {
            pool.by_field.entry(field.clone()).or_default().insert(hash, 1 << bit);
            pool.telling |= Mask::from(tells) << bit;
        }
        let of_root = |(service, name): &(String, String)| {
            let mask = |intrinsic, text: &str| pool.mask(&Field::Intrinsic(intrinsic), hash_of(&Value::string(text)));
            mask(Intrinsic::RootService, service) | mask(Intrinsic::RootName, name)
        };
        pool.of_split_roots = split_roots.iter().map(|root| root.as_ref().map_or(0, of_root)).collect();
        pool
    }

    fn mask(&self, field: &Field, hash: u64) -> Mask {
        self.by_field.get(field).and_then(|hashes| hashes.get(&hash)).copied().unwrap_or_default()
    }
}

/// How many traces have each two values.
pub(super) struct Pairs {
    of_one_span: Vec<Sides>,
    of_trace: Vec<Sides>,
    same_spans: Same,
    same_traces: Same,
}

/// For each value those that are wherever it is, and nowhere else.
struct Same {
    of_bits: Vec<Mask>,
    /// Masks that were seen. There are few.
    seen: FxHashSet<Mask>,
}

impl Same {
    fn new() -> Self {
        Self { of_bits: vec![Mask::MAX; BITS], seen: FxHashSet::default() }
    }

    /// Takes note of what has a bit of the mask, and not all.
    #[inline]
    fn add(&mut self, mask: Mask) {
        if self.seen.insert(mask) {
            for (bit, same) in self.of_bits.iter_mut().enumerate() {
                *same &= if mask >> bit & 1 == 1 { mask } else { !mask };
            }
        }
    }

    fn are(&self, one: usize, other: usize) -> bool {
        self.of_bits.get(one).is_some_and(|same| same >> other & 1 == 1)
    }
}

impl Pairs {
    pub(super) fn new() -> Self {
        Self {
            of_one_span: vec![Sides::default(); BITS * BITS],
            of_trace: vec![Sides::default(); BITS * BITS],
            same_spans: Same::new(),
            same_traces: Same::new(),
        }
    }

    /// Adds a trace whose spans have these masks.
    pub(super) fn add(&mut self, masks: &mut Vec<Mask>, is_selected: bool, telling: Mask) {
        masks.sort_unstable();
        masks.dedup();
        let one = Sides { selected: u64::from(is_selected), others: u64::from(!is_selected) };
        let whole = masks.iter().fold(0, |whole, mask| whole | mask);
        masks.iter().for_each(|mask| self.same_spans.add(*mask));
        self.same_traces.add(whole);
        each_pair(whole, telling, |pair| add(&mut self.of_trace, pair, one));
        let mut seen = [0; BITS];
        for mask in masks {
            each_bit(*mask, |first| {
                let Some(known) = seen.get_mut(first) else { return };
                let after = *mask & (Mask::MAX << first << 1) & !*known;
                *known |= after;
                let is_wanted = if telling >> first & 1 == 1 { after } else { after & telling };
                each_bit(is_wanted, |second| add(&mut self.of_one_span, (first, second), one));
            });
        }
    }

    /// Adds what was counted elsewhere.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (own, more) in [(&mut self.of_one_span, &other.of_one_span), (&mut self.of_trace, &other.of_trace)] {
            own.iter_mut().zip(more).for_each(|(own, more)| own.add(*more));
        }
        for (own, more) in [(&mut self.same_spans, &other.same_spans), (&mut self.same_traces, &other.same_traces)] {
            own.of_bits.iter_mut().zip(&more.of_bits).for_each(|(own, more)| *own &= more);
        }
    }
}

impl PairCounts for Pairs {
    fn of_one_span(&self, one: usize, other: usize) -> Sides {
        self.of_one_span.get(one * BITS + other).copied().unwrap_or_default()
    }

    fn of_trace(&self, one: usize, other: usize) -> Sides {
        self.of_trace.get(one * BITS + other).copied().unwrap_or_default()
    }

    fn are_on_same_spans(&self, one: usize, other: usize) -> bool {
        self.same_spans.are(one, other)
    }

    fn are_in_same_traces(&self, one: usize, other: usize) -> bool {
        self.same_traces.are(one, other)
    }
}

fn each_bit(mut mask: Mask, mut visit: impl FnMut(usize)) {
    while mask != 0 {
        visit(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

/// Each two bits of which one tells.
fn each_pair(mask: Mask, telling: Mask, mut visit: impl FnMut((usize, usize))) {
    each_bit(mask, |first| {
        let after = mask & (Mask::MAX << first << 1);
        let wanted = if telling >> first & 1 == 1 { after } else { after & telling };
        each_bit(wanted, |second| visit((first, second)));
    });
}

fn add(counts: &mut [Sides], (first, second): (usize, usize), one: Sides) {
    counts.get_mut(first * BITS + second).into_iter().for_each(|own| own.add(one));
}

/// What stands together in the traces of a unit, and the masks of those that may be in several units.
pub(super) fn of_unit(
    group: &dyn RowGroup,
    traces: &UnitTraces,
    pool: &Pool,
    context: &QueryContext,
) -> Result<(Pairs, Vec<(u32, Mask)>), ReadError> {
    let masks = of_rows(group, pool, context)?;
    let roots = Roots::of(group, pool, traces);
    let (mut pairs, mut split) = (Pairs::new(), Vec::new());
    let (mut own, mut last): (Vec<Mask>, Option<(u32, Mark)>) = (Vec::new(), None);
    let mut end = |own: &mut Vec<Mask>, last: Option<(u32, Mark)>| {
        let Some((trace, mark)) = last else { return };
        match mark.get() {
            Marked::Split(number) => {
                own.sort_unstable();
                own.dedup();
                split.extend(own.iter().map(|mask| (number, *mask)));
            }
            marked => {
                let root = roots.mask(trace);
                own.iter_mut().for_each(|mask| *mask |= root);
                pairs.add(own, marked == Marked::Selected, pool.telling);
            }
        }
        own.clear();
    };
    traces.each_row(|row, trace, mark| {
        if last.is_some_and(|(known, _)| known != trace) {
            end(&mut own, last);
        }
        last = Some((trace, mark));
        own.push(masks.get(row).copied().unwrap_or_default());
    });
    end(&mut own, last);
    Ok((pairs, split))
}

/// The masks of roots of local traces.
struct Roots<'r> {
    traces: &'r UnitTraces,
    services: FxHashMap<u32, Mask>,
    names: FxHashMap<u32, Mask>,
}

impl<'r> Roots<'r> {
    fn of(group: &dyn RowGroup, pool: &Pool, traces: &'r UnitTraces) -> Self {
        let table = &*group.table(TableKind::Span);
        let mut roots = Self { traces, services: FxHashMap::default(), names: FxHashMap::default() };
        let roots_are_wanted = [Intrinsic::RootService, Intrinsic::RootName]
            .into_iter()
            .any(|intrinsic| pool.by_field.contains_key(&Field::Intrinsic(intrinsic)));
        if roots_are_wanted {
            for trace in 0..crate::codec::len_u32(traces.marks.len()) {
                let Some((resource, name)) = traces.roots.get(trace) else { continue };
                let mask = |part| of_part(group, table, pool, part);
                roots.services.entry(resource).or_insert_with(|| mask(Part::RootService(resource)));
                roots.names.entry(name).or_insert_with(|| mask(Part::RootName(name)));
            }
        }
        roots
    }

    fn mask(&self, trace: u32) -> Mask {
        let Some((resource, name)) = self.traces.roots.get(trace) else { return 0 };
        self.services.get(&resource).copied().unwrap_or_default() | self.names.get(&name).copied().unwrap_or_default()
    }
}

fn of_part(group: &dyn RowGroup, table: &dyn TableView, pool: &Pool, part: Part) -> Mask {
    let values = values_of_part(group, table, part);
    values.iter().fold(0, |mask, (field, value)| mask | pool.mask(field, hash_of(value)))
}

/// The mask of each span.
fn of_rows(group: &dyn RowGroup, pool: &Pool, context: &QueryContext) -> Result<Vec<Mask>, ReadError> {
    let table = &*group.table(TableKind::Span);
    let mut masks = of_shapes(group, table, pool)?;
    for (kind, scope) in TABLES {
        let table = &*group.table(kind);
        let owners = group.owners(kind)?;
        for (field, owner, name) in column_fields(table, kind, scope) {
            let Some(hashes) = pool.by_field.get(&field) else { continue };
            context.check()?;
            for column in table.columns(owner, &name) {
                let found = of_column(table, column, hashes)?;
                for (row, mask) in found {
                    let span = if kind == TableKind::Span { Some(&row) } else { owners.get(row as usize) };
                    let own = span.and_then(|span| masks.get_mut(*span as usize));
                    own.into_iter().for_each(|own| *own |= mask);
                }
            }
        }
    }
    Ok(masks)
}

/// What shapes say of each span.
fn of_shapes(group: &dyn RowGroup, table: &dyn TableView, pool: &Pool) -> Result<Vec<Mask>, ReadError> {
    let (shapes, codes) = (table.shapes()?, table.shape_codes()?);
    let mut of_parts: FxHashMap<Part, Mask> = FxHashMap::default();
    let mut of_shapes: Vec<Option<Mask>> = vec![None; shapes.shapes.len()];
    let mut of_shape = |code: u32| {
        let Some(shape) = shapes.get(code) else { return 0 };
        let parts = [
            Part::Resource(shape.resource),
            Part::Scope(shape.scope),
            Part::Name(shape.name),
            Part::Kind(shape.kind),
            Part::Status(shape.status),
        ];
        parts
            .into_iter()
            .fold(0, |mask, part| mask | *of_parts.entry(part).or_insert_with(|| of_part(group, table, pool, part)))
    };
    let mask = |code: &u32| match of_shapes.get_mut(*code as usize) {
        Some(known) => *known.get_or_insert_with(|| of_shape(*code)),
        None => 0,
    };
    Ok(codes.iter().map(mask).collect())
}

/// The rows of a column that have any of the values.
fn of_column(table: &dyn TableView, column: u32, hashes: &FxHashMap<u64, Mask>) -> Result<Vec<(u32, Mask)>, ReadError> {
    let all = Bitmap::all(table.len());
    let mask = |hash: u64| hashes.get(&hash).copied().unwrap_or_default();
    if let Some(codes) = table.codes(column, &all)? {
        let (mut of_codes, mut hasher) = (Vec::new(), ValueHasher::default());
        table.dictionary(column, &mut |_, value| of_codes.push(mask(hasher.hash(value))))?;
        let of_code = |code: &u32| of_codes.get(*code as usize).copied().unwrap_or_default();
        return Ok((0u32..).zip(codes.iter().map(of_code)).filter(|(_, mask)| *mask != 0).collect());
    }
    let Hashes { rows, hashes: found } = table.hashes(column, &all)?;
    Ok(rows.into_iter().zip(found.into_iter().map(mask)).filter(|(_, mask)| *mask != 0).collect())
}
