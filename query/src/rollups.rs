//! What [`Service::rollups`](crate::Service::rollups) is asked, and what it answers.

pub use hoptrail_storage::{
    Bucket, Cell, Connection, DAY, Durations, HOUR, MINUTE, Node, NodeKind, RollupKey, RollupRequest, RollupSeries,
    RollupSteps, RollupTable, Rollups,
};

/// What people call a table.
pub(crate) fn table_name(table: RollupTable) -> &'static str {
    match table {
        RollupTable::Services => "services",
        RollupTable::Spans => "span names",
        RollupTable::Edges => "calls",
        RollupTable::Instances => "instances",
    }
}
