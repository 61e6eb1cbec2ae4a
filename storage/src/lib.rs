//! The trace store: a durable log, a searchable head, and immutable columnar segments inside RocksDB.
//!
//! Writers and readers meet it through [`SpanWriter`] and [`TraceReader`]; [`MemoryStore`] is the plain implementation that
//! says what the answers are. Nothing outside this crate knows where spans live.

mod clock;
mod codec;
#[cfg(test)]
mod conformance;
mod error;
mod filter;
mod matcher;
mod memory;
mod rows;
mod scan;
mod search;
mod segment;
mod step;
mod store;
#[cfg(test)]
mod test_spans;
mod traits;

pub use clock::{Clock, FakeClock, SystemClock};
pub use error::{ReadError, WriteError};
pub use filter::{AttributeScope, CompareOp, Field, Filter, Intrinsic, Pattern, Value};
pub use memory::MemoryStore;
pub use search::{
    FieldValuesRequest, Inspected, QueryContext, SearchAnswer, SearchRequest, ServiceStats, SpanHit, TimeRange,
    TraceHit,
};
pub use step::{Done, Step, Task, Watch};
pub use store::{Config, OpenError, Sizes, Store};
pub use traits::{SpanBatch, SpanWriter, TraceReader, WriteFuture};
