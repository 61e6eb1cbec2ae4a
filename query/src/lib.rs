//! Questions over stored traces: TraceQL, trace assembly, and the Tempo API.
//!
//! [`Service`] asks the store with a deadline, a memory budget and cancellation. `traceql` and `assemble` are pure.

pub mod assemble;
#[doc(hidden)]
pub mod checks;
pub mod conventions;
pub mod diff;
mod error;
pub mod exceptions;
mod http;
mod invisible;
pub mod metrics;
pub mod pairs;
mod place;
pub mod prom;
mod quoting;
pub mod rollups;
mod search_parts;
mod service;
mod slow;
pub mod tempo;
pub mod traceql;
mod values;
pub mod why;

pub use error::Error;
pub use hoptrail_storage::{
    ArithmeticOp, AttributeKeysRequest, AttributeScope, Clock, CompareOp, Explanation, Expr, FakeClock, Field,
    FieldValuesRequest, Filter, Inspected, Intrinsic, MetricsFunction, Order, Pattern, Pipeline, Place, ReadError,
    Rows, SearchAnswer, SearchRequest, ServiceStats, SetHit, SpanHit, Steps, SystemClock, TimeRange, TraceHit, Value,
};
pub use invisible::is_invisible;
pub use place::{PlaceError, place_from_text, place_text};
pub use quoting::{literal_pattern, quoted};
pub use service::{Answer, Config, Cut, Service};
pub use slow::SlowQuery;
pub use values::any_value;
