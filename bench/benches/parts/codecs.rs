//! One page of each codec: written, read as a whole, read at one row, searched.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use hoptrail_storage::internals;

/// A name and what makes a value of a row.
type Values<T> = (&'static str, fn(u64) -> T);

const ROWS: u64 = 65_536;
/// A row that needs other rows before it.
const ROW: usize = 40_001;

/// Numbers that look like chance.
fn chance(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

/// Pages of integers.
pub(crate) fn integers(criterion: &mut Criterion) {
    let shapes: [Values<u64>; 2] = [
        ("ints, blocks", |row| chance(row) % 2_000_000_000),
        ("ints, dictionary", |row| [200, 200, 204, 404][(chance(row) % 4) as usize]),
    ];
    for (name, value) in shapes {
        let values: Vec<u64> = (0..ROWS).map(value).collect();
        let page = internals::encode_ints(&values);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(ROWS));
        group.bench_function("encode", |bench| bench.iter(|| internals::encode_ints(black_box(&values))));
        group.bench_function("decode", |bench| bench.iter(|| internals::decode_ints(black_box(&page))));
        group.throughput(Throughput::Elements(1));
        group.bench_function("one row", |bench| bench.iter(|| internals::int_at(black_box(&page), ROW)));
        group.finish();
    }
}

/// Pages of text.
pub(crate) fn text(criterion: &mut Criterion) {
    let shapes: [Values<String>; 3] = [
        ("text, coded", |row| format!("http-worker-{}", chance(row) % 64)),
        ("text, templates", |row| format!("/api/orders/{}/details", chance(row) % 20_000)),
        ("text, plain", |row| words(chance(row))),
    ];
    for (name, value) in shapes {
        let values: Vec<String> = (0..ROWS).map(value).collect();
        let slices: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
        let (page, value) = (internals::encode_text(&slices), values[ROW].as_bytes());
        assert_eq!(internals::text_at(&page, ROW).as_deref(), Ok(value));
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(ROWS));
        group.bench_function("encode", |bench| bench.iter(|| internals::encode_text(black_box(&slices))));
        group.bench_function("decode", |bench| {
            bench.iter(|| internals::each_text(black_box(&page), |value| _ = black_box(value)));
        });
        group.bench_function("find one value", |bench| bench.iter(|| internals::count_text(black_box(&page), value)));
        group.bench_function("test each value", |bench| {
            bench.iter(|| internals::count_text_if(black_box(&page), |value| value.ends_with(b"7")));
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("one row", |bench| bench.iter(|| internals::text_at(black_box(&page), ROW)));
        group.finish();
    }
}

/// Text with neither few values nor few templates.
fn words(number: u64) -> String {
    const WORDS: [&str; 16] = [
        "order", "cart", "late", "refund", "stock", "north", "blue", "paper", "river", "cold", "seven", "glass",
        "quick", "round", "empty", "last",
    ];
    let digits = (0..6 + number % 5).map(|digit| number >> (4 * digit) & 15);
    digits.map(|digit| WORDS[digit as usize]).collect::<Vec<_>>().join(" ")
}

/// A filter over 65,536 members.
pub(crate) fn filter(criterion: &mut Criterion) {
    let members: Vec<[u8; 8]> = (0..ROWS).map(|row| chance(row).to_le_bytes()).collect();
    let slices: Vec<&[u8]> = members.iter().map(<[u8; 8]>::as_slice).collect();
    let set = internals::encode_filter(&slices);
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("encode", |bench| bench.iter(|| internals::encode_filter(black_box(&slices))));
    group.throughput(Throughput::Elements(1));
    group.bench_function("probe", |bench| {
        bench.iter(|| internals::filter_may_hold(black_box(&set), black_box(slices[ROW])))
    });
    group.finish();
}
