//! What ingest and maintenance take from around the store.

use std::sync::Arc;

use super::disk::Disk;
use super::metrics::Metrics;
use crate::{Clock, Done, Step, Task, Watch};

/// The time, the disk, who watches and who counts.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) disk: Arc<Disk>,
    pub(super) metrics: Metrics,
}

impl Environment {
    /// Tells who watches that a step is done. A crash may come at any of them.
    pub(super) fn reached(&self, task: Task, done: Done) {
        self.watch.reached(Step(task, done));
    }
}
