//! The short form of the bench: every answer is right, for every kind of data and every transport. Nothing timed is judged here.

use std::path::Path;

use hoptrail_bench::{Kind, Options, Transport, all, growth};

fn options(folder: &Path, spans: u64) -> Options {
    Options {
        binary: env!("CARGO_BIN_EXE_hoptrail").into(),
        folder: folder.to_owned(),
        kind: Kind::Shop,
        transport: Transport::Grpc,
        spans,
        seed: 5,
        batch: 512,
        connections: 4,
        repetitions: 12,
        cold_starts: 1,
        seal_after_seconds: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_bench_gets_right_answers_for_all_data_and_transports() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let matrix = all(&options(folder.path(), 30_000)).await.unwrap_or_else(|error| panic!("{error:?}"));
    let table = matrix.markdown();
    let beside: Vec<usize> = matrix.reports.iter().map(|report| report.beside_ordinary.len()).collect();
    assert_eq!(beside, [0, 13, 13, 16, 16, 15, 0, 0, 0], "questions asked beside the ordinary store");
    for report in &matrix.reports {
        for relation in &report.beside_ordinary {
            let ratios = [relation.p50.ratio, relation.cpu.ratio];
            assert!(ratios.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0), "{relation:?}");
        }
        let name = format!("{} over {}", report.run.shape.name(), report.run.transport.name());
        assert!(
            table.contains(&format!("| {} | {} |", report.run.shape.name(), report.run.transport.name())),
            "{name}"
        );
        assert!(report.run.spans >= 40 && report.disk.segments > 0, "{name}: {:?}", report.disk);
        assert!(report.queries.len() >= 4, "{name}: {:?}", report.queries);
        assert!(report.restart.after_kill_head_spans > 0, "{name}");
        let split: f64 = report.disk.split.iter().map(|share| share.bytes_per_span).sum();
        let files = report.disk.files_bytes_per_span;
        assert!((split - files).abs() < files / 100.0, "{name}: {split} of {files} B a span are known");
    }
    let shop = matrix.reports[0].markdown();
    for expected in [
        "decode unit",
        "trace by id",
        "regex",
        "start with a full store",
        "start after kill -9",
        "`user.id`",
        "10 dashboards of 12 panels",
        "why: failed traces",
        "1,000 readers",
    ] {
        assert!(shop.contains(expected), "{expected:?} is not in\n{shop}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_grows_gives_right_answers_at_each_size() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let growth = growth(&options(folder.path(), 20_000)).await.unwrap_or_else(|error| panic!("{error:?}"));
    let sizes: Vec<u64> = growth.steps.iter().map(|step| step.spans / 1_000).collect();
    assert_eq!(sizes, [1, 2, 5, 10, 20]);
    assert!(growth.svg().matches("<polyline").count() >= 7, "{}", growth.svg());
    assert!(growth.markdown().contains("trace by id"));
}
