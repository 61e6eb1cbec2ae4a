//! `hoptrail demo --incidents`: what goes wrong in the shop, and when.

use std::ops::Range;
use std::time::Duration;

use hoptrail_demo::{Incident, incidents};
use hoptrail_storage::{Clock as _, SystemClock};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::output::print_line;

const HOUR: u64 = 3_600_000_000_000;

/// Prints those since that long ago, at least three hours, and those of the next hour.
pub(super) fn print(since: Duration) -> anyhow::Result<()> {
    let now = SystemClock.now_unix_nano();
    let since = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).max(3 * HOUR);
    let range = now.saturating_sub(since)..now.saturating_add(HOUR);
    for (times, incident) in incidents(range) {
        lines(&times, incident, now, &TimeZone::system()).iter().try_for_each(|line| print_line(line))?;
    }
    Ok(())
}

/// What is wrong, and a search that finds it.
fn lines(times: &Range<u64>, incident: Incident, now: u64, zone: &TimeZone) -> [String; 2] {
    let time = |nanos: u64, form: &str| {
        let moment = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX);
        moment.to_zoned(zone.clone()).strftime(form).to_string()
    };
    let mark = if times.contains(&now) { " (now)" } else { "" };
    let when = format!("{} to {}", time(times.start, "%Y-%m-%d %H:%M"), time(times.end, "%H:%M %Z"));
    [format!("{when}{mark}  {}", incident.about()), format!("    {}", incident.query())]
}

#[cfg(test)]
mod tests {
    use hoptrail_query::traceql::compile;

    use super::*;

    #[test]
    fn an_incident_says_when_and_how_to_find_it() {
        let start = 1_790_000_000_000_000_000;
        let found = lines(&(start..start + 420_000_000_000), Incident::NPlusOne, start, &TimeZone::UTC);
        assert_eq!(
            found[0],
            "2026-09-21 14:13 to 14:20 UTC (now)  The catalog reads attributes product by product: N+1."
        );
        for incident in Incident::ALL {
            assert!(compile(incident.query()).is_ok(), "{}", incident.query());
        }
    }
}
