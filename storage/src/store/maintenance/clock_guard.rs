//! The clock guard: after a jump the clock is not believed for a day, so that a wrong clock drops nothing.

use super::retention::HOUR;

/// How long ages are ignored after the clock has jumped. In this time somebody can correct the clock before anything is dropped.
const IGNORED_FOR: u64 = 24 * HOUR;

/// Decides whether the clock is believed. After a jump it is not, for a day:
///
/// ```text
/// spans are kept for 48 h, and the clock says  10:00  10:00:01  |  three days later, 10:00:02  ...  a day later
/// ages count                                   yes    yes       |  no                          no   yes
/// ```
#[derive(Debug, Default)]
pub(super) struct ClockGuard {
    last: Option<u64>,
    believed_from: u64,
}

impl ClockGuard {
    /// Whether ages count now. It is called about once a second. A clock that moved by more than half of `kept` since the last call may be
    /// wrong; `kept` is how long spans are kept.
    pub(super) fn is_believed(&mut self, now: u64, kept: u64) -> bool {
        if self.last.replace(now).is_some_and(|last| last.abs_diff(now) > kept / 2) {
            self.believed_from = now.saturating_add(IGNORED_FOR);
            tracing::warn!("the clock has jumped far: nothing is dropped by its age for a day");
        }
        now >= self.believed_from
    }
}
