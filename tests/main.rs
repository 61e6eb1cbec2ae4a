//! End-to-end tests of the binary. One test binary, because every test binary links all of RocksDB.

mod bench;
mod cli;
mod documents;
mod e2e;
mod fuzz;
mod harness;
mod tidy;
