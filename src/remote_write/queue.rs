//! What waits for a receiver: a folder with a file for each request, named by its number.
//!
//! A file is complete under its name, as it is renamed to it. It is deleted when the receiver has it. When there is no room the oldest
//! are dropped: counters have later all that was counted before, so only the time of what happened meanwhile becomes less exact.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::metrics::TargetMetrics;

const ENDING: &str = "request";
/// The file that says when the last snapshot was made.
const LAST: &str = "last";

/// The queue of one receiver.
#[derive(Debug)]
pub(super) struct Queue {
    folder: PathBuf,
    room: u64,
    /// Numbers and sizes, oldest first.
    waiting: VecDeque<(u64, u64)>,
    next: u64,
    metrics: TargetMetrics,
}

impl Queue {
    /// Opens the folder, with what still waits there.
    pub(super) fn open(folder: PathBuf, room: u64, metrics: TargetMetrics) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut waiting = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, size) = (entry.path(), entry.metadata()?.len());
            match number(&path) {
                Some(number) if size > 0 => waiting.push((number, size)),
                Some(_) => std::fs::remove_file(&path)?,
                None => {}
            }
        }
        waiting.sort_unstable();
        let next = waiting.last().map_or(0, |(number, _)| number + 1);
        let queue = Self { folder, room, waiting: waiting.into(), next, metrics };
        queue.measure();
        Ok(queue)
    }

    /// Adds a request.
    pub(super) fn push(&mut self, body: &[u8]) -> io::Result<()> {
        let size = body.len() as u64;
        while self.size() + size > self.room && !self.waiting.is_empty() {
            self.drop_oldest()?;
            self.metrics.dropped("queue full");
        }
        write(&self.folder, &self.path(self.next), body)?;
        self.waiting.push_back((self.next, size));
        self.next += 1;
        self.measure();
        Ok(())
    }

    /// The oldest request with its number.
    pub(super) fn oldest(&mut self) -> Option<(u64, Vec<u8>)> {
        while let Some((number, _)) = self.waiting.front().copied() {
            match std::fs::read(self.path(number)) {
                Ok(body) => return Some((number, body)),
                Err(error) => {
                    tracing::warn!(%error, "a request that waits for its receiver cannot be read and is dropped");
                    self.metrics.dropped("unreadable");
                    self.waiting.pop_front();
                }
            }
        }
        None
    }

    /// Takes a request away, if it is still there.
    pub(super) fn remove(&mut self, number: u64) -> io::Result<()> {
        if self.waiting.front().is_some_and(|(oldest, _)| *oldest == number) {
            self.drop_oldest()?;
        }
        self.measure();
        Ok(())
    }

    /// When the last snapshot was made, in nanoseconds.
    pub(super) fn last(&self) -> Option<u64> {
        std::fs::read_to_string(self.folder.join(LAST)).ok()?.trim().parse().ok()
    }

    /// Notes when a snapshot was made.
    pub(super) fn note_last(&self, time: u64) -> io::Result<()> {
        write(&self.folder, &self.folder.join(LAST), time.to_string().as_bytes())
    }

    fn drop_oldest(&mut self) -> io::Result<()> {
        let Some((number, _)) = self.waiting.pop_front() else { return Ok(()) };
        match std::fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{ENDING}"))
    }

    fn size(&self) -> u64 {
        self.waiting.iter().map(|(_, size)| size).sum()
    }

    fn measure(&self) {
        self.metrics.waiting(self.size());
    }
}

fn number(path: &Path) -> Option<u64> {
    let is_request = path.extension().is_some_and(|ending| ending == ENDING);
    path.file_stem()?.to_str()?.parse().ok().filter(|_| is_request)
}

/// Writes a file that is there whole or not at all.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join("part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, room: u64) -> Queue {
        Queue::open(folder.to_path_buf(), room, TargetMetrics::default()).expect("a folder")
    }

    #[test]
    fn what_waits_is_there_after_a_restart_and_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut queue = open(folder.path(), 1000);
        assert_eq!((queue.oldest(), queue.last()), (None, None));
        for body in [b"one", b"two"] {
            queue.push(body).expect("pushed");
        }
        queue.note_last(17).expect("noted");
        let mut queue = open(folder.path(), 1000);
        assert_eq!((queue.oldest(), queue.last()), (Some((0, b"one".to_vec())), Some(17)));
        queue.remove(0).expect("removed");
        queue.remove(0).expect("it is gone already");
        queue.push(b"three").expect("pushed");
        let all: Vec<_> = std::iter::from_fn(|| {
            let (number, body) = queue.oldest()?;
            queue.remove(number).expect("removed");
            Some((number, body))
        })
        .collect();
        assert_eq!(all, [(1, b"two".to_vec()), (2, b"three".to_vec())]);
    }

    #[test]
    fn without_room_the_oldest_are_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut queue = open(folder.path(), 10);
        for body in [b"1234", b"5678", b"9012"] {
            queue.push(body).expect("pushed");
        }
        assert_eq!(queue.oldest(), Some((1, b"5678".to_vec())));
        queue.push(&[1; 20]).expect("one is always taken");
        assert_eq!((queue.oldest().map(|(number, _)| number), queue.waiting.len()), (Some(3), 1));
        std::fs::write(folder.path().join("00000000000000000009.request"), b"").expect("written");
        std::fs::remove_file(folder.path().join("00000000000000000003.request")).expect("removed");
        assert_eq!(open(folder.path(), 10).oldest(), None, "an empty file is none, and one may have gone");
    }
}
