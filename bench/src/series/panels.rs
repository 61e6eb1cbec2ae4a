//! A dashboard: twelve different questions about numbers.

use std::collections::BTreeMap;

use super::{Expected, MOST_DURATIONS, Numbered, Numbers, Per, SECOND, SERVICE};
use crate::shape::Shape;

/// Names that a panel shows.
const TOP: usize = 5;
const BY_SERVICE: &str = "by (resource.service.name)";

/// A function, and what it tells of a service's ascending durations.
type OfDurations = (&'static str, fn(&[u64]) -> f64);

impl Numbers {
    /// The panels of a dashboard; none when there are too many durations to know all.
    pub(crate) fn panels(&self, shape: Shape) -> Option<Vec<Numbered>> {
        if self.kept > MOST_DURATIONS {
            return None;
        }
        let services = self.services(shape);
        let spans = services.values().map(|(spans, _)| spans).sum::<u64>();
        let failed = services.values().map(|(_, failed)| failed).sum::<u64>();
        let failed_of_each: BTreeMap<String, u64> =
            services.into_iter().map(|(service, (_, failed))| (service, failed)).filter(|(_, n)| *n > 0).collect();
        let whole = |count| Expected::Spans("", BTreeMap::from([(String::new(), count)]), Per::Interval);
        let of_names: BTreeMap<String, u64> = self.names.iter().map(|(name, count)| (name.clone(), *count)).collect();
        let top = Expected::Top("name", of_names.clone(), TOP);
        let mut panels = vec![
            self.rates(shape)?,
            self.heatmap()?,
            self.asked(
                &format!("{{ status = error }} | rate() {BY_SERVICE}"),
                true,
                Expected::Spans(SERVICE, failed_of_each, Per::Second),
            )?,
            self.asked("{ } | rate() by (name)", true, Expected::Spans("name", of_names, Per::Second))?,
            self.asked("{ } | count_over_time()", true, whole(spans))?,
            self.asked("{ status = error } | count_over_time()", true, whole(failed))?,
            self.asked(&format!("{{ }} | count_over_time() by (name) | topk({TOP})"), false, top)?,
        ];
        let durations = self.sorted_durations(shape);
        let of_durations: [OfDurations; 5] = [
            ("quantile_over_time(duration, .99)", |own| seconds(quantile(own, 0.99))),
            ("quantile_over_time(duration, .5)", |own| seconds(quantile(own, 0.5))),
            ("max_over_time(duration)", |own| seconds(own.last().copied().unwrap_or_default())),
            ("min_over_time(duration)", |own| seconds(own.first().copied().unwrap_or_default())),
            ("avg_over_time(duration)", |own| seconds(own.iter().sum()) / own.len() as f64),
        ];
        for (function, of) in of_durations {
            let expected = durations.iter().map(|(service, own)| (service.clone(), of(own))).collect();
            panels.push(self.asked(&format!("{{ }} | {function} {BY_SERVICE}"), false, Expected::Seconds(expected))?);
        }
        Some(panels)
    }

    /// The durations of each service, ascending.
    fn sorted_durations(&self, shape: Shape) -> BTreeMap<String, Vec<u64>> {
        let mut by_service: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (resource, own) in &self.durations {
            by_service.entry(shape.service(*resource)).or_default().extend(own);
        }
        by_service.values_mut().for_each(|own| own.sort_unstable());
        by_service
    }
}

/// A quantile of ascending numbers.
fn quantile(ascending: &[u64], quantile: f64) -> u64 {
    let rank = (quantile * ascending.len() as f64).ceil() as usize;
    ascending.get(rank.max(1) - 1).copied().unwrap_or_default()
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / SECOND as f64
}

/// Whether these are the `top` greatest counts, and each is right.
pub(super) fn are_top(counts: &BTreeMap<String, u64>, top: usize, found: &BTreeMap<String, u64>) -> bool {
    let mut greatest: Vec<u64> = counts.values().copied().collect();
    greatest.sort_unstable_by(|one, other| other.cmp(one));
    greatest.truncate(top);
    let mut shown: Vec<u64> = found.values().copied().collect();
    shown.sort_unstable_by(|one, other| other.cmp(one));
    shown == greatest && found.iter().all(|(name, count)| counts.get(name) == Some(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Kind;

    #[test]
    fn a_dashboard_has_twelve_different_panels() {
        let shape = Shape { kind: Kind::Shop, seed: 3, spans: 5_000, end_unix_nano: 1_800_000_000_000_000_000 };
        let mut numbers = Numbers::default();
        shape.traces_from(0).take(500).for_each(|trace| trace.spans.iter().for_each(|span| numbers.add(span)));
        let panels = numbers.panels(shape).expect("few durations");
        let paths: std::collections::BTreeSet<String> = panels.iter().map(Numbered::path).collect();
        assert_eq!(paths.len(), 12);
    }

    #[test]
    fn the_greatest_counts_may_come_in_any_order_of_equal_ones() {
        let counts = |list: &[(&str, u64)]| list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let all = counts(&[("a", 3), ("b", 2), ("c", 2), ("d", 1)]);
        assert!(are_top(&all, 2, &counts(&[("a", 3), ("c", 2)])));
        assert!(!are_top(&all, 2, &counts(&[("a", 3), ("d", 1)])));
        assert!(!are_top(&all, 2, &counts(&[("a", 3), ("d", 2)])));
    }
}
