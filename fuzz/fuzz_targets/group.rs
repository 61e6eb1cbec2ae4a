//! Any spans as a segment, with damaged pages.

#![no_main]

use hoptrail_fuzz as _;

libfuzzer_sys::fuzz_target!(|input: &[u8]| hoptrail_storage::checks::group(input));
