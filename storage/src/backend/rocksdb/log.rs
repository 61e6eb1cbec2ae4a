//! The log: two column families. A record that is sealed soon enough is dropped in memory and never written to a table.

use super::{CATALOG, LOGS, META, RocksDb, synced};
use crate::backend::{BackendError, Log, LogHalf, LogPosition, LogRead};

/// Most records of the log that can lie in one block of a file.
const MOST_IN_A_BLOCK: u64 = 1000;

fn family_of(half: LogHalf) -> &'static str {
    match half {
        LogHalf::Even => LOGS[0],
        LogHalf::Odd => LOGS[1],
    }
}

impl Log for RocksDb {
    fn append(&self, LogPosition { half, sequence }: LogPosition, record: &[u8]) -> Result<(), BackendError> {
        let family = self.family(family_of(half))?;
        Ok(self.db.put_cf_opt(family, sequence.to_be_bytes(), record, &synced())?)
    }

    /// Ended records that are still in the memtable of the half are never written to a table.
    fn end(&self, half: LogHalf) -> Result<(), BackendError> {
        for family in [family_of(half), CATALOG, META] {
            self.db.flush_cf(self.family(family)?)?;
        }
        Ok(())
    }

    fn replay(&self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<LogRead, BackendError> {
        let mut halves = Vec::new();
        for name in LOGS {
            let mut items = self.db.raw_iterator_cf(self.family(name)?);
            items.seek_to_first();
            halves.push((items.key().map(<[u8]>::to_vec), name));
        }
        // The half that begins first holds the older generation.
        halves.sort();
        let mut all = LogRead::default();
        for (_, name) in halves {
            self.replay_half(name, visit, &mut all)?;
        }
        if !all.missing.is_empty() {
            all.damaged_files = self.log_files()?;
        }
        Ok(all)
    }

    fn remove(&self, sequence: u64) -> Result<(), BackendError> {
        LOGS.iter().try_for_each(|half| Ok(self.db.delete_cf(self.family(half)?, sequence.to_be_bytes())?))
    }
}

impl RocksDb {
    fn replay_half(
        &self,
        name: &str,
        visit: &mut dyn FnMut(u64, &[u8]),
        read: &mut LogRead,
    ) -> Result<(), BackendError> {
        let mut next = 0;
        let mut items = self.db.raw_iterator_cf(self.family(name)?);
        items.seek_to_first();
        loop {
            while let (Some(key), Some(record)) = (items.key(), items.value()) {
                if let Ok(sequence) = <[u8; 8]>::try_from(key).map(u64::from_be_bytes) {
                    visit(sequence, record);
                    next = sequence + 1;
                }
                items.next();
            }
            read.next = read.next.max(next);
            let Err(error) = items.status() else { return Ok(()) };
            // Nothing says where the damaged block ends, so the sequences are tried one by one.
            let missing = next;
            while items.status().is_err() {
                if next - missing > MOST_IN_A_BLOCK {
                    return Err(error.into());
                }
                next += 1;
                items.seek(next.to_be_bytes());
            }
            read.missing.push((missing, error.into()));
        }
    }
}
