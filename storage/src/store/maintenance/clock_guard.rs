//! The clock guard: a clock that jumps is not believed for a day, so that a wrong one drops nothing.

use super::retention::HOUR;

/// How long ages are not believed after the clock has jumped: time to set it right before it costs anything.
const IGNORED_FOR: u64 = 24 * HOUR;

/// Whether the clock can be believed. It cannot at first after a jump:
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
    /// Takes the time about once a second; answers whether ages count. A clock that moves by more than half the time that spans are
    /// `kept` may be wrong.
    pub(super) fn is_believed(&mut self, now: u64, kept: u64) -> bool {
        if self.last.replace(now).is_some_and(|last| last.abs_diff(now) > kept / 2) {
            self.believed_from = now.saturating_add(IGNORED_FOR);
            tracing::warn!(
                "the clock has jumped by more than half of storage.retention: nothing is dropped by its age for a day"
            );
        }
        now >= self.believed_from
    }
}
