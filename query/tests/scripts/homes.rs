//! Where the spans of a script are when its queries run. All stores must answer alike.

use std::sync::Arc;

use hoptrail_proto::model::{TenantId, TraceSpan};
use hoptrail_proto::otlp;
use hoptrail_query::{Config, Service};
use hoptrail_storage::{MemoryStore, SpanBatch, SpanWriter, Store, SystemClock, TraceReader};
use prometheus_client::registry::Registry;
use prost::Message;
use tempfile::TempDir;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Home {
    /// In the plain store, which says what the right answers are.
    Plain,
    /// In the head of the store on disk.
    Head,
    /// In segments of the store on disk, one for each batch unless they are merged.
    Segments,
    /// Every second span of a batch in a segment, and the others in the head, together with exact copies of all.
    Split,
}

/// A service over a store that takes the spans of a script.
pub(crate) struct Filled {
    pub(crate) service: Arc<Service>,
    home: Home,
    writer: Arc<dyn SpanWriter>,
    on_disk: Option<Arc<Store>>,
    /// Where the store is, unless it is the plain one. Removed after the store is closed, which its last owner does.
    _folder: Option<TempDir>,
}

impl Filled {
    pub(crate) fn new(home: Home) -> Self {
        if let Home::Plain = home {
            let store = Arc::<MemoryStore>::default();
            return Self { service: service(&store), home, writer: store, on_disk: None, _folder: None };
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (config, clock) = (hoptrail_storage::Config::default(), Arc::new(SystemClock));
        let store = Store::open(folder.path(), &config, clock, &mut Registry::default()).expect("the store opens");
        let (service, writer) = (service(&store), Arc::clone(&store));
        Self { service, home, writer, on_disk: Some(store), _folder: Some(folder) }
    }

    /// Sends spans and brings them where they belong.
    pub(crate) async fn take(&self, spans: &[TraceSpan]) {
        match self.home {
            Home::Plain | Home::Head => self.send(spans).await,
            Home::Segments => {
                self.send(spans).await;
                self.seal();
            }
            Home::Split => {
                let every_second = |first: usize| spans.iter().skip(first).step_by(2).cloned().collect::<Vec<_>>();
                self.send(&every_second(0)).await;
                self.seal();
                self.send(&every_second(1)).await;
                self.send(spans).await;
            }
        }
    }

    async fn send(&self, spans: &[TraceSpan]) {
        if !spans.is_empty() {
            let body = otlp::to_request(spans).encode_to_vec().into();
            let batch = SpanBatch { tenant: TenantId::single(), body, spans: spans.len() as u32 };
            self.writer.write(batch).await.expect("the store takes the spans");
        }
    }

    fn seal(&self) {
        let store = self.on_disk.as_ref().expect("a store on disk");
        store.settle().expect("the spans are sealed");
        assert_eq!(store.sizes().head_spans, 0, "all of them");
    }
}

fn service<S: TraceReader + 'static>(store: &Arc<S>) -> Arc<Service> {
    let reader: Arc<dyn TraceReader> = Arc::<S>::clone(store);
    Service::new(&Config::default(), reader, &mut Registry::default())
}
