//! Damage that readers and maintenance have met.

use std::collections::BTreeSet;
use std::sync::Mutex;

use prometheus_client::metrics::counter::Counter;

use super::lock;

/// Damaged locations that are remembered; further ones are neither counted nor logged.
const MOST_LOCATIONS: usize = 10_000;

/// Reports each damaged location once.
#[derive(Debug)]
pub(super) struct DamageLog {
    /// Guards the locations that have been reported.
    known: Mutex<BTreeSet<String>>,
    count: Counter,
}

impl DamageLog {
    /// `count` counts the locations.
    pub(super) fn new(count: Counter) -> Self {
        Self { known: Mutex::default(), count }
    }

    /// Counts and logs a damaged location, once.
    pub(super) fn note(&self, location: &str, reason: &str) {
        let mut known = lock(&self.known);
        if known.len() < MOST_LOCATIONS && known.insert(location.to_owned()) {
            self.count.inc();
            tracing::error!(location, reason, "stored data is damaged; the rest is served");
        }
    }
}
