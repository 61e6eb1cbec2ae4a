//! Tests of the crate from outside.

mod notation;
mod runner;
