//! All reading of clocks: the time of day, which tests can set, and the moments between which something is measured. Nothing else in
//! hoptrail asks for the time.

#![allow(clippy::disallowed_methods, reason = "everybody else asks here")]

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Tells the time of day.
pub trait Clock: Send + Sync + Debug {
    /// Nanoseconds since 1970 UTC.
    fn now_unix_nano(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_unix_nano(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A moment of a clock that never goes back: for measuring how long something takes.
#[must_use]
pub fn instant() -> Instant {
    Instant::now()
}

/// A clock that tests set.
#[derive(Debug, Default)]
pub struct FakeClock(AtomicU64);

impl FakeClock {
    /// A clock that shows `unix_nano` until told otherwise.
    #[must_use]
    pub fn at(unix_nano: u64) -> Self {
        Self(AtomicU64::new(unix_nano))
    }

    /// Sets the time, forward or back.
    pub fn set(&self, unix_nano: u64) {
        self.0.store(unix_nano, Ordering::SeqCst);
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now_unix_nano(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
