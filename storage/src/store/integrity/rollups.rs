//! Checks and repairs rollups.

use super::adopt::read_about;
use crate::ReadError;
use crate::backend::{Backend, BackendError, StoredSegment};
use crate::catalog::{RollupEntry, RollupList};
use crate::codec::bytes::Input;
use crate::segment::{About, PageSource, damaged_tail, tail};
use crate::store::rollups::{check_page, write_readable};

/// Makes the catalog entry of a rollup again from its pages.
pub(crate) fn rollup_from_pages(pages: &dyn PageSource, stored: &StoredSegment) -> Result<RollupEntry, ReadError> {
    let segment = stored.segment;
    let list = pages.page(segment, tail::ROLLUP)?;
    let listed = RollupList::decode(&mut Input(&list)).map_err(damaged_tail(segment, "pages of the rollup"))?;
    Ok(RollupEntry::new(segment, stored.bytes, read_about(pages, segment)?, listed))
}

/// Reads all pages of a rollup. Answers all damage.
pub(super) fn check_rollup(backend: &dyn Backend, entry: &RollupEntry, stored: &StoredSegment) -> Vec<ReadError> {
    let pages = entry.list.pages.iter().enumerate();
    let mut damage: Vec<_> =
        pages.filter_map(|(index, page)| check_page(backend, entry.id, (*page, index)).err()).collect();
    match rollup_from_pages(backend, stored) {
        Ok(is) if is != *entry => damage.push(ReadError::Corrupt {
            location: format!("catalog entry of rollup {}", entry.id),
            reason: "says something else than the pages".to_owned(),
        }),
        Ok(_) => {}
        Err(error) => damage.push(error),
    }
    damage
}

/// Writes a rollup again with the pages that can be read. Answers its entry.
pub(super) fn write_again(backend: &dyn Backend, id: u64, old: &RollupEntry) -> Result<RollupEntry, BackendError> {
    let about = About { tenant: old.tenant.clone(), received: old.received };
    let mut writer = backend.stage(id)?;
    let list = write_readable(backend, old, &about, &mut *writer)?;
    let bytes = writer.finish()?;
    backend.publish(id)?;
    Ok(RollupEntry::new(id, bytes, about, list))
}
