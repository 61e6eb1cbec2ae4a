//! An imaginary shop that sends traces: for first impressions, screenshots, tests and load.
//!
//! [`Shop`] makes traces and is pure: no clock, no network, the same seed tells the same story. [`Runner`] sends them.
//! Nineteen services on Kubernetes report; databases, partners and an ERP of the nineties do not.

mod backends;
mod dice;
mod flows;
mod http;
mod people;
mod run;
pub mod send;
mod services;
mod shop;
mod story;
#[cfg(test)]
mod tests;
mod weather;

pub use run::{Progress, Runner};
pub use shop::Shop;
