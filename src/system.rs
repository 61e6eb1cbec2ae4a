//! What the web UI tells of the server itself.

use std::sync::Arc;

use hoptrail_collector::{Collector, Tallied, Totals};
use hoptrail_storage::{AttributeSizes, Field, Room, Sizes, Store, clock};
use hoptrail_ui::{Attributes, Intake, Refused, Stored, System, SystemSource};

use crate::config::Config;

/// Spans whose attributes are weighed: the newest of them tell what the next ones will take.
const WEIGHED_SPANS: u64 = 1_000_000;

/// Reads, whenever it is asked, what store and collector know.
pub(crate) fn source(store: Arc<Store>, collector: Arc<Collector>, config: &Config) -> SystemSource {
    let started = clock::instant();
    let (retention, retention_bytes) = (config.storage.retention, config.storage.retention_size);
    Arc::new(move || System {
        running: started.elapsed(),
        stored: Some(Stored { retention, retention_bytes, ..stored(&store) }),
        intake: Some(intake(collector.totals())),
        attributes: attributes(&store),
    })
}

fn stored(store: &Store) -> Stored {
    let Sizes { segments, segment_spans, segment_bytes, head_spans, head_bytes, rollup_bytes, .. } = store.sizes();
    let Room { disk, .. } = store.room();
    Stored {
        spans: segment_spans,
        bytes: segment_bytes,
        segments: segments as u64,
        in_memory: head_spans as u64,
        memory: head_bytes as u64,
        rollups: rollup_bytes,
        disk: disk.map(|disk| (disk.free, disk.least)),
        ..Stored::default()
    }
}

fn attributes(store: &Store) -> Attributes {
    let AttributeSizes { keys, bytes, spans } = store.attribute_sizes(WEIGHED_SPANS);
    let name = |(scope, key, bytes)| (Field::Attribute { scope, key }.to_string(), bytes);
    Attributes { keys: keys.into_iter().map(name).collect(), bytes, spans }
}

fn intake(totals: Totals) -> Intake {
    let Totals { spans, repaired, in_flight, refused, dropped } = totals;
    let all = |tallied: Vec<Tallied>| tallied.into_iter().map(of_sender).collect();
    Intake { spans, repaired, in_flight, refused: all(refused), dropped: all(dropped) }
}

fn of_sender(tallied: Tallied) -> Refused {
    let Tallied { reason, service, address, user_agent: agent, requests, spans, example } = tallied;
    Refused { reason: reason.replace('_', " "), service, address, agent, requests, spans, example }
}
