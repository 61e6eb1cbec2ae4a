//! Retention: drops whole segments that are too old or too many.

use hoptrail_proto::units::{Size, Time};

use super::{Environment, Maintenance, MaintenanceError};
use crate::store::lock;
use crate::store::rollups::MINUTES_KEPT;
use crate::{Done, Task};

pub(super) const HOUR: u64 = 3_600_000_000_000;

impl Maintenance {
    /// Drops segments that are too old or too many.
    pub(super) fn drop_old(&self) -> Result<(), MaintenanceError> {
        let Environment { metrics, .. } = &self.environment;
        let old = self.too_old_or_too_much();
        if !old.is_empty() {
            self.environment.reached(Task::Drop, Done::Begun);
            self.swap(Task::Drop, None, &old)?;
            metrics.dropped_segments.inc_by(old.len() as u64);
        }
        Ok(())
    }

    /// Says what retention drops as soon as the store is open: a bound may have been lowered since the last start.
    pub(in crate::store) fn dropped_at_once(&self) -> Option<String> {
        let old = self.too_old_or_too_much();
        let state = self.readers.read_state();
        let segments: Vec<_> = old.iter().filter_map(|id| state.segments.get(id)).collect();
        let first = segments.iter().map(|segment| segment.received.0).min()?;
        let hours = self.environment.clock.now_unix_nano().saturating_sub(first) / HOUR;
        let spans: u64 = segments.iter().map(|segment| segment.spans()).sum();
        let all: u64 = state.segments.values().map(|segment| segment.spans()).sum();
        let keep_time = Time(self.config.retention);
        let keep_size = Size(self.config.retention_bytes.unwrap_or(0));
        Some(format!(
            "{spans} of {all} sealed spans are dropped now, the oldest from {hours} hours ago: storage.retention is {keep_time} and \
             storage.retention_size is {keep_size}"
        ))
    }

    fn too_old_or_too_much(&self) -> Vec<u64> {
        let now = self.environment.clock.now_unix_nano();
        let (oldest, most) = (self.oldest_kept(now), self.config.retention_bytes.unwrap_or(u64::MAX));
        let state = self.readers.read_state();
        let mut bytes: u64 = state.segments.values().map(|segment| segment.bytes).sum();
        let mut by_arrival: Vec<_> = state.segments.values().collect();
        // An arrival in the future was noted before the clock was set back, so it was earlier than all arrivals since.
        by_arrival.sort_by_key(|segment| (segment.received.1 <= now, segment.received.1, segment.id));
        let (mut old, last) = (Vec::new(), by_arrival.len().saturating_sub(1));
        for (index, segment) in by_arrival.into_iter().enumerate() {
            // The newest segment always stays, even if it is larger than the bound: a store that keeps nothing is useless.
            let is_too_much = bytes > most && index < last;
            if segment.received.1 < oldest || is_too_much {
                bytes -= segment.bytes;
                old.push(segment.id);
            }
        }
        old
    }

    /// Whether ages count for rollups.
    pub(super) fn is_believed(&self, now: u64) -> bool {
        lock(&self.rollup_clock).is_believed(now, MINUTES_KEPT)
    }

    /// Segments that arrived before this time are too old; 0 when none is.
    fn oldest_kept(&self, now: u64) -> u64 {
        let kept = u64::try_from(self.config.retention.as_nanos()).unwrap_or(u64::MAX);
        if kept > 0 && lock(&self.clock_guard).is_believed(now, kept) { now.saturating_sub(kept) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use prometheus_client::registry::Registry;
    use tempfile::TempDir;

    use crate::conformance::write;
    use crate::store::Setup;
    use crate::store::tests::{NOW, noise, small, span, spans_of, tenant};
    use crate::traits::TraceReader;
    use crate::{Config, FakeClock, QueryContext, SearchRequest, Store};

    use super::HOUR;

    const DAY: Duration = Duration::from_secs(86_400);
    const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

    fn open(folder: &std::path::Path, config: &Config, clock: &Arc<FakeClock>) -> Arc<Store> {
        Store::open(folder, config, clock.clone(), &mut Registry::default()).expect("opens")
    }

    fn for_two_days() -> Config {
        Config { retention: Duration::from_secs(48 * 3600), ..small() }
    }

    /// A store with a span of before and a clock that is then set forward.
    fn years_later() -> (TempDir, Arc<FakeClock>, Arc<Store>) {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), Arc::new(FakeClock::at(NOW)));
        let store = open(folder.path(), &for_two_days(), &clock);
        write(&*store, &tenant(), &[span(1, 1, "before")]);
        store.settle().expect("settled");
        clock.advance(YEARS);
        (folder, clock, store)
    }

