//! The catalog: a column family with an entry for each segment.

use rocksdb::{IteratorMode, WriteBatch};

use super::{CATALOG, LOGS, RocksDb, synced};
use crate::backend::{BackendError, Catalog};

impl Catalog for RocksDb {
    fn each(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), BackendError> {
        for item in self.db.iterator_cf(self.family(CATALOG)?, IteratorMode::Start) {
            let (key, entry) = item?;
            if let Ok(segment) = <[u8; 8]>::try_from(&*key) {
                visit(u64::from_be_bytes(segment), &entry);
            }
        }
        Ok(())
    }

    fn entry(&self, segment: u64) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.db.get_cf(self.family(CATALOG)?, segment.to_be_bytes())?)
    }

    fn commit(&self, add: &[(u64, Vec<u8>)], remove: &[u64], log_end: Option<u64>) -> Result<(), BackendError> {
        let catalog = self.family(CATALOG)?;
        let mut batch = WriteBatch::default();
        add.iter().for_each(|(segment, entry)| batch.put_cf(catalog, segment.to_be_bytes(), entry));
        remove.iter().for_each(|segment| batch.delete_cf(catalog, segment.to_be_bytes()));
        if let Some(log_end) = log_end {
            for half in LOGS {
                batch.delete_range_cf(self.family(half)?, 0u64.to_be_bytes(), log_end.to_be_bytes());
            }
        }
        Ok(self.db.write_opt(batch, &synced())?)
    }
}
