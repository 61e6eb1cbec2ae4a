//! What retention has dropped, for who looks for a trace that is not there.

use hoptrail_proto::units::Size;

use crate::context::Visit;
use crate::format;

/// Says from when on spans are kept: `; spans from before 22 Nov 2026 14:00:00 UTC have been dropped (…)`. Empty when all are.
pub(super) fn dropped(visit: &Visit) -> String {
    let Some(stored) = (visit.app.system)().stored else { return String::new() };
    let kept = u64::try_from(stored.retention.as_nanos()).unwrap_or(u64::MAX);
    let by_age = (kept > 0).then(|| {
        let moment = format::Moment::new(visit.now.saturating_sub(kept), &visit.zone);
        let time = moment.text.trim_end_matches(".000");
        let time = time.split_once('.').map_or(time, |(whole, _)| whole);
        let kept = format::duration(kept);
        format!("; traces from before {time} {} have been dropped (storage.retention is {kept})", moment.zone)
    });
    let by_size = (stored.retention_bytes > 0).then(|| {
        let size = Size(stored.retention_bytes);
        format!("; the oldest segments have been dropped wherever there were more than {size} (storage.retention_size)")
    });
    by_age.into_iter().chain(by_size).collect()
}
