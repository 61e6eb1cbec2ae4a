//! Any bytes as a catalog entry.

#![no_main]

use hoptrail_fuzz as _;

libfuzzer_sys::fuzz_target!(|entry: &[u8]| hoptrail_storage::checks::catalog(entry));
