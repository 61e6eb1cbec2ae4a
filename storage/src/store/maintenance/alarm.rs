//! Wakes the maintenance thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::store::lock;

/// Rings when there is something to do, and when the store closes.
#[derive(Debug, Default)]
pub(in crate::store) struct Alarm {
    /// Guards whether it has rung since the thread last woke.
    rung: Mutex<bool>,
    ringing: Condvar,
    closing: AtomicBool,
}

impl Alarm {
    /// Rings: there is something to do.
    pub(in crate::store) fn ring(&self) {
        *lock(&self.rung) = true;
        self.ringing.notify_one();
    }

    /// Rings, and from now on says that the store ends.
    pub(in crate::store) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        *lock(&self.rung) = true;
        self.ringing.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Waits until it rings, at most for `timeout`. If it rang since the last wait, this returns at once.
    pub(super) fn wait(&self, timeout: Duration) {
        let mut rung = lock(&self.rung);
        if !*rung {
            rung = self.ringing.wait_timeout(rung, timeout).unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
    }
}
