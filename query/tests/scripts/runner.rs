//! Runs the scripts in `traceql/*.test` through the service, on the plain store and on the one on disk.

use std::path::{Path, PathBuf};

use hoptrail_query::Service;

use crate::answers::lines;
use crate::homes::{Filled, Home};
use crate::script::{Case, read};

/// What is wrong with the answer, if anything.
async fn fault(service: &Service, case: &Case) -> Option<String> {
    let found = lines(service, case).await;
    let as_expected = |(found, expected): (&String, &String)| match expected.strip_prefix("! ") {
        Some(expected) => {
            let (range, message) = expected.split_once(' ').unwrap_or((expected, ""));
            found.starts_with(&format!("! {range} ")) && found.contains(message)
        }
        None => found == expected,
    };
    let same = found.len() == case.expected.len() && found.iter().zip(&case.expected).all(as_expected);
    (!same).then(|| {
        let (expected, found) = (case.expected.join("\n    "), found.join("\n    "));
        format!("line {}: {}\n  expected\n    {expected}\n  found\n    {found}", case.line, case.query)
    })
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traceql");
    let entries = std::fs::read_dir(folder).expect("the folder of scripts");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Runs all scripts with their spans there.
async fn scripts_hold(home: Home) {
    let (mut cases, mut faults) = (0, Vec::new());
    for path in scripts() {
        let filled = Filled::new(home);
        for batch in read(&path).batches {
            filled.take(&batch.spans).await;
            for case in &batch.cases {
                cases += 1;
                faults.extend(fault(&filled.service, case).await.map(|fault| format!("{}\n{fault}", path.display())));
            }
        }
    }
    assert!(cases > 600, "only {cases} cases");
    assert!(faults.is_empty(), "{home:?}: {} of {cases} cases fail\n\n{}", faults.len(), faults.join("\n\n"));
}

#[tokio::test]
async fn scripts_hold_on_the_plain_store() {
    scripts_hold(Home::Plain).await;
}

#[tokio::test]
async fn scripts_hold_in_the_head() {
    scripts_hold(Home::Head).await;
}

#[tokio::test]
async fn scripts_hold_in_segments() {
    scripts_hold(Home::Segments).await;
}

#[tokio::test]
async fn scripts_hold_split_over_segment_and_head() {
    scripts_hold(Home::Split).await;
}
