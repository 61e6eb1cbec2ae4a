//! The paths of all units.

use std::hash::BuildHasher;

use hashbrown::{HashMap, HashTable};
use hoptrail_proto::model::SpanKind;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::fold::{Folded, Key, NONE, SPAN_BYTES, Tally, Times};
use crate::codec::len_u32;
use crate::paths::{CallPath, CallPaths, Collected, Told, arranged};
use crate::{ReadError, Reserved};

/// Service, name and kind.
pub(super) type Names = (String, String, SpanKind);

/// Memory of a step, about: with its place in the table.
const STEP_BYTES: usize = size_of::<Step>() + 2 * size_of::<u32>();
/// Memory of the times of a span that are told: start and duration.
const TOLD_BYTES: usize = 2 * size_of::<u64>();

/// A step of all traces.
struct Step {
    parent: u32,
    key: Key,
    /// How many steps are above it.
    depth: u32,
    tallies: [Tally; 2],
}

impl Step {
    /// Traces that have it, and its depth.
    fn rank(&self) -> (u64, u32) {
        (self.tallies.iter().map(|own| u64::from(own.traces)).sum(), self.depth)
    }
}

/// What one unit added.
struct Part {
    /// Of each of its steps the place among all, and how many spans of each side it has.
    steps: Vec<(u32, [u32; 2])>,
    times: Vec<Times>,
}

/// The paths of all units.
#[derive(Default)]
pub(super) struct Merged {
    steps: Vec<Step>,
    known: HashTable<u32>,
    parts: Vec<Part>,
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
    /// Adds traces; `names` says what their keys stand for. Returns the memory that this takes, about.
    pub(super) fn add(&mut self, folded: Folded, names: impl Fn(Key) -> Names) -> usize {
        let mut codes = FxHashMap::<Key, Key>::default();
        let mut bytes = folded.times.len() * SPAN_BYTES;
        let mut steps: Vec<(u32, [u32; 2])> = Vec::with_capacity(folded.nodes.len());
        let before = self.steps.len();
        for node in &folded.nodes {
            let key = *codes.entry(node.key).or_insert_with(|| {
                let (service, name, kind) = names(node.key);
                bytes += service.len() + name.len();
                (self.services.number(service), self.names.number(name), kind)
            });
            let parent = steps.get(node.parent as usize).map_or(NONE, |(place, _)| *place);
            let place = self.place(parent, key);
            steps.push((place, node.tallies.map(|own| own.spans)));
            let Some(step) = self.steps.get_mut(place as usize) else { continue };
            step.tallies.iter_mut().zip(node.tallies).for_each(|(all, own)| all.add(own));
        }
        bytes += (self.steps.len() - before) * STEP_BYTES + size_of_val(steps.as_slice());
        self.parts.push(Part { steps, times: folded.times });
        bytes
    }

    fn place(&mut self, parent: u32, key: Key) -> u32 {
        let Self { steps, known, .. } = self;
        let hash = |parent: u32, key: Key| FxBuildHasher.hash_one((parent, key));
        let own = |place: &u32| steps.get(*place as usize).map(|step| (step.parent, step.key));
        let of_place = |place: &u32| own(place).map_or(0, |(parent, key)| hash(parent, key));
        let entry = known.entry(hash(parent, key), |place| own(place) == Some((parent, key)), of_place);
        let place = *entry.or_insert_with(|| len_u32(steps.len())).get();
        if place as usize == steps.len() {
            let depth = steps.get(parent as usize).map_or(0, |above| above.depth + 1);
            steps.push(Step { parent, key, depth, tallies: Default::default() });
        }
        place
    }

    /// The paths that are told, with their numbers.
    pub(super) fn told(self, memory: &mut Reserved) -> Result<CallPaths, ReadError> {
        let Self { steps, parts, services, names, .. } = self;
        let told = Told::of(steps.iter().map(Step::rank));
        let kept: Vec<&Step> = steps.iter().filter(|step| told.has(step.rank())).collect();
        let spans: usize = kept.iter().flat_map(|step| step.tallies).map(|own| own.spans as usize).sum();
        memory.grow(spans * TOLD_BYTES + steps.len() * size_of::<u32>())?;
        let mut next = 0;
        let mut place = |step: &Step| {
            let own = if told.has(step.rank()) { next } else { NONE };
            next += u32::from(own != NONE);
            own
        };
        let places: Vec<u32> = steps.iter().map(&mut place).collect();
        let empty = |own: Tally| Collected::with_capacity(own.traces.into(), own.errors.into(), own.spans as usize);
        let mut sides: Vec<[Collected; 2]> = kept.iter().map(|step| step.tallies.map(empty)).collect();
        let mut critical = [0; 2];
        parts.into_iter().for_each(|part| part.give(&places, &mut sides, &mut critical));
        let path = |(step, sides): (&Step, [Collected; 2])| CallPath {
            parent: places.get(step.parent as usize).map(|place| *place as usize),
            service: services.text(step.key.0),
            name: names.text(step.key.1),
            kind: step.key.2,
            sides: sides.map(Collected::numbers),
        };
        let left_out = steps.len() - kept.len();
        let paths = arranged(kept.into_iter().zip(sides).map(path).collect());
        Ok(CallPaths { paths, left_out, critical, ..CallPaths::default() })
    }
}

impl Part {
    /// Gives the times to the steps at these places; all count for the critical paths.
    fn give(self, places: &[u32], sides: &mut [[Collected; 2]], critical: &mut [u64; 2]) {
        let mut rest = self.times.as_slice();
        for (step, counts) in self.steps {
            let place = places.get(step as usize).copied().unwrap_or(NONE);
            let mut collected = sides.get_mut(place as usize).map(|own| own.each_mut());
            for (side, (count, critical)) in counts.into_iter().zip(&mut *critical).enumerate() {
                let (own, after) = rest.split_at(rest.len().min(count as usize));
                rest = after;
                *critical = own.iter().fold(*critical, |sum, times| sum.saturating_add(times.critical));
                if let Some(collected) = collected.as_mut().and_then(|own| own.get_mut(side)) {
                    own.iter().for_each(|times| collected.push(times.start, times.duration, times.critical));
                }
            }
        }
    }
}
