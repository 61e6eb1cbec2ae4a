//! Any text as a TraceQL query.

#![no_main]

use hoptrail_fuzz as _;

libfuzzer_sys::fuzz_target!(|text: &str| hoptrail_query::checks::traceql(text));
