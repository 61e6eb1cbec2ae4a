//! The trace store: a durable log, a searchable head, and immutable columnar segments inside RocksDB.
//!
//! Writers and readers use it through [`SpanWriter`] and [`TraceReader`]. [`MemoryStore`] is the plain implementation, which defines the
//! right answers. Nothing outside this crate knows where spans are stored.
//!
//! Without the feature `rocksdb` there is no [`Store`]. Fuzz targets are built so: that takes seconds, and RocksDB would take minutes.

#![cfg_attr(not(feature = "rocksdb"), allow(dead_code, unused_imports, rustdoc::broken_intra_doc_links))]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

mod arithmetic;
#[cfg(feature = "rocksdb")]
mod backend;
mod catalog;
#[doc(hidden)]
pub mod checks;
pub mod clock;
mod codec;
#[cfg(all(test, feature = "rocksdb"))]
mod conformance;
mod context;
mod contrast;
mod copies;
mod describe;
mod error;
mod exceptions;
mod explain;
mod filter;
mod first_values;
#[doc(hidden)]
pub mod internals;
mod judge;
mod log;
mod matcher;
mod memory;
mod names;
mod paths;
mod pattern;
mod pipeline;
mod rollup;
mod rows;
mod scan;
mod search;
mod segment;
mod series;
mod step;
#[cfg(feature = "rocksdb")]
mod store;
#[cfg(test)]
mod test_spans;
mod traits;
mod union;

pub use clock::{Clock, FakeClock, SystemClock};
pub use context::{QueryContext, Reserved};
pub use contrast::{Bar, Contrast, ContrastRequest, Sides, TellingPair, TellingValue};
pub use error::{Cause, ReadError, WriteError};
pub use exceptions::{ExceptionExample, ExceptionGroup, Exceptions, ExceptionsRequest};
pub use explain::{Counted, Explanation, TimedStep};
pub use filter::{ArithmeticOp, AttributeScope, CompareOp, Expr, Field, Filter, Intrinsic, Value};
pub use memory::MemoryStore;
pub use paths::{CallPath, CallPaths, PathNumbers, PathsRequest};
pub use pattern::Pattern;
pub use pipeline::{Aggregate, Pipeline, Relation, Scalar, SetExpr, Stage, StructuralMode};
pub use rollup::{
    Bucket, Cell, Connection, DAY, Durations, HOUR, MINUTE, Node, NodeKind, Peer, PeerKind, RollupKey, RollupRequest,
    RollupSeries, RollupSteps, RollupTable, Rollups, peer_of_span,
};
pub use search::{
    AttributeKeysRequest, FieldValuesRequest, Inspected, Order, Place, Rows, SearchAnswer, SearchPart, SearchRequest,
    ServiceStats, SetHit, SpanHit, TimeRange, TraceHit,
};
pub use series::{Exemplar, MetricsAnswer, MetricsFunction, MetricsRequest, Series, SeriesPart, Steps};
pub use step::{Done, Step, Task, Watch};
#[cfg(feature = "rocksdb")]
pub use store::{
    AttributeSizes, Checked, Checkpoint, Config, DiskSpace, Integrity, MOST_REQUEST_BYTES, MinFree, OpenError,
    Repaired, Room, Sizes, Store, repair, verify,
};
pub use traits::{SpanBatch, SpanWriter, TraceReader, WriteFuture};
pub use union::Union;
