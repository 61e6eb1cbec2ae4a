//! Dashboards that several people open at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::series::Numbered;

/// Dashboards at once.
const DASHBOARDS: usize = 10;
/// Connections of each, as many as a browser opens to one server.
const CONNECTIONS: usize = 6;

/// Opens all at once. Returns how long each took until its last panel. Fails when an answer is wrong.
pub(crate) async fn open(host: &str, panels: &Arc<Vec<Numbered>>) -> Result<Vec<Duration>> {
    let mut connections = Vec::new();
    for _ in 0..DASHBOARDS {
        let mut own = Vec::new();
        for _ in 0..CONNECTIONS {
            own.push(Connection::open(host).await?);
        }
        connections.push(own);
    }
    let mut dashboards = JoinSet::new();
    connections.into_iter().for_each(|own| _ = dashboards.spawn(dashboard(own, Arc::clone(panels))));
    let mut took = Vec::new();
    while let Some(opened) = dashboards.join_next().await {
        took.push(opened??);
    }
    Ok(took)
}

/// Asks for all panels. Answers are checked when the last one is there.
async fn dashboard(connections: Vec<Connection>, panels: Arc<Vec<Numbered>>) -> Result<Duration> {
    let (begun, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut asking = JoinSet::new();
    for connection in connections {
        asking.spawn(some_panels(connection, Arc::clone(&panels), Arc::clone(&next)));
    }
    let mut answers = Vec::new();
    while let Some(answered) = asking.join_next().await {
        answers.extend(answered??);
    }
    let took = begun.elapsed();
    for (number, body) in answers {
        let panel = panels.get(number).context("no such panel")?;
        panel.check(&body).with_context(|| format!("wrong answer: {}", panel.path()))?;
    }
    Ok(took)
}

/// Asks for panels, one after the other, that no other connection asks for.
async fn some_panels(
    mut connection: Connection,
    panels: Arc<Vec<Numbered>>,
    next: Arc<AtomicUsize>,
) -> Result<Vec<(usize, Bytes)>> {
    let mut answers = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(panel) = panels.get(number) else { return Ok(answers) };
        answers.push((number, connection.get(&panel.path(), "application/json").await?.0));
    }
}
