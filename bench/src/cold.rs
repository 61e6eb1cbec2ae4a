//! What the first questions cost when nothing is in memory: neither in the server, which is started anew, nor in the kernel, whose
//! cache lets go of the data files.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

use crate::account;
use crate::http::Connection;
use crate::progress::Stage;
use crate::queries::Kind;
use crate::server::{Launch, Server};

/// Questions after each start: the first, and those that profit from it.
const QUESTIONS: usize = 3;

/// One kind of question, asked cold.
#[derive(Debug, Default)]
pub(crate) struct Cold {
    /// The first question after each start, ascending.
    pub(crate) first: Vec<Duration>,
    /// The next ones with other values, ascending.
    pub(crate) next: Vec<Duration>,
    /// Bytes read from the disk for the first question, on average: says that it was cold.
    pub(crate) read: u64,
}

/// Starts the server anew `starts` times for each kind. Returns the times to ready, ascending, and the answers of each kind.
pub(crate) async fn measure(launch: &Launch, kinds: &[Kind], starts: usize) -> Result<(Vec<Duration>, Vec<Cold>)> {
    let stage = Stage::begin("cold starts", (starts * kinds.len()) as u64);
    let (mut ready, mut answers) = (Vec::new(), Vec::new());
    for kind in kinds {
        let mut cold = Cold::default();
        for start in 0..starts {
            ready.push(ask(launch, kind, start * QUESTIONS, &mut cold).await.context("cold")?);
            stage.add(1);
        }
        cold.first.sort_unstable();
        cold.next.sort_unstable();
        cold.read /= starts.max(1) as u64;
        answers.push(cold);
    }
    stage.end();
    ready.sort_unstable();
    Ok((ready, answers))
}

async fn ask(launch: &Launch, kind: &Kind, number: usize, cold: &mut Cold) -> Result<Duration> {
    evict(&launch.data)?;
    let server = Server::start(launch)?;
    let mut connection = Connection::open(&server.tempo).await?;
    // Opening has read some of it again.
    evict(&launch.data)?;
    let before = account::read(server.pid())?;
    cold.first.push(kind.ask_one(&mut connection, number).await?);
    cold.read += account::read(server.pid())? - before;
    for next in 1..QUESTIONS {
        cold.next.push(kind.ask_one(&mut connection, number + next).await?);
    }
    drop(connection);
    let ready = server.start_up;
    server.stop()?;
    Ok(ready)
}

/// Asks the kernel to forget what it holds of the files of a folder and those inside.
fn evict(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            evict(&path)?;
        } else if let Ok(file) = File::open(&path) {
            // Pages that are not on the disk yet cannot be forgotten.
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
