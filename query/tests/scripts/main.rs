//! Tests of the crate from outside.

mod answers;
mod homes;
mod notation;
mod runner;
mod script;
