//! What goes wrong when: trouble comes in spells of some minutes, so that a look at an hour finds something to explain.

use super::dice::{SECOND, mix};

/// Length of a spell.
const SPELL: u64 = 420 * SECOND;

/// The trouble of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing beyond the usual.
    Fair,
    /// The card acquirer answers late or not at all.
    AcquirerDown,
    /// The catalog's database waits for locks.
    DatabaseSlow,
    /// The ERP behind the inventory times out.
    ErpDown,
    /// A bad version of pricing is being rolled out on some pods.
    BadRelease,
}

/// The weather at a moment; the same question has the same answer.
pub(super) fn weather(seed: u64, unix_nano: u64) -> Weather {
    match mix(seed, unix_nano / SPELL) % 100 {
        0..7 => Weather::AcquirerDown,
        7..15 => Weather::DatabaseSlow,
        15..22 => Weather::ErpDown,
        22..28 => Weather::BadRelease,
        _ => Weather::Fair,
    }
}

/// How busy the shop is at a moment, around 1: waves of 20 minutes on waves of a day.
pub(super) fn traffic(unix_nano: u64) -> f64 {
    let seconds = (unix_nano / SECOND) as f64;
    let wave = |period: f64| (std::f64::consts::TAU * seconds / period).sin();
    1.0 + 0.12 * wave(86_400.0) + 0.13 * wave(1_200.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_sees_every_weather_and_is_mostly_fair() {
        let spells: Vec<Weather> = (0..206).map(|spell| weather(5, spell * SPELL)).collect();
        let count = |wanted| spells.iter().filter(|&&weather| weather == wanted).count();
        assert!(count(Weather::Fair) > 120);
        for weather in [Weather::AcquirerDown, Weather::DatabaseSlow, Weather::ErpDown, Weather::BadRelease] {
            assert!(count(weather) > 2, "{weather:?}");
        }
    }
}
