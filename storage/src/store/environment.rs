//! What ingest and maintenance need from outside of the store.

use std::sync::Arc;

use super::disk::Disk;
use super::metrics::Metrics;
use crate::{Clock, Done, Step, Task, Watch};

/// The clock, the disk, the watcher of steps, and the metrics.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) disk: Arc<Disk>,
    pub(super) metrics: Metrics,
}

impl Environment {
    /// Tells the watcher that a step is done. A crash may come at any step.
    pub(super) fn reached(&self, task: Task, done: Done) {
        self.watch.reached(Step(task, done));
    }
}
