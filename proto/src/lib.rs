//! Wire forms and the model: OTLP read in place, OTLP JSON, and the messages of the APIs hoptrail speaks.
//!
//! This crate is pure: no clock, no I/O, no store. It is the only one that names `opentelemetry-proto` and `prost` types of
//! OTLP; everything else works on [`model`] values or on the views of [`otlp`].

#[doc(hidden)]
pub mod checks;
pub mod model;
pub mod otlp;
pub mod tempo;
pub mod units;
