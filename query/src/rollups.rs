//! What [`Service::rollups`](crate::Service::rollups) is asked, and what it answers.

pub use hoptrail_storage::{
    Cell, Connection, DAY, Durations, HOUR, MINUTE, Node, NodeKind, RollupKey, RollupRequest, RollupSeries, RollupSteps,
    RollupTable, Rollups,
};
