//! Traces with fewer rows than an answer needs. They are told without being judged: else `count() > 3` would judge every trace.

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use hoptrail_proto::model::TraceId;

use super::judge::Judge;
use super::scan_unit::ScanUnit;
use crate::ReadError;
use crate::codec::bits::Bitmap;
use crate::codec::fuse;
use crate::rows::TableKind;
use crate::scan::TraceStart;

/// Bits for each trace of the head, so that hardly two share one.
const BITS: usize = 16;

/// Tells traces with too few rows from others.
pub(super) struct TooFew<'j, 's, 'a> {
    judge: &'j Judge<'s, 'a>,
    /// Fewest rows of a trace in an answer.
    least: usize,
    /// The filter over trace ids of each segment; `None` where it cannot be read.
    segments: Vec<(u64, Option<Arc<[u8]>>)>,
    head: OnceLock<Result<Head, ReadError>>,
}

/// The traces of the head.
struct Head {
    /// Bits of the hashes of their ids.
    known: Bitmap,
    /// How many rows of a trace may be in an answer.
    rows: HashMap<TraceId, usize>,
}

impl<'j, 's, 'a> TooFew<'j, 's, 'a> {
    pub(super) fn new(judge: &'j Judge<'s, 'a>) -> Self {
        let least = judge.program.least_rows();
        let segments = if least > 1 { judge.loader.snapshot.trace_filters() } else { Vec::new() };
        Self { judge, least, segments, head: OnceLock::new() }
    }

    /// The traces that were found in this unit without those that certainly have too few rows. It reads other units, so no unit may be held
    /// meanwhile.
    pub(super) fn others(&self, unit: &ScanUnit, traces: Vec<TraceStart>) -> Result<Vec<TraceStart>, ReadError> {
        let mut left = Vec::with_capacity(traces.len());
        for trace in traces {
            if trace.rows >= self.least || !self.has(unit, &trace)? {
                left.push(trace);
            }
        }
        Ok(left)
    }

    fn has(&self, unit: &ScanUnit, trace: &TraceStart) -> Result<bool, ReadError> {
        let head = self.head.get_or_init(|| self.head()).as_ref().map_err(Clone::clone)?;
        let hash = fuse::hash(&trace.id.0);
        let may_be_in = |segment: &(u64, Option<Arc<[u8]>>)| {
            Some(segment.0) != unit.segment()
                && segment.1.as_ref().is_none_or(|filter| fuse::may_hold(filter, hash).unwrap_or(true))
        };
        let is_enough = match unit {
            ScanUnit::Chunk(..) => head.rows.get(&trace.id).is_none_or(|rows| *rows >= self.least),
            ScanUnit::Group(..) => head.known.contains(place(hash, head.known.len())),
        };
        Ok(!is_enough && !self.segments.iter().any(may_be_in))
    }

    fn head(&self) -> Result<Head, ReadError> {
        let loader = self.judge.loader;
        let chunks: Vec<ScanUnit> =
            loader.snapshot.view.units().into_iter().filter(|unit| unit.segment().is_none()).collect();
        let (mut rows, mut memory) = (HashMap::new(), loader.context.reserve(0)?);
        let mut traces = Vec::new();
        for unit in &chunks {
            loader.context.check()?;
            let found = loader.on(unit, |group| {
                let all = Bitmap::all(group.table(TableKind::Span).len());
                group.traces_of(&self.judge.answers(unit, group, &all)?)
            })?;
            if let ScanUnit::Chunk(_, chunk) = unit {
                traces.extend(chunk.read().traces().map(|(id, _)| fuse::hash(&id.0)));
            }
            let found = found.unwrap_or_default();
            memory.grow(found.len() * size_of::<(TraceId, usize)>() * 2)?;
            found.into_iter().for_each(|trace| *rows.entry(trace.id).or_default() += trace.rows);
        }
        let mut known = Bitmap::none((traces.len() * BITS).next_power_of_two());
        let places = known.len();
        traces.into_iter().for_each(|hash| known.insert(place(hash, places)));
        Ok(Head { known, rows })
    }
}

fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash).unwrap_or_default() & (places - 1)
}
