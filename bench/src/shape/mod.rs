//! The data: a shop of 12 services, made from a seed. Pure: the same seed and number give the same trace at any time.

mod encode;
mod words;

pub(crate) use encode::{Batch, Batches};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Services.
pub(crate) const SERVICES: usize = 12;
/// Pods of each service; each is a resource of its own.
pub(crate) const PODS: usize = 3;
/// Routes of each service.
pub(crate) const ROUTES: usize = 8;
/// Methods of a request.
pub(crate) const METHODS: usize = words::METHODS.len();
/// Numbers that stand in paths.
pub(crate) const NUMBERS: u32 = 20_000;

/// Spans in a trace, on average.
const AVERAGE: f64 = 19.5;
/// Nanoseconds over which traces begin.
const SPREAD: u64 = 30 * 60 * 1_000_000_000;
/// Longest root span, nanoseconds.
const LONGEST: u64 = 2_000_000_000;

/// Which data to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Where chance begins.
    pub(crate) seed: u64,
    /// Spans wanted; whole traces are made until there are that many.
    pub(crate) spans: u64,
    /// Nanoseconds since 1970 at which the last traces begin.
    pub(crate) end_unix_nano: u64,
}

/// A trace before it is spread over requests.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// Its id.
    pub(crate) id: u128,
    /// Its spans, each after its parent.
    pub(crate) spans: Vec<Span>,
}

/// What differs between spans.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// Its id.
    pub(crate) id: u64,
    /// Its parent's id; 0 for the root.
    pub(crate) parent: u64,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    /// Nanoseconds.
    pub(crate) duration: u64,
    /// Index of its service.
    pub(crate) service: usize,
    /// Index of its pod.
    pub(crate) pod: usize,
    /// Index of the method.
    pub(crate) method: usize,
    /// Index of the route inside its service.
    pub(crate) route: usize,
    /// The number in its path.
    pub(crate) number: u32,
    /// `user.id`.
    pub(crate) user: u32,
    /// The message of its exception, when it failed.
    pub(crate) error: Option<u32>,
    code: usize,
    server: usize,
    agent: usize,
    thread: u32,
    thread_name: u32,
    client: u32,
    size: u32,
    database: Option<usize>,
}

impl Span {
    /// One number for method and route of its service, below [`names`].
    #[must_use]
    pub(crate) fn name_index(&self) -> usize {
        (self.service * ROUTES + self.route) * METHODS + self.method
    }
}

/// How many span names there are.
#[must_use]
pub(crate) fn names() -> usize {
    SERVICES * ROUTES * METHODS
}

/// The span name with this index.
#[must_use]
pub(crate) fn name(index: usize) -> String {
    let (route, method) = (index / METHODS, index % METHODS);
    format!("{} {}", words::METHODS[method], words::route(route / ROUTES, route % ROUTES))
}

/// `service.name` with this index.
#[must_use]
pub(crate) fn service(index: usize) -> &'static str {
    words::SERVICES[index]
}

/// `user.id` with this index.
#[must_use]
pub(crate) fn user(index: u32) -> String {
    format!("user-{index:06}")
}

impl Shape {
    /// The trace with this number.
    #[must_use]
    pub(crate) fn trace(&self, number: u64) -> Trace {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let expected = (self.spans as f64 / AVERAGE).max(1.0);
        let into = (number as f64 / expected).min(1.0) * SPREAD as f64;
        let start = self.end_unix_nano - SPREAD + into as u64 + dice.random_range(0..1_000_000);
        let id = dice.random::<u128>() | 1;
        let count = dice.random_range(5..=34);
        let mut spans: Vec<Span> = Vec::with_capacity(count);
        for at in 0..count {
            let parent = (at > 0).then(|| &spans[dice.random_range(0..at)]);
            let (parent, start, most) = match parent {
                None => (0, start, LONGEST),
                Some(parent) => {
                    let later = dice.random_range(0..=parent.duration / 2);
                    (parent.id, parent.start + later, parent.duration - later)
                }
            };
            let duration = dice.random_range(1..=most.max(1));
            spans.push(Span { parent, start, duration, ..Span::random(&mut dice) });
        }
        Trace { id, spans }
    }

    /// All traces, oldest first.
    pub(crate) fn traces(self) -> impl Iterator<Item = Trace> {
        let mut made = 0;
        (0..).map_while(move |number| {
            let trace = (made < self.spans).then(|| self.trace(number))?;
            made += trace.spans.len() as u64;
            Some(trace)
        })
    }
}

impl Span {
    fn random(dice: &mut Xoshiro256PlusPlus) -> Self {
        Self {
            id: dice.random::<u64>() | 1,
            parent: 0,
            start: 0,
            duration: 0,
            service: dice.random_range(0..SERVICES),
            pod: dice.random_range(0..PODS),
            method: dice.random_range(0..METHODS),
            route: dice.random_range(0..ROUTES),
            number: dice.random_range(0..NUMBERS),
            user: dice.random_range(0..500_000),
            error: dice.random_bool(0.02).then(|| dice.random_range(0..10_000)),
            code: dice.random_range(0..words::CODES.len()),
            server: dice.random_range(0..SERVICES),
            agent: dice.random_range(0..words::AGENTS.len()),
            thread: dice.random_range(0..64),
            thread_name: dice.random_range(0..64),
            client: dice.random_range(0..1 << 18),
            size: dice.random_range(0..20_000),
            database: dice.random_bool(0.25).then(|| dice.random_range(0..words::QUERIES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { seed: 7, spans: 20_000, end_unix_nano: 1_800_000_000_000_000_000 };

    #[test]
    fn the_same_seed_makes_the_same_traces() {
        let (first, again) = (SHAPE.trace(12), SHAPE.trace(12));
        let ids = |trace: &Trace| trace.spans.iter().map(|span| (span.id, span.user)).collect::<Vec<_>>();
        assert_eq!((first.id, ids(&first)), (again.id, ids(&again)));
        assert_ne!(first.id, SHAPE.trace(13).id);
        assert_ne!(first.id, Shape { seed: 8, ..SHAPE }.trace(12).id);
    }

    #[test]
    fn traces_have_the_promised_sizes_and_times() {
        let traces: Vec<Trace> = SHAPE.traces().collect();
        let spans: Vec<&Span> = traces.iter().flat_map(|trace| &trace.spans).collect();
        assert!((20_000..20_034).contains(&spans.len()));
        assert!(traces.iter().all(|trace| (5..=34).contains(&trace.spans.len())));
        let average = spans.len() as f64 / traces.len() as f64;
        assert!((18.5..20.5).contains(&average), "{average} spans in a trace");
        let errors = spans.iter().filter(|span| span.error.is_some()).count();
        assert!((300..500).contains(&errors), "{errors} errors");
        let first = traces[0].spans[0].start;
        let last = traces[traces.len() - 1].spans[0].start;
        assert!(last - first > SPREAD / 10 * 9, "{} s between the first and the last", (last - first) / 1_000_000_000);
    }

    #[test]
    fn a_span_begins_in_the_first_half_of_its_parent() {
        for trace in SHAPE.traces().take(100) {
            for span in &trace.spans[1..] {
                let parent = trace.spans.iter().find(|parent| parent.id == span.parent).expect("the parent is there");
                assert!((parent.start..=parent.start + parent.duration / 2).contains(&span.start));
                assert!(span.duration > 0);
            }
        }
    }
}
