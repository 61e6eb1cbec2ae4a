//! The same questions while some of the data is in memory, as it is in service.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::http::Connection;
use crate::ingest;
use crate::pages::{self, Pages};
use crate::queries::{self, Answered, Kind};
use crate::report::Page;
use crate::server::{Launch, Server};
use crate::spool::{self, Source};
use crate::transport::Transport;

/// Half of `storage.head_spans`.
const HALF_A_HEAD: u64 = 131_072;
/// A short bench has less in memory: at most one span of so many.
const ONE_OF: u64 = 10;

/// How it was answered.
pub(crate) struct HalfFull {
    /// Spans in memory meanwhile.
    pub(crate) head_spans: u64,
    /// The questions, whose answers are the newest again.
    pub(crate) kinds: Vec<Kind>,
    /// How they were answered.
    pub(crate) answered: Vec<Answered>,
    /// Pages of the web UI.
    pub(crate) pages: Vec<Page>,
}

/// Spans that come after the first `spans` and stay in memory.
pub(crate) fn spans_after(spans: u64) -> u64 {
    HALF_A_HEAD.min(spans / ONE_OF)
}

/// Sends the spans that `source` has left until there are `until`, and asks before they are sealed; for pages as well, if so wished.
pub(crate) async fn measure(
    original: &Launch,
    source: &mut Source,
    path: &Path,
    until: u64,
    repetitions: usize,
    has_pages: bool,
) -> Result<HalfFull> {
    let spool = spool::make(source, path, until)?;
    let kinds = queries::kinds(source.shape(), &source.truth, repetitions);
    let mut launch = original.clone();
    launch.settings.push("storage.seal_after=1h".to_owned());
    let server = Server::start(&launch)?;
    let mut connection = Connection::open(&server.tempo).await?;
    ingest::send(&server, Transport::Grpc, &spool, spool.requests(), 4, |_| ()).await?;
    let head_spans = settled_head(&mut connection).await?;
    let answered = queries::ask_all(&mut connection, server.pid(), &kinds, "queries with a half-full head").await?;
    drop(connection);
    let pages = match has_pages {
        true => pages::measure(&server, &Pages::new(source.shape(), &source.truth), repetitions).await?,
        false => Vec::new(),
    };
    server.stop()?;
    Ok(HalfFull { head_spans, kinds, answered, pages })
}

/// Waits until what is full is sealed. Returns the spans that stay in memory.
async fn settled_head(connection: &mut Connection) -> Result<u64> {
    let mut known = f64::NAN;
    loop {
        // The store publishes its sizes once a second.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let head = connection.metric("hoptrail_store_head_spans").await?;
        if head == known {
            return Ok(head as u64);
        }
        known = head;
    }
}
