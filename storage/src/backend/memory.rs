//! A back end that keeps everything in memory. As a second implementation it keeps the traits free of what only a database on a disk offers.
//!
//! A segment is one container of bytes, like one object in a bucket, and pages are slices of it. Stored data lives as long as the back end:
//! a store that is opened again over the same back end finds it.

use std::collections::BTreeMap;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Backend, BackendError, Catalog, Cause, Log, LogHalf, LogPosition, LogRead, SegmentWriter, Segments, StoredSegment,
    location, missing,
};
use crate::ReadError;
use crate::codec::Damaged;
use crate::segment::{Container, ContainerWriter, Page, PageId, PageSource};

/// Everything in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryBackend {
    /// Guards all that is stored. Pages are read without it.
    stored: Mutex<Stored>,
    /// Guards the calls that fail next.
    faults: Mutex<Vec<Fault>>,
}

/// What is stored.
#[derive(Debug, Default, Clone)]
struct Stored {
    /// Records by sequence, of each half.
    log: [BTreeMap<u64, Vec<u8>>; 2],
    catalog: BTreeMap<u64, Vec<u8>>,
    segments: BTreeMap<u64, Arc<Container>>,
    /// Finished and not published.
    staged: BTreeMap<u64, Arc<Container>>,
    /// The change of a failed call that a crash makes visible.
    unsure: Option<Change>,
}

/// A change whose call failed and that may still become visible after a crash.
#[derive(Debug, Clone)]
enum Change {
    Append(LogPosition, Vec<u8>),
    Commit { add: Vec<(u64, Vec<u8>)>, remove: Vec<u64>, log_end: Option<u64> },
}

/// A call that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Append,
    Stage,
    Publish,
    Commit,
    End,
    Delete,
}

/// A call that fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    /// Whether the change becomes visible after a crash although the call failed.
    pub(crate) comes_to_light: bool,
}

impl MemoryBackend {
    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that this call meets, if any.
    fn fault(&self, call: Call) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().position(|fault| fault.call == call).map(|index| faults.remove(index))
    }

    fn check(&self, call: Call) -> Result<(), BackendError> {
        self.fault(call).map_or(Ok(()), |_| Err(failed(call)))
    }

    /// Makes a change durable, unless it fails.
    fn change(&self, call: Call, change: Change) -> Result<(), BackendError> {
        let fault = self.fault(call);
        let mut stored = self.stored();
        match fault {
            None => {
                stored.unsure = None;
                stored.apply(change);
                Ok(())
            }
            Some(fault) => {
                stored.unsure = fault.comes_to_light.then_some(change);
                Err(failed(call))
            }
        }
    }
}

fn failed(call: Call) -> BackendError {
    BackendError::Failed(Cause::new(format!("{call:?} fails")))
}

impl Stored {
    fn half(&mut self, half: LogHalf) -> &mut BTreeMap<u64, Vec<u8>> {
        let [even, odd] = &mut self.log;
        match half {
            LogHalf::Even => even,
            LogHalf::Odd => odd,
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Append(LogPosition { half, sequence }, record) => _ = self.half(half).insert(sequence, record),
            Change::Commit { add, remove, log_end } => {
                self.catalog.extend(add);
                remove.iter().for_each(|segment| _ = self.catalog.remove(segment));
                let log_end = log_end.unwrap_or(0);
                self.log.iter_mut().for_each(|half| *half = half.split_off(&log_end));
            }
        }
    }
}

impl Log for MemoryBackend {
    fn append(&self, position: LogPosition, record: &[u8]) -> Result<(), BackendError> {
        self.change(Call::Append, Change::Append(position, record.to_vec()))
    }

    /// Nothing to do: a record is removed when it is ended.
    fn end(&self, _: LogHalf) -> Result<(), BackendError> {
        self.check(Call::End)
    }

    fn replay(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<LogRead, BackendError> {
        let mut halves = self.stored().log.clone();
        halves.sort_by_key(|half| half.keys().next().copied());
        let mut read = LogRead::default();
        for (sequence, record) in halves.iter().flatten() {
            visit(*sequence, record);
            read.next = read.next.max(sequence + 1);
        }
        Ok(read)
    }

    fn remove(&self, sequence: u64) -> Result<(), BackendError> {
        self.stored().log.iter_mut().for_each(|half| _ = half.remove(&sequence));
        Ok(())
    }
}

impl Catalog for MemoryBackend {
    fn each(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), BackendError> {
        let entries = self.stored().catalog.clone();
        entries.iter().for_each(|(segment, entry)| visit(*segment, entry));
        Ok(())
    }

