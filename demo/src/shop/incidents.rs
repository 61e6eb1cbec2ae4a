//! What goes wrong when. Incidents last some minutes each, so that a look at an hour finds something to explain.

use super::dice::{SECOND, mix};

/// How long an incident lasts.
const LENGTH: u64 = 420 * SECOND;

/// What is wrong at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incident {
    /// Nothing beyond the usual.
    None,
    /// The card acquirer answers late or not at all.
    AcquirerDown,
    /// The catalog's database waits for locks.
    DatabaseSlow,
    /// The ERP behind the inventory times out.
    ErpDown,
    /// A bad version of pricing is being rolled out on some pods.
    BadRelease,
}

/// The incident of a moment. The same seed and moment give the same one.
pub(super) fn incident(seed: u64, unix_nano: u64) -> Incident {
    match mix(seed, unix_nano / LENGTH) % 100 {
        0..7 => Incident::AcquirerDown,
        7..15 => Incident::DatabaseSlow,
        15..22 => Incident::ErpDown,
        22..28 => Incident::BadRelease,
        _ => Incident::None,
    }
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
    fn a_day_has_every_incident_and_is_mostly_quiet() {
        let day: Vec<Incident> = (0..206).map(|number| incident(5, number * LENGTH)).collect();
        let count = |wanted| day.iter().filter(|&&incident| incident == wanted).count();
        assert!(count(Incident::None) > 120);
        for incident in [Incident::AcquirerDown, Incident::DatabaseSlow, Incident::ErpDown, Incident::BadRelease] {
            assert!(count(incident) > 2, "{incident:?}");
        }
    }
}
