//! Where the duration of a span lies among spans of its service, name and kind: from rollups, so no span is read for it.

use std::collections::HashMap;
use std::sync::Arc;

use hoptrail_proto::model::{SpanKind, Trace, TraceSpan};
use hoptrail_query::TimeRange;
use hoptrail_query::rollups::{Bucket, DAY, Durations, RollupKey, RollupRequest, RollupSteps, RollupTable};

use crate::context::Visit;
use crate::format;
use crate::kept::About;
use crate::pages::red::ask;

/// Most services that are asked for.
const MOST_SERVICES: usize = 40;
/// Fewer spans than this say nothing about another.
const FEWEST: i64 = 20;
/// From this part of shorter ones on a span is unusual, when so many are known.
const UNUSUAL: f64 = 0.99;
const UNUSUAL_OF: i64 = 200;

/// Durations of a service's spans, by name and kind.
type OfService = HashMap<String, HashMap<SpanKind, Durations>>;

/// How long spans of a service, name and kind took in a day.
#[derive(Debug, Default)]
pub(super) struct Typical(HashMap<String, Arc<OfService>>);

/// A duration among others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rank {
    /// The part of the others that is shorter for certain.
    pub(super) shorter: f64,
    /// How many there are.
    pub(super) of: i64,
    /// Nanoseconds that half of them take at most.
    pub(super) median: f64,
}

impl Rank {
    /// `p97`: at least 97 % are shorter.
    pub(super) fn text(&self) -> String {
        if self.shorter >= 0.999 { "p99.9".to_owned() } else { format!("p{:.0}", (self.shorter * 100.0).floor()) }
    }

    /// The same in words.
    pub(super) fn sentence(&self) -> String {
        let percent = (self.shorter * 1_000.0).floor() / 10.0;
        let of = format::count(self.of.unsigned_abs());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration in nanoseconds")]
        let median = format::duration(self.median as u64);
        format!("longer than {percent} % of {of} spans of its name in a day; half of them take at most {median}")
    }

    pub(super) fn is_unusual(&self) -> bool {
        self.shorter >= UNUSUAL && self.of >= UNUSUAL_OF
    }
}

/// What of a trace is looked up.
pub(super) struct Kinds {
    /// Sorted.
    services: Vec<String>,
    end: u64,
}

impl Kinds {
    pub(super) fn of(trace: &Trace) -> Self {
        // Spans share their resources.
        let resources: HashMap<_, _> =
            trace.spans.iter().map(|span| (Arc::as_ptr(&span.resource), &span.resource)).collect();
        let mut services: Vec<String> = resources.values().map(|resource| resource.service_name().to_owned()).collect();
        services.sort_unstable();
        services.dedup();
        services.truncate(MOST_SERVICES);
        Self { services, end: trace.spans.iter().map(|span| span.span.end_unix_nano).max().unwrap_or_default() }
    }
}

impl Typical {
    /// What the last day says, or for an older trace the day before its end; to the minute. Nothing when the store does not say: the
    /// trace is shown without it.
    pub(super) async fn ask(visit: &Visit, Kinds { services, end }: Kinds) -> Self {
        let end = if end.saturating_add(DAY) < visit.now { end.saturating_add(1) } else { visit.now };
        let about = |service: &str| About::new(&visit.tenant, service, end.saturating_sub(DAY), end);
        let kept = &visit.app.durations;
        let mut typical = Self::default();
        let mut unknown = Vec::new();
        for service in services {
            match kept.get(&about(&service)) {
                Some(known) => _ = typical.0.insert(service, known),
                None => unknown.push(service),
            }
        }
        let About { start, end, .. } = about("");
        let steps = RollupSteps::whole(TimeRange { start, end });
        let request = |name: &String| RollupRequest { table: RollupTable::Spans, steps, service: Some(name.clone()) };
        if unknown.is_empty() {
            return typical;
        }
        let Ok(asked) = ask(visit, unknown.iter().map(request).collect()).await else { return typical };
        let mut found: HashMap<String, OfService> =
            unknown.into_iter().map(|service| (service, OfService::new())).collect();
        for series in asked.answers.into_iter().flat_map(|(_, rollups)| rollups.series) {
            let total = series.total();
            let RollupKey::Span { service, name, kind, .. } = series.key else { continue };
            let of_service = found.entry(service).or_default();
            of_service.entry(name).or_default().entry(kind).or_default().add(&total.durations);
        }
        for (service, durations) in found {
            let durations = Arc::new(durations);
            kept.keep(about(&service), &durations, buckets(&durations));
            typical.0.insert(service, durations);
        }
        typical
    }

    pub(super) fn rank(&self, span: &TraceSpan) -> Option<Rank> {
        let model = &span.span;
        let durations = self.0.get(span.resource.service_name())?.get(&model.name)?.get(&model.kind)?;
        rank(durations, model.duration_nanos())
    }
}

fn buckets(durations: &OfService) -> usize {
    let kinds = durations.values().flat_map(HashMap::values);
    durations.len() + kinds.map(|own| own.buckets.len() + 1).sum::<usize>()
}

fn rank(durations: &Durations, nanos: u64) -> Option<Rank> {
    let of = durations.count_all();
    if of < FEWEST {
        return None;
    }
    let own = Bucket::of(nanos);
    let shorter: i64 = durations.buckets.iter().take_while(|(bucket, _)| *bucket < own).map(|(_, times)| times).sum();
    Some(Rank { shorter: shorter as f64 / of as f64, of, median: durations.quantile(0.5)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durations(nanos: &[(u64, i64)]) -> Durations {
        let mut buckets: Vec<(Bucket, i64)> = nanos.iter().map(|(nanos, times)| (Bucket::of(*nanos), *times)).collect();
        buckets.sort_unstable();
        Durations { sum_nanos: 0, bounds: Some((1, u64::MAX)), buckets }
    }

    #[test]
    fn a_rank_counts_what_is_shorter_for_certain() {
        let known = durations(&[(1_000, 990), (1_000_000, 10)]);
        let rank = |nanos| rank(&known, nanos).expect("a rank");
        assert_eq!((rank(1_000).text().as_str(), rank(500_000).text().as_str()), ("p0", "p99"));
        assert!(rank(2_000_000).is_unusual() && !rank(1_000).is_unusual());
        assert_eq!(rank(2_000_000).shorter, 1.0);
    }

    #[test]
    fn few_spans_say_nothing() {
        assert_eq!(rank(&durations(&[(1_000, 19)]), 5), None);
        assert!(!rank(&durations(&[(1_000, 20)]), 5_000).expect("a rank").is_unusual(), "too few for that");
    }
}