    fn entry(&self, segment: u64) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.stored().catalog.get(&segment).cloned())
    }

    fn commit(&self, add: &[(u64, Vec<u8>)], remove: &[u64], log_end: Option<u64>) -> Result<(), BackendError> {
        self.change(Call::Commit, Change::Commit { add: add.to_vec(), remove: remove.to_vec(), log_end })
    }
}

/// A segment that is being written.
struct Staging<'b> {
    backend: &'b MemoryBackend,
    segment: u64,
    writer: ContainerWriter,
}

impl SegmentWriter for Staging<'_> {
    fn put(&mut self, id: PageId, page: &[u8]) -> Result<(), BackendError> {
        self.writer.put(id, page).map_err(|error| BackendError::Failed(Cause::new(error)))
    }

    fn finish(self: Box<Self>) -> Result<u64, BackendError> {
        let container = Container::open(self.writer.finish()).map_err(damaged)?;
        let bytes = container.len() as u64;
        self.backend.stored().staged.insert(self.segment, Arc::new(container));
        Ok(bytes)
    }
}

fn damaged(error: Damaged) -> BackendError {
    BackendError::Damaged(Cause::new(error))
}

impl Segments for MemoryBackend {
    fn stage(&self, segment: u64) -> Result<Box<dyn SegmentWriter + '_>, BackendError> {
        self.check(Call::Stage)?;
        Ok(Box::new(Staging { backend: self, segment, writer: ContainerWriter::default() }))
    }

    fn publish(&self, segment: u64) -> Result<(), BackendError> {
        let mut stored = self.stored();
        let container = stored.staged.remove(&segment);
        self.check(Call::Publish)?;
        let container = container.ok_or_else(|| BackendError::Failed(Cause::new("the segment is not staged")))?;
        stored.segments.insert(segment, container);
        Ok(())
    }

    fn delete(&self, segment: u64) -> Result<(), BackendError> {
        self.check(Call::Delete)?;
        self.stored().segments.remove(&segment);
        Ok(())
    }

    fn list(&self) -> Result<Vec<StoredSegment>, BackendError> {
        let stored = self.stored();
        let segments = stored.segments.iter();
        let listed = segments.map(|(segment, container)| StoredSegment {
            segment: *segment,
            bytes: container.len() as u64,
            file: None,
        });
        Ok(listed.collect())
    }

    fn page_once(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        self.page(segment, id)
    }

    /// Nothing to do: all pages are in memory.
    fn fetch(&self, _: &[(u64, Vec<u16>)]) -> Result<(), ReadError> {
        Ok(())
    }
}

impl PageSource for MemoryBackend {
    fn page(&self, segment: u64, id: PageId) -> Result<Page<'_>, ReadError> {
        let container = self.stored().segments.get(&segment).cloned().ok_or_else(|| missing(segment, id))?;
        slice_of(container, segment, id)?.ok_or_else(|| missing(segment, id))
    }
}

/// A page of a container, without a copy.
struct Slice {
    container: Arc<Container>,
    range: Range<usize>,
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.container.slice(&self.range)
    }
}

fn slice_of<'p>(container: Arc<Container>, segment: u64, id: PageId) -> Result<Option<Page<'p>>, ReadError> {
    match container.find(id) {
        Ok(range) => Ok(range.map(|range| Box::new(Slice { container, range }) as Page<'p>)),
        Err(error) => Err(ReadError::Corrupt { location: location(segment, id), reason: error.to_string() }),
    }
}

impl Backend for MemoryBackend {
    fn close(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn memory(&self) -> u64 {
        let stored = self.stored();
        let segments = stored.segments.values().map(|container| container.len()).sum::<usize>();
        let log = stored.log.iter().flat_map(BTreeMap::values).map(Vec::len).sum::<usize>();
        (segments + log) as u64
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn damage(&self) -> &[String] {
        &[]
    }

    fn must_adopt(&self) -> bool {
        false
    }

    fn adopted(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn checkpoint(&self) -> Result<PathBuf, BackendError> {
        Err(BackendError::Failed(Cause::new("a store in memory has no folder to copy")))
    }
}

#[cfg(test)]
impl MemoryBackend {
    /// Lets the next such call fail.
    pub(crate) fn fail(&self, call: Call, comes_to_light: bool) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(Fault { call, comes_to_light });
    }

    /// What the end of the process leaves at this moment.
    pub(crate) fn crashed(&self) -> Self {
        let mut stored = self.stored().clone();
        stored.staged.clear();
        if let Some(change) = stored.unsure.take() {
            stored.apply(change);
        }
        Self { stored: Mutex::new(stored), faults: Mutex::default() }
    }
}
