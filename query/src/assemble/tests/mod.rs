//! Traces in, trees out.

mod build;
mod critical;
mod parents;
mod peers;
mod rows;
mod size;
mod skew;
mod times;