    #[test]
    fn a_clock_that_jumps_forward_and_back_drops_nothing() {
        let (_folder, clock, store) = years_later();
        write(&*store, &tenant(), &[span(2, 1, "in ten years")]);
        store.settle().expect("settled");
        clock.set(NOW);
        write(&*store, &tenant(), &[span(3, 1, "after")]);
        store.settle().expect("settled");
        assert_eq!([1, 2, 3].map(|trace| spans_of(&store, trace)), [1, 1, 1]);
        // Its age counts again once the clock has gone right for a day.
        for (hours, left) in [(20, 1), (40, 1), (50, 0)] {
            clock.set(NOW + hours * HOUR);
            store.settle().expect("settled");
            assert_eq!([1, 3].map(|trace| spans_of(&store, trace)), [left, left], "after {hours} hours");
        }
        assert_eq!(spans_of(&store, 2), 1, "kept until its time comes");
    }

    #[test]
    fn a_clock_that_is_set_forward_for_good_is_believed_after_a_day() {
        let (_folder, clock, store) = years_later();
        for left in [1, 1, 0] {
            store.settle().expect("settled");
            assert_eq!(spans_of(&store, 1), left);
            clock.advance(DAY / 2);
        }
    }

    #[test]
    fn what_is_too_old_at_the_start_goes_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let store = open(folder.path(), &for_two_days(), &clock);
        write(&*store, &tenant(), &[span(1, 1, "before")]);
        store.settle().expect("settled");
        drop(store);
        clock.advance(DAY * 30);
        let store = open(folder.path(), &for_two_days(), &clock);
        store.settle().expect("settled");
        assert_eq!(spans_of(&store, 1), 0);
    }

    #[test]
    fn a_trace_whose_begin_is_gone_is_found_by_what_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let store = open(folder.path(), &for_two_days(), &clock);
        for number in [1, 30] {
            write(&*store, &tenant(), &[span(1, number, "a")]);
            for _ in 0..3 {
                store.settle().expect("settled");
                clock.advance(DAY / 2);
            }
        }
        store.settle().expect("settled");
        let newest = |limit| {
            let request = SearchRequest { limit, spans_per_set: 9, ..SearchRequest::default() };
            let hits = store.search(&tenant(), &request, &QueryContext::unbounded()).expect("searched").hits;
            hits.iter().map(|hit| (hit.trace_id.0[0], hit.matched(), hit.start_unix_nano)).collect::<Vec<_>>()
        };
        assert_eq!(newest(1), [(1, 1, NOW + 30)]);
        // The trace is ordered by the spans that are left. Their segment still has the hint that it began earlier.
        write(&*store, &tenant(), &[span(2, 15, "a")]);
        store.settle().expect("settled");
        assert_eq!(newest(1), [(1, 1, NOW + 30)]);
        assert_eq!(newest(2), [(1, 1, NOW + 30), (2, 1, NOW + 15)]);
    }

    #[test]
    fn a_start_that_only_some_segments_know_and_none_has_costs_no_span() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let store = open(folder.path(), &Config { merge_spans: 1, ..for_two_days() }, &clock);
        let seal = |trace, number| {
            write(&*store, &tenant(), &[span(trace, number, "a")]);
            store.settle().expect("settled");
        };
        let wait = || {
            clock.advance(DAY / 2);
            store.settle().expect("settled");
        };
        seal(1, 1);
        wait();
        // This segment knows the first span of the trace. The last one comes too late to find either.
        seal(1, 200);
        (2..80).for_each(|trace| seal(trace, 50 + trace));
        seal(1, 150);
        (0..4).for_each(|_| wait());
        let spans = spans_of(&store, 1);
        assert_eq!((spans, spans_of(&store, 2)), (2, 1), "only the first segment is gone");
        for limit in [1, 10, 50, 100] {
            let request = SearchRequest { limit, spans_per_set: 9, ..SearchRequest::default() };
            let hits = store.search(&tenant(), &request, &QueryContext::unbounded()).expect("searched").hits;
            assert_eq!(hits.len(), limit.min(79));
            let hit = hits.iter().find(|hit| hit.trace_id == span(1, 1, "a").span.trace_id).expect("the trace");
            assert_eq!((hit.matched(), hit.spans().count(), hit.start_unix_nano), (2, 2, NOW + 150));
        }
    }

    #[test]
    fn a_bound_that_was_lowered_says_what_it_drops_at_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let store = open(folder.path(), &for_two_days(), &clock);
        for trace in 1..=3 {
            write(&*store, &tenant(), &[span(trace, 1, &noise(500_000, u64::from(trace)))]);
            store.settle().expect("settled");
            clock.advance(DAY / 3);
        }
        drop(store);
        let bounds = |hours: u64, mb: u64| Config {
            retention: Duration::from_secs(hours * 3600),
            retention_size: mb << 20,
            ..small()
        };
        let cases = [
            (bounds(48, 0), None),
            (
                bounds(10, 0),
                Some("2 of 3 sealed spans are dropped now, the oldest from 24 hours ago: storage.retention is 10h"),
            ),
            (bounds(0, 1), Some("1 of 3 sealed spans")),
        ];
        for (config, told) in cases {
            let copy = crate::store::tests::crashed(folder.path());
            // A store that is asked before its threads have dropped anything.
            let backend = crate::backend::open(copy.path(), 0).expect("opens");
            let setup = Setup::new(&config, clock.clone());
            let store = Store::prepare(backend, &setup, &mut Registry::default()).expect("recovered");
            let found = store.maintenance.dropped_at_once();
            match told {
                None => assert_eq!(found, None),
                Some(told) => assert!(found.as_ref().is_some_and(|found| found.starts_with(told)), "{found:?}"),
            }
        }
    }

    #[test]
    fn the_oldest_go_first_also_after_the_clock_was_set_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let store = open(folder.path(), &Config { retention_size: 1 << 20, ..small() }, &clock);
        let set_back = NOW - YEARS.as_nanos() as u64;
        for (trace, time) in [(1, NOW), (2, set_back), (3, set_back + 1)] {
            clock.set(time);
            write(&*store, &tenant(), &[span(trace, 1, &noise(500_000, u64::from(trace)))]);
            store.settle().expect("settled");
        }
        assert_eq!([1, 2, 3].map(|trace| spans_of(&store, trace)), [0, 1, 1]);
    }

    /// Writes spans of about `kilobytes` and seals them, one trace after the other; the traces that are left.
    fn left_of(traces: u8, kilobytes: usize, config: &Config) -> (Vec<u8>, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let store = open(folder.path(), config, &clock);
        for trace in 1..=traces {
            clock.advance(Duration::from_secs(1));
            write(&*store, &tenant(), &[span(trace, 1, &noise(kilobytes * 1000, u64::from(trace)))]);
            store.settle().expect("settled");
        }
        let left = (1..=traces).filter(|trace| spans_of(&store, *trace) == 1).collect();
        (left, store.sizes().segment_bytes)
    }

    #[test]
    fn a_bound_keeps_most_of_its_bytes_whatever_was_merged() {
        for (traces, kilobytes) in [(200, 100), (60, 250), (24, 600), (250, 60)] {
            let config = Config { retention_size: 4 << 20, ..small() };
            let (left, bytes) = left_of(traces, kilobytes, &config);
            let allowed = (4 << 20) * 4 / 5..=4 << 20;
            assert!(allowed.contains(&bytes), "{bytes} bytes are kept of {kilobytes} kB each");
            assert!(left.len() < usize::from(traces), "some had to go");
            assert_eq!(left.last(), Some(&traces));
            assert!(left.windows(2).all(|pair| pair[0] + 1 == pair[1]), "the oldest go first: {left:?}");
        }
    }

    #[test]
    fn a_bound_below_one_segment_keeps_the_newest() {
        for traces in [1, 2, 9] {
            let (left, _) = left_of(traces, 3000, &Config { retention_size: 1 << 20, ..small() });
            assert_eq!(left, [traces]);
        }
    }

    #[test]
    fn a_head_from_the_future_is_sealed() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::at(NOW));
        let store = open(folder.path(), &small(), &clock);
        write(&*store, &tenant(), &[span(1, 1, "a")]);
        clock.set(NOW - YEARS.as_nanos() as u64);
        store.maintenance.run_round().expect("kept");
        assert_eq!((store.sizes().segments, store.sizes().head_spans), (1, 0));
    }
}
