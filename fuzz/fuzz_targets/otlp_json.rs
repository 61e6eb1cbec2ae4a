//! Any bytes as an OTLP/JSON request.

#![no_main]

use hoptrail_fuzz as _;

libfuzzer_sys::fuzz_target!(|body: &[u8]| hoptrail_proto::checks::otlp_json(body));
