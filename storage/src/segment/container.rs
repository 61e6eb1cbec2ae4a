//! A segment as one sequence of bytes: pages, a directory, a footer. It could be one file or one object.
//!
//! ```text
//! | pages of group 0 | pages of group 1 | ... | pages of the segment itself | directory | footer |
//! ```
//!
//! Pages lie in the order of their ids and directly after each other. So a group is one range of bytes, and the tail is the last one. A
//! reader reads the footer first, then the directory, then ranges.
//!
//! | directory, for each page | | footer | |
//! |---|---|---|---|
//! | group | u16 | offset of the directory | u64 |
//! | page | u32 | number of pages | u32 |
//! | offset | u64 | version: 1 | u8 |
//! | length | u32 | XXH3-64 of the directory | u64 |
//! | XXH3-64 of the page | u64 | `hoptrail` | 8 bytes |
//!
//! Numbers are little-endian.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::PageId;
use crate::codec::Damaged;
use crate::codec::bytes::Input;

const VERSION: u8 = 1;
const MAGIC: [u8; 8] = *b"hoptrail";
const DIRECTORY_ENTRY: usize = 2 + 4 + 8 + 4 + 8;
const FOOTER: usize = 8 + 4 + 1 + 8 + MAGIC.len();

/// A container that grows page by page.
#[derive(Debug, Default)]
pub(crate) struct ContainerWriter {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    last: Option<PageId>,
    count: u32,
}

/// Why a page cannot be put into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PutError {
    #[error("pages of a segment must come in the order of their ids")]
    Order,
    #[error("a page is longer than 4 GB")]
    Length,
}

impl ContainerWriter {
    /// Appends a page. Ids ascend.
    pub(crate) fn put(&mut self, id: PageId, page: &[u8]) -> Result<(), PutError> {
        if self.last.replace(id).is_some_and(|last| last >= id) {
            return Err(PutError::Order);
        }
        let len = u32::try_from(page.len()).map_err(|_| PutError::Length)?;
        self.directory.extend_from_slice(&id.group.to_le_bytes());
        self.directory.extend_from_slice(&id.page.to_le_bytes());
        self.directory.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        self.directory.extend_from_slice(&len.to_le_bytes());
        self.directory.extend_from_slice(&xxh3_64(page).to_le_bytes());
        self.bytes.extend_from_slice(page);
        self.count += 1;
        Ok(())
    }

    /// The whole container.
    pub(crate) fn finish(self) -> Vec<u8> {
        let Self { bytes: mut out, directory, count, .. } = self;
        let offset = out.len() as u64;
        out.extend_from_slice(&directory);
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.push(VERSION);
        out.extend_from_slice(&xxh3_64(&directory).to_le_bytes());
        out.extend_from_slice(&MAGIC);
        out
    }
}

/// A container whose directory has been read.
#[derive(Debug)]
pub(crate) struct Container {
    bytes: Vec<u8>,
    /// By id.
    directory: Vec<Entry>,
}

/// Where a page is.
#[derive(Debug, Clone)]
struct Entry {
    id: PageId,
    range: Range<usize>,
    checksum: u64,
}

impl Container {
    /// Reads the directory. Pages are checked when they are read.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, Damaged> {
        let end_of_directory = bytes.len().checked_sub(FOOTER).ok_or(Damaged("container that is too short"))?;
        let mut footer = Input(bytes.get(end_of_directory..).unwrap_or_default());
        let (offset, count) = (footer.u64()?, footer.u32()?);
        if footer.byte()? != VERSION {
            return Err(Damaged("unknown version of a container"));
        }
        let checksum = footer.u64()?;
        if footer.0 != MAGIC {
            return Err(Damaged("container without its end"));
        }
        let begin = usize::try_from(offset).map_err(|_| Damaged("directory outside of a container"))?;
        let directory = bytes.get(begin..end_of_directory).ok_or(Damaged("directory outside of a container"))?;
        if xxh3_64(directory) != checksum {
            return Err(Damaged("directory with a wrong checksum"));
        }
        let directory = read_directory(directory, count, begin)?;
        Ok(Self { bytes, directory })
    }

    /// Bytes of the whole container.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where a page is, once its bytes are checked; `None` when there is no such page.
    pub(crate) fn find(&self, id: PageId) -> Result<Option<Range<usize>>, Damaged> {
        let Ok(index) = self.directory.binary_search_by_key(&id, |entry| entry.id) else { return Ok(None) };
        let Some(Entry { range, checksum, .. }) = self.directory.get(index) else { return Ok(None) };
        if xxh3_64(self.slice(range)) != *checksum {
            return Err(Damaged("page with a wrong checksum"));
        }
        Ok(Some(range.clone()))
    }

    /// The bytes of a page that was found.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

