//! What each part costs alone: `make bench-parts`. Throughput is in spans or values, so that the figures add up to those of the
//! whole (`make bench`).

#[path = "parts/codecs.rs"]
mod codecs;
#[path = "parts/rollups.rs"]
mod rollups;
#[path = "parts/spans.rs"]
mod spans;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = parts;
    config = Criterion::default().sample_size(20).warm_up_time(std::time::Duration::from_secs(1));
    targets = rollups::count, rollups::month, spans::walk, spans::append, spans::segment, spans::scan, codecs::integers, codecs::text, codecs::filter
}
criterion_main!(parts);
