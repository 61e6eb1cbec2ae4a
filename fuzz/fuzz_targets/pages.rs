//! Any bytes as pages of a segment, and any values written to pages.

#![no_main]

use hoptrail_fuzz as _;

libfuzzer_sys::fuzz_target!(|input: &[u8]| hoptrail_storage::checks::pages(input));
