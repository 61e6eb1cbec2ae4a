//! Large traces of every shape.

use std::time::Duration;

use super::build::{One, span, trace};
use crate::assemble::{Clocks, assemble};

const SPANS: u64 = 100_000;

#[test]
fn a_hundred_thousand_spans_of_any_shape_take_well_under_a_second() {
    type Parent = fn(u64) -> u64;
    let shapes: [(&str, Parent, usize); 6] = [
        ("a chain", |n| n - 1, SPANS as usize),
        ("a fan", |n| u64::from(n > 1), 2),
        ("a binary tree", |n| n / 2, 17),
        ("roots only", |_| 0, 1),
        ("orphans only", |n| SPANS + n, 2),
        ("one circle", |n| if n == 1 { SPANS } else { n - 1 }, SPANS as usize),
    ];
    for (name, parent, depth) in shapes {
        let spans =
            (1..=SPANS).map(|n| -> One { span(n, parent(n), if n % 3 == 0 { "a" } else { "b" }, n, 2 * SPANS - n) });
        let trace = trace(spans);
        let started = hoptrail_storage::clock::instant();
        let tree = assemble(&trace, Clocks::Corrected);
        let took = started.elapsed();
        println!("{name}: {took:?}");
        assert_eq!((tree.summary.spans as u64, tree.summary.depth), (SPANS, depth), "{name}");
        // Generous for a busy machine; it takes about a tenth of this.
        assert!(took < Duration::from_secs(5), "{name} took {took:?}");
    }
}
