//! Many readers at once: each opens a page, reads for a while, and opens the next.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{Asked, Pages, row};
use crate::account::process_cpu;
use crate::http::Connection;
use crate::progress::Stage;
use crate::report::Page;
use crate::server::Server;

const READERS: u64 = 1_000;
/// How long they read, on average.
const READING: Duration = Duration::from_secs(5);
/// What of a hundred pages are searches, and what are searches or traces; the others are services.
const SEARCHES: u32 = 60;
const TRACES: u32 = 90;

/// What readers saw, all pages and each kind; CPU is that of a page on average.
pub(super) async fn read(server: &Server, pages: &Pages, stay: Duration) -> Result<Vec<Page>> {
    let kinds = Arc::new([pages.searches.clone(), pages.traces.clone(), pages.services.clone()]);
    let mut connections = Vec::new();
    for _ in 0..READERS {
        connections.push(Connection::open(&server.ui).await?);
    }
    let before = process_cpu(server.pid())?;
    let stage = Stage::begin("pages that a thousand read", 0);
    let end = Instant::now() + stay;
    let mut readers = JoinSet::new();
    for (number, connection) in (0..READERS).zip(connections) {
        readers.spawn(reader(number, connection, Arc::clone(&kinds), end));
    }
    let (mut took, mut refused): ([Vec<Duration>; 3], [usize; 3]) = Default::default();
    while let Some(own) = readers.join_next().await {
        for (kind, latency) in own?? {
            match latency {
                Some(latency) => took.get_mut(kind).context("no such kind")?.push(latency),
                None => *refused.get_mut(kind).context("no such kind")? += 1,
            }
        }
    }
    stage.end();
    let all = took.concat();
    let cpu = process_cpu(server.pid())?.saturating_sub(before) / u32::try_from(all.len().max(1))?;
    let names = ["1,000 readers, all pages", "of these, search", "of these, trace", "of these, services"];
    let kinds = [(all, refused.iter().sum())].into_iter().chain(took.into_iter().zip(refused));
    let row = |(name, (took, refused))| Page { refused, ..row(name, took, cpu) };
    Ok(names.into_iter().zip(kinds).map(row).collect())
}

/// The pages of one reader: their kinds, and how long they took; nothing when the server was too busy.
async fn reader(
    number: u64,
    mut connection: Connection,
    kinds: Arc<[Vec<Asked>; 3]>,
    end: Instant,
) -> Result<Vec<(usize, Option<Duration>)>> {
    let mut dice = StdRng::seed_from_u64(number);
    let mut seen = Vec::new();
    // They do not all come in the same moment.
    sleep(READING.mul_f64(dice.random())).await;
    while Instant::now() < end {
        let kind = match dice.random_range(0..100) {
            0..SEARCHES => 0,
            SEARCHES..TRACES => 1,
            _ => 2,
        };
        let pages = kinds.get(kind).context("no such kind")?;
        let asked = pages.get(dice.random_range(0..pages.len().max(1))).context("no page of a kind")?;
        seen.push((kind, connection.get_compressed(&asked.path).await?));
        sleep(READING.mul_f64(dice.random_range(0.5..1.5))).await;
    }
    Ok(seen)
}
