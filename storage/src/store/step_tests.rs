//! What is left when the process ends at a step: the folder is copied at each step, and every copy is opened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tempfile::TempDir;

use super::tests::{NOW, crashed, pass, segments_with_pages, small, span, spans_of, tenant};
use super::{Config, Store, lock};
use crate::conformance::write;
use crate::{FakeClock, Step, Watch};

/// Copies the folder at each step; the last time that a step is reached counts.
#[derive(Debug)]
struct Copies {
    folder: PathBuf,
    /// Spans 1 to this one of trace 1 are acknowledged.
    acknowledged: AtomicU8,
    copies: Mutex<BTreeMap<String, (TempDir, u8)>>,
}

impl Watch for Copies {
    fn reached(&self, step: Step) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        lock(&self.copies).insert(step.to_string(), (crashed(&self.folder), acknowledged));
    }
}

#[test]
fn acknowledged_spans_survive_an_end_at_every_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let (copies, acknowledged) = (Mutex::default(), AtomicU8::new(0));
    let watch = Arc::new(Copies { folder: folder.path().to_owned(), acknowledged, copies });
    let clock = Arc::new(FakeClock::at(NOW));
    let config = Config { retention: Duration::from_secs(3600), ..small() };
    let open = |folder: &std::path::Path, watch: Arc<dyn Watch>| {
        Store::open_watched(folder, &config, clock.clone(), watch, &mut Registry::default()).expect("opens")
    };
    let store = open(folder.path(), watch.clone());
    // A segment that is dropped, and then four that merge.
    write(&*store, &tenant(), &[span(2, 1, "old")]);
    store.settle().expect("settled");
    pass(&store, &clock, 3601);
    for id in 1..=4 {
        write(&*store, &tenant(), &[span(1, id, "a")]);
        watch.acknowledged.store(id, Ordering::SeqCst);
        store.settle().expect("settled");
    }
    assert_eq!((store.sizes().segments, spans_of(&store, 1), spans_of(&store, 2)), (1, 4, 0));
    drop(store);

    let copies = std::mem::take(&mut *lock(&watch.copies));
    assert_eq!(copies.len(), Step::ALL.len(), "steps that were not reached: {:?}", copies.keys());
    for (step, (copy, acknowledged)) in &copies {
        let opened = open(copy.path(), Arc::new(()));
        let found = spans_of(&opened, 1);
        // Spans that were not acknowledged may be there, too.
        let most = usize::from(*acknowledged) + usize::from(step.starts_with("commit"));
        assert!((usize::from(*acknowledged)..=most).contains(&found), "{step}: {found} of {acknowledged} spans");
        opened.settle().expect("settled");
        assert_eq!(spans_of(&opened, 1), found, "{step}, sealed");
        assert_eq!(spans_of(&opened, 2), 0, "{step}: retention goes on");
        let pages = segments_with_pages(&opened).len();
        assert_eq!(pages, opened.sizes().segments, "{step}: only named pages are kept");
    }
}
