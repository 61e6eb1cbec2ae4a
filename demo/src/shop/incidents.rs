//! What goes wrong when. Incidents last some minutes each and come in turn, at the same times in every shop, so that whoever looks for one
//! knows where it is.

use std::ops::Range;

use super::dice::SECOND;

/// How long an incident lasts.
const LENGTH: u64 = 420 * SECOND;
/// One of so many such times has an incident.
const EVERY: u64 = 3;

/// What is wrong at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// The machine `worker-03` is slow: so is everything that runs on it.
    SlowNode,
    /// A bad version of pricing is being rolled out: the pods that have it fail.
    BadRelease,
    /// The card acquirer answers late or not at all.
    AcquirerDown,
    /// The inventory refuses requests, and its callers try again and again.
    RetryStorm,
    /// The catalog's database waits for locks.
    DatabaseSlow,
    /// The catalog reads attributes product by product.
    NPlusOne,
    /// The ERP behind the inventory times out.
    ErpDown,
    /// The order worker falls behind: orders wait longer and longer in their queue.
    LeakingQueue,
}

impl Incident {
    /// All, in their turn.
    pub const ALL: [Self; 8] = [
        Self::SlowNode,
        Self::BadRelease,
        Self::AcquirerDown,
        Self::RetryStorm,
        Self::DatabaseSlow,
        Self::NPlusOne,
        Self::ErpDown,
        Self::LeakingQueue,
    ];

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::SlowNode => "The machine worker-03 is slow, and so is everything on it.",
            Self::BadRelease => "Version 2.15.0 of pricing, on one of its pods, fails.",
            Self::AcquirerDown => "The card acquirer answers late or not at all.",
            Self::RetryStorm => "The inventory refuses requests, and callers try again and again.",
            Self::DatabaseSlow => "The database of the catalog waits for locks.",
            Self::NPlusOne => "The catalog reads attributes product by product: N+1.",
            Self::ErpDown => "The ERP behind the inventory times out.",
            Self::LeakingQueue => "The order worker falls behind: orders wait longer and longer.",
        }
    }

    /// A search in TraceQL whose traces have it.
    #[must_use]
    pub fn query(self) -> &'static str {
        match self {
            Self::SlowNode => "{ parent = nil && duration > 500ms }",
            Self::BadRelease => "{ resource.service.name = \"pricing\" && status = error }",
            Self::AcquirerDown => "{ resource.service.name = \"payment\" && status = error }",
            Self::RetryStorm => "{ resource.service.name = \"inventory\" && status = error }",
            Self::DatabaseSlow => "{ span.db.namespace = \"catalog\" && duration > 30ms }",
            Self::NPlusOne => "{ name = \"SELECT catalog.attributes\" } | count() > 5",
            Self::ErpDown => "{ name =~ \".*GetAvailability\" && duration > 1s }",
            Self::LeakingQueue => "{ name = \"process order.placed\" }",
        }
    }
}

/// The incident of a moment; mostly none.
pub(super) fn incident(unix_nano: u64) -> Option<Incident> {
    let turn = unix_nano / LENGTH;
    let number = usize::try_from(turn / EVERY).unwrap_or_default();
    (turn % EVERY == 1).then(|| Incident::ALL[number % Incident::ALL.len()])
}

/// How long it has been so.
pub(super) fn lasted(unix_nano: u64) -> u64 {
    unix_nano % LENGTH
}

/// The incidents that begin or go on in a range of time, each with its times, in nanoseconds since 1970.
///
/// ```
/// let day = 86_400 * 1_000_000_000;
/// let all = hoptrail_demo::incidents(20_000 * day..20_001 * day);
/// assert!(all.len() > 60, "one begins every 21 minutes");
/// ```
#[must_use]
pub fn incidents(range: Range<u64>) -> Vec<(Range<u64>, Incident)> {
    let turns = range.start / LENGTH..range.end.div_ceil(LENGTH);
    turns.filter_map(|turn| Some((turn * LENGTH..(turn + 1) * LENGTH, incident(turn * LENGTH)?))).collect()
}

/// How busy the shop is at a moment, around 1: waves of 20 minutes on waves of a day.
pub(super) fn traffic(unix_nano: u64) -> f64 {
    let seconds = (unix_nano / SECOND) as f64;
    1.0 + 0.12 * wave(seconds, 86_400.0) + 0.13 * wave(seconds, 1_200.0)
}

fn wave(seconds: f64, period: f64) -> f64 {
    (std::f64::consts::TAU * seconds / period).sin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_hours_have_every_incident_and_are_mostly_quiet() {
        let start = 1_790_000_000 * SECOND;
        let all = incidents(start..start + 10_800 * SECOND);
        assert!(Incident::ALL.iter().all(|wanted| all.iter().any(|(_, own)| own == wanted)), "{all:?}");
        let quiet = (0..10_800).filter(|second| incident(start + second * SECOND).is_none()).count();
        assert!(quiet > 7_000, "{quiet}");
        for (times, own) in all {
            assert_eq!(incident(times.start), Some(own));
            assert_eq!(incident(times.end), None);
        }
    }
}
