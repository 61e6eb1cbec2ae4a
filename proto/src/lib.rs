//! Wire forms and the model: OTLP read in place, OTLP JSON, and the messages of the APIs hoptrail speaks.
//!
//! This crate is pure: no clock, no I/O, no store. It is the only one that names `opentelemetry-proto` and `prost` types of
//! OTLP; everything else works on [`model`] values or on the views of [`otlp`].

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests measure how long something takes"))]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

#[doc(hidden)]
pub mod checks;
pub mod file;
pub mod model;
pub mod otlp;
pub mod tempo;
mod varint;

pub use varint::put_varint;
pub mod units;
