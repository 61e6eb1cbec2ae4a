//! End-to-end tests of the binary. One test binary, because every test binary links all of RocksDB.

#![expect(clippy::disallowed_methods, reason = "tests of a process wait by the real clock")]

mod bench;
mod cli;
mod documents;
mod e2e;
mod fuzz;
mod harness;
mod tidy;
