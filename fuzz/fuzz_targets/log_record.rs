//! Any bytes as a log record.

#![no_main]

use hoptrail_fuzz as _;

libfuzzer_sys::fuzz_target!(|record: &[u8]| hoptrail_storage::checks::log_record(record));
