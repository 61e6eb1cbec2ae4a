//! Any bytes as an OTLP request: validation and the walk, against prost.

#![no_main]

use hoptrail_fuzz as _;

libfuzzer_sys::fuzz_target!(|body: &[u8]| hoptrail_proto::checks::otlp_walk(body));
