//! Questions over stored traces: TraceQL, trace assembly, and the Tempo API.
//!
//! [`Service`] asks the store with a deadline, a memory budget and cancellation. `traceql` and `assemble` are pure.

mod error;
mod service;
pub mod tempo;
pub mod traceql;

pub use error::Error;
pub use service::{Config, Service};