/// Pages lie before the directory, directly after each other, in the order of their ids.
fn read_directory(bytes: &[u8], count: u32, end_of_pages: usize) -> Result<Vec<Entry>, Damaged> {
    if bytes.len() / DIRECTORY_ENTRY != count as usize || !bytes.len().is_multiple_of(DIRECTORY_ENTRY) {
        return Err(Damaged("directory with a wrong count"));
    }
    let mut directory: Vec<Entry> = Vec::with_capacity(count as usize);
    let (mut input, mut end) = (Input(bytes), 0);
    while !input.is_empty() {
        let entry = read_entry(&mut input)?;
        if directory.last().is_some_and(|last| last.id >= entry.id) || entry.range.start != end {
            return Err(Damaged("directory out of order"));
        }
        end = entry.range.end;
        directory.push(entry);
    }
    if end == end_of_pages { Ok(directory) } else { Err(Damaged("pages that are in no directory")) }
}

fn read_entry(input: &mut Input<'_>) -> Result<Entry, Damaged> {
    let group = u16::from_le_bytes([input.byte()?, input.byte()?]);
    let id = PageId { group, page: input.u32()? };
    let start = usize::try_from(input.u64()?).map_err(|_| Damaged("page outside of a container"))?;
    let end = start.checked_add(input.u32()? as usize).ok_or(Damaged("page outside of a container"))?;
    Ok(Entry { id, range: start..end, checksum: input.u64()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(group: u16, page: u32) -> PageId {
        PageId { group, page }
    }

    fn sample() -> Vec<(PageId, Vec<u8>)> {
        vec![
            (id(0, 0), b"traces".to_vec()),
            (id(0, 7), Vec::new()),
            (id(1, 256), vec![7; 1000]),
            (id(u16::MAX, 0), b"metadata".to_vec()),
        ]
    }

    fn written(pages: &[(PageId, Vec<u8>)]) -> Vec<u8> {
        let mut writer = ContainerWriter::default();
        pages.iter().for_each(|(id, page)| writer.put(*id, page).expect("in order"));
        writer.finish()
    }

    fn page(container: &Container, id: PageId) -> Result<Option<&[u8]>, Damaged> {
        Ok(container.find(id)?.map(|range| container.slice(&range)))
    }

    #[test]
    fn pages_come_back_and_no_others() {
        let container = Container::open(written(&sample())).expect("opens");
        for (id, expected) in sample() {
            assert_eq!(page(&container, id), Ok(Some(expected.as_slice())), "{id:?}");
        }
        for missing in [id(0, 1), id(2, 0), id(u16::MAX, 1)] {
            assert_eq!(page(&container, missing), Ok(None));
        }
        let empty = Container::open(written(&[])).expect("opens");
        assert_eq!((page(&empty, id(0, 0)), empty.len()), (Ok(None), FOOTER));
    }

    #[test]
    fn pages_out_of_order_are_refused() {
        let mut writer = ContainerWriter::default();
        assert_eq!(writer.put(id(1, 0), b"a"), Ok(()));
        assert_eq!(writer.put(id(1, 0), b"a"), Err(PutError::Order));
        assert_eq!(writer.put(id(0, 9), b"a"), Err(PutError::Order));
    }

    #[test]
    fn a_container_that_ends_too_early_does_not_open() {
        let whole = written(&sample());
        for end in 0..whole.len() {
            assert!(Container::open(whole.get(..end).expect("shorter").to_vec()).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn a_flip_anywhere_is_found(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = written(&sample());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(container) = Container::open(bytes) {
                let damaged = sample().iter().filter(|(id, _)| page(&container, *id).is_err()).count();
                prop_assert_eq!(damaged, 1, "byte {}", at);
            }
        }
    }
}
