//! Requests made before the clock runs, kept in a file so that any number of them fits.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Result;
use bytes::Bytes;

use crate::shape::{Batch, Batches, Shape};
use crate::truth::Truth;

/// All requests of a run.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    bytes: u32,
    spans: u32,
}

/// A request to send.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    /// `ExportTraceServiceRequest`.
    pub(crate) body: Bytes,
    /// Spans in it.
    pub(crate) spans: u32,
}

impl Spool {
    /// Makes the requests and what is known of them; `progress` hears of spans made.
    pub(crate) fn make(
        path: &Path,
        shape: Shape,
        batch: usize,
        values: u64,
        progress: impl Fn(u64),
    ) -> Result<(Self, Truth)> {
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        let mut writer = Writer { out: BufWriter::with_capacity(1 << 20, file), places: Vec::new(), offset: 0 };
        let mut truth = Truth::new(shape, values);
        let mut batches = Batches::new(batch);
        for trace in shape.traces() {
            truth.add(&trace);
            for full in batches.add(&trace) {
                writer.add(&full)?;
                progress(u64::from(full.spans));
            }
        }
        for rest in batches.finish() {
            writer.add(&rest)?;
            progress(u64::from(rest.spans));
        }
        let file = writer.out.into_inner().map_err(|error| error.into_error())?;
        // Otherwise the kernel writes it while the server is measured.
        file.sync_all()?;
        Ok((Self { file, places: writer.places }, truth))
    }

    /// Spans in all of them.
    #[must_use]
    pub(crate) fn spans(&self) -> u64 {
        self.places.iter().map(|place| u64::from(place.spans)).sum()
    }

    /// Bytes of all of them.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.places.iter().map(|place| u64::from(place.bytes)).sum()
    }

    /// A request; `None` after the last.
    pub(crate) fn get(&self, index: usize) -> Result<Option<Ready>> {
        let Some(place) = self.places.get(index) else { return Ok(None) };
        let mut body = vec![0; place.bytes as usize];
        self.file.read_exact_at(&mut body, place.offset)?;
        Ok(Some(Ready { body: body.into(), spans: place.spans }))
    }
}

struct Writer {
    out: BufWriter<File>,
    places: Vec<Place>,
    offset: u64,
}

impl Writer {
    fn add(&mut self, batch: &Batch) -> Result<()> {
        let bytes = u32::try_from(batch.body.len())?;
        self.out.write_all(&batch.body)?;
        self.places.push(Place { offset: self.offset, bytes, spans: batch.spans });
        self.offset += u64::from(bytes);
        Ok(())
    }
}
