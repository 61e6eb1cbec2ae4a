//! How long a start takes after a kill -9 with as much in memory as there can be.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::http::Connection;
use crate::ingest;
use crate::queries::Kind;
use crate::server::{Launch, Server};
use crate::spool::Spool;
use crate::transport::Transport;

/// `storage.head_spans` of the server under test, so that the head is nearly full.
const HEAD_SPANS: u64 = 262_144;
/// Megabytes it may take.
const HEAD_MB: u64 = 256;
/// Bytes of requests that fit into them whatever the spans are.
const HEAD_BYTES: u64 = (HEAD_MB << 20) / 2;

/// The start after a crash.
#[derive(Debug)]
pub(crate) struct Crash {
    /// Acknowledged spans that no segment held.
    pub(crate) head_spans: u64,
    /// From the start of the process to `ready`.
    pub(crate) ready: Duration,
}

/// Sends the first requests once more, kills the server, and starts it again. This is done to a copy of the store, so that the answers
/// of the original stay the same.
pub(crate) async fn measure(original: &Launch, spool: &Arc<Spool>, kinds: &[Kind]) -> Result<Crash> {
    let mut launch = Launch { data: original.data.with_extension("crashed"), ..original.clone() };
    copy(&original.data, &launch.data)?;
    // The last one counts. Large traces that come twice need more than the default memory until they are one again.
    launch.settings.extend([format!("storage.head_spans={HEAD_SPANS}"), format!("storage.head_size={HEAD_MB}MiB")]);
    launch.settings.extend(["storage.seal_after=1h", "query.memory=1GiB"].map(str::to_owned));
    let server = Server::start(&launch)?;
    let requests = spool.requests_within(HEAD_SPANS / 10 * 9, HEAD_BYTES);
    let sent = ingest::send(&server, Transport::Grpc, spool, requests, 4, |_| ()).await?;
    server.kill()?;
    let server = Server::start(&launch)?;
    let mut connection = Connection::open(&server.tempo).await?;
    let head = connection.metric("hoptrail_store_head_spans").await? as u64;
    ensure!(head == sent.spans, "{head} spans in the head after the crash instead of {}", sent.spans);
    // Every span of the head is a copy. The first question about numbers finds that out for all that follow.
    for kind in kinds {
        kind.ask_one(&mut connection, 0).await.context("after the crash")?;
    }
    let crash = Crash { head_spans: head, ready: server.start_up };
    drop(connection);
    server.stop()?;
    std::fs::remove_dir_all(&launch.data)?;
    Ok(crash)
}

/// Copies a folder with all that is inside.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
