//! Requests made before the clock runs, kept in a file so that any number of them fits.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::progress::Stage;
use crate::shape::{Batch, Batches, Shape};
use crate::truth::Truth;

/// Makes the data from the first trace to the last, in as many spools as wanted, and knows what the answers are.
#[derive(Debug)]
pub(crate) struct Source {
    shape: Shape,
    batches: Batches,
    /// What is known of all spans made.
    pub(crate) truth: Truth,
}

/// The requests of a run, or of a step of it.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    extents: Vec<Extent>,
}

/// Where a request is in the file.
#[derive(Debug, Clone, Copy)]
struct Extent {
    offset: u64,
    bytes: u32,
    spans: u32,
    slot: usize,
}

/// A request to send.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    /// `ExportTraceServiceRequest`.
    pub(crate) body: Bytes,
    /// Spans in it.
    pub(crate) spans: u32,
}

impl Source {
    /// Begins; `batch` spans in a request, and answers for `values` rare values among the first `first` spans.
    #[must_use]
    pub(crate) fn new(shape: Shape, batch: usize, first: u64, values: u64) -> Self {
        Self { shape, batches: Batches::new(shape, batch), truth: Truth::new(shape, first, values) }
    }

    /// Which data.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Makes traces until there are `until` spans in all. `progress` is called with the number of spans made.
    fn spool(&mut self, path: &Path, until: u64, progress: impl Fn(u64)) -> Result<Spool> {
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        let mut writer = Writer { out: BufWriter::with_capacity(1 << 20, file), extents: Vec::new(), offset: 0 };
        for trace in self.shape.traces_from(self.truth.traces()) {
            if self.truth.spans() >= until {
                break;
            }
            self.truth.add(&trace);
            progress(trace.spans.len() as u64);
            self.batches.add(trace).iter().try_for_each(|full| writer.add(full))?;
        }
        self.batches.finish().iter().try_for_each(|rest| writer.add(rest))?;
        let file = writer.out.into_inner().map_err(|error| error.into_error())?;
        // Otherwise the kernel writes it while the server is measured.
        file.sync_all()?;
        let mut extents = writer.extents;
        extents.sort_by_key(|extent| extent.slot);
        Ok(Spool { file, extents })
    }
}

impl Spool {
    /// Spans in all of them.
    #[must_use]
    pub(crate) fn spans(&self) -> u64 {
        self.extents.iter().map(|extent| u64::from(extent.spans)).sum()
    }

    /// Bytes of all of them.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.extents.iter().map(|extent| u64::from(extent.bytes)).sum()
    }

    /// How many requests there are.
    #[must_use]
    pub(crate) fn requests(&self) -> usize {
        self.extents.len()
    }

    /// How many of the first requests have together at most so many spans and bytes. At least one.
    #[must_use]
    pub(crate) fn requests_within(&self, spans: u64, bytes: u64) -> usize {
        let (mut spans_left, mut bytes_left) = (spans, bytes);
        for (index, extent) in self.extents.iter().enumerate() {
            let (Some(spans), Some(bytes)) =
                (spans_left.checked_sub(u64::from(extent.spans)), bytes_left.checked_sub(u64::from(extent.bytes)))
            else {
                return index.max(1);
            };
            (spans_left, bytes_left) = (spans, bytes);
        }
        self.extents.len().max(1)
    }

    /// A request; `None` after the last.
    pub(crate) fn get(&self, index: usize) -> Result<Option<Ready>> {
        let Some(extent) = self.extents.get(index) else { return Ok(None) };
        let mut body = vec![0; extent.bytes as usize];
        self.file.read_exact_at(&mut body, extent.offset)?;
        Ok(Some(Ready { body: body.into(), spans: extent.spans }))
    }
}

/// Makes the requests until there are so many spans.
pub(crate) fn make(source: &mut Source, path: &Path, until: u64) -> Result<Arc<Spool>> {
    let before = source.truth.spans();
    let stage = Stage::begin("making spans", until.saturating_sub(before));
    let spool = source.spool(path, until, |spans| stage.add(spans))?;
    stage.end();
    ensure!(spool.spans() == source.truth.spans() - before, "the requests do not hold every span");
    Ok(Arc::new(spool))
}

struct Writer {
    out: BufWriter<File>,
    extents: Vec<Extent>,
    offset: u64,
}

impl Writer {
    fn add(&mut self, batch: &Batch) -> Result<()> {
        let bytes = u32::try_from(batch.body.len())?;
        self.out.write_all(&batch.body)?;
        self.extents.push(Extent { offset: self.offset, bytes, spans: batch.spans, slot: batch.slot });
        self.offset += u64::from(bytes);
        Ok(())
    }
}
