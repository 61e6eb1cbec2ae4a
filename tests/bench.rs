//! The short form of the bench: every answer is right. Nothing timed is judged here.

use hoptrail_bench::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_short_bench_gets_right_answers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = Options {
        binary: env!("CARGO_BIN_EXE_hoptrail").into(),
        folder: folder.path().to_owned(),
        spans: 60_000,
        seed: 5,
        batch: 512,
        connections: 4,
        repetitions: 25,
        seal_after_seconds: 1,
    };
    let report = run(&options).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert!((60_000..60_034).contains(&report.run.spans));
    assert!(report.disk.segments > 0 && report.disk.segments_bytes_per_span > 8.0, "{:?}", report.disk);
    assert!(report.queries.iter().all(|query| query.repetitions >= 10), "{:?}", report.queries);
    let table = report.markdown();
    for expected in ["decode unit", "trace by id", "regex", "start with a full store"] {
        assert!(table.contains(expected), "{expected:?} is not in\n{table}");
    }
}
