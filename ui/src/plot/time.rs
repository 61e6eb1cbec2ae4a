//! The axis of time: a column for each interval, and round times.

use hoptrail_query::Steps;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Most ticks. Each takes up to 100 pixels.
const MOST: u64 = 8;
/// Lengths that people count in, below a second by decades and beyond a week by weeks.
const ROUND: [u64; 24] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    8 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
];

/// A round length of time that is at least `least` nanoseconds.
pub(crate) fn round_up(least: u64) -> u64 {
    let decades = (0..9).flat_map(|power| [1, 2, 5].map(|factor| factor * 10_u64.pow(power)));
    let weeks = (0..40).map(|power| (7 * DAY).saturating_mul(1 << power));
    decades.chain(ROUND).chain(weeks).find(|length| *length >= least).unwrap_or(u64::MAX)
}

/// Intervals side by side. Positions are percent from the left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns(pub(crate) Steps);

/// A round time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) label: String,
}

impl Columns {
    pub(crate) fn width(self) -> f64 {
        100.0 / self.0.count.max(1) as f64
    }

    pub(crate) fn left(self, interval: usize) -> f64 {
        interval as f64 * self.width()
    }

    pub(crate) fn middle(self, interval: usize) -> f64 {
        self.left(interval) + self.width() / 2.0
    }

    /// Where a time lies; what lies outside stands at the edge.
    pub(crate) fn at(self, time: u64) -> f64 {
        let length = (self.0.step as f64 * self.0.count as f64).max(1.0);
        (100.0 * time.saturating_sub(self.0.start) as f64 / length).clamp(0.0, 100.0)
    }

    /// From the first to the last time of an interval.
    pub(crate) fn times(self, interval: usize) -> (u64, u64) {
        let start = self.0.start.saturating_add(self.0.step.saturating_mul(interval as u64));
        (start, start.saturating_add(self.0.step))
    }

    fn end(self) -> u64 {
        self.0.start.saturating_add(self.0.step.saturating_mul(self.0.count as u64))
    }

    /// Round times in a zone. A label that comes twice where clocks go back stands once.
    pub(crate) fn ticks(self, zone: &TimeZone) -> Vec<Tick> {
        let range = self.end() - self.0.start;
        let step = round_up((range / MOST).max(1));
        // Days begin at midnight of the zone.
        let offset = |time: u64| i128::from(zone.to_offset(timestamp(time)).seconds()) * i128::from(SECOND);
        let local = i128::from(self.0.start) + offset(self.0.start);
        let first = local.div_euclid(i128::from(step)) * i128::from(step);
        let mut ticks: Vec<Tick> = Vec::new();
        for number in 0..=i128::from(MOST) + 1 {
            let wanted = first + number * i128::from(step);
            let Ok(time) = u64::try_from(wanted - offset(self.0.start)) else { continue };
            // The offset may be another one by then.
            let shift = if step >= HOUR { offset(time) - offset(self.0.start) } else { 0 };
            let Ok(time) = u64::try_from(i128::from(time) - shift) else { continue };
            let label = label(time, step, range, zone);
            let is_new = ticks.last().is_none_or(|last| last.label != label);
            if (self.0.start..=self.end()).contains(&time) && is_new {
                ticks.push(Tick { at: self.at(time), label });
            }
        }
        ticks
    }
}

/// The time of day as exactly as `step` needs; the day where it is another one.
fn label(time: u64, step: u64, range: u64, zone: &TimeZone) -> String {
    let zoned = timestamp(time).to_zoned(zone.clone());
    let is_midnight = zoned.time() == jiff::civil::Time::midnight();
    let form = match step {
        0..SECOND => "%H:%M:%S%.f",
        SECOND..MINUTE => "%H:%M:%S",
        _ if step >= 7 * DAY && range > 300 * DAY => "%-d %b %Y",
        _ if step >= DAY || is_midnight => "%-d %b",
        _ if range > DAY => "%-d %b %H:%M",
        _ => "%H:%M",
    };
    zoned.strftime(form).to_string()
}

fn timestamp(unix_nano: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(unix_nano)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-10-09T08:53:20Z.
    const NOW: u64 = 1_760_000_000 * SECOND;

    fn labels(start: u64, step: u64, count: usize, zone: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).expect("zone");
        let ticks = Columns(Steps { start, step, count }).ticks(&zone);
        assert!(ticks.iter().all(|tick| (0.0..=100.0).contains(&tick.at)), "{ticks:?}");
        assert!(ticks.windows(2).all(|pair| pair[0].at < pair[1].at && pair[0].label != pair[1].label), "{ticks:?}");
        ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_times_of_the_zone() {
        let hour = NOW - NOW % HOUR;
        assert_eq!(labels(hour, MINUTE, 60, "UTC")[..3], ["08:00", "08:10", "08:20"]);
        assert_eq!(labels(hour, MINUTE, 60, "Asia/Kathmandu")[..3], ["13:50", "14:00", "14:10"]);
        assert_eq!(labels(NOW - 2 * DAY, HOUR, 48, "Europe/Berlin")[..3], ["7 Oct 12:00", "7 Oct 18:00", "8 Oct"]);
        assert_eq!(labels(NOW - 14 * DAY, 6 * HOUR, 56, "Europe/Berlin")[1], "29 Sep");
        assert_eq!(labels(NOW, 10_000_000, 10, "UTC")[..2], ["08:53:20", "08:53:20.02"]);
        assert_eq!(labels(0, 7 * DAY, 60, "UTC").last().map(String::as_str), Some("28 Jan 1971"));
        assert_eq!(labels(NOW, 1, 1, "UTC").len(), 2);
    }

    #[test]
    fn an_hour_that_comes_twice_is_told_apart() {
        // 2026-10-25T00:00 in Berlin; clocks go back at three.
        let found = labels(1_792_879_200 * SECOND, HOUR, 8, "Europe/Berlin");
        assert_eq!(found[0], "25 Oct");
        labels(u64::MAX - 100 * DAY, DAY, 100, "UTC");
        labels(u64::MAX - 5, DAY, 100, "UTC");
    }

    #[test]
    fn lengths_are_round() {
        let cases = [(0, 1), (3, 5), (400_000_000, 500_000_000), (SECOND + 1, 2 * SECOND), (45 * MINUTE, HOUR)];
        for (least, length) in cases {
            assert_eq!(round_up(least), length);
        }
        assert!(round_up(u64::MAX) == u64::MAX && round_up(400 * DAY) == 448 * DAY);
    }
}
