//! Room on the disk. Writes are refused while there is little of it, so that what is already taken can still be sealed, and
//! RocksDB, which stops altogether when a write of its own fails, does not meet a full disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{StatVfsMountFlags, statvfs};

/// The file system that holds the data folder.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Bytes that must stay free.
    least_free: u64,
    refusing: AtomicBool,
}

impl Disk {
    pub(super) fn new(path: &Path, least_free: u64) -> Self {
        Self { path: path.to_owned(), least_free, refusing: AtomicBool::new(false) }
    }

    /// Says in the log when writes begin to be refused, and when they are taken again.
    pub(super) fn tell(&self, written: &Result<(), String>) {
        let refused = self.refusing.swap(written.is_err(), Ordering::Relaxed);
        match written {
            Err(reason) if !refused => tracing::error!(%reason, "writes are refused until this changes; queries go on"),
            Ok(()) if refused => tracing::info!("writes are taken again"),
            _ => {}
        }
    }

    /// Whether so many bytes more leave as much free as must be. One system call, about a microsecond.
    pub(super) fn has_room_for(&self, bytes: u64) -> Result<(), String> {
        // What cannot be asked is not judged: the write itself will tell.
        let Ok(found) = statvfs(&self.path) else { return Ok(()) };
        if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err("the disk is read-only".to_owned());
        }
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < self.least_free.saturating_add(bytes) {
            let (free, least) = (free >> 20, self.least_free >> 20);
            return Err(format!(
                "the disk is nearly full: {free} MB are free, {least} MB must be (storage.min_free_mb)"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_stay_free_counts_against_what_is_to_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let found = statvfs(folder.path()).expect("a file system");
        let free = found.f_bavail * found.f_frsize;
        assert_eq!(Disk::new(folder.path(), free / 2).has_room_for(0), Ok(()));
        assert!(Disk::new(folder.path(), free / 2).has_room_for(free).is_err());
        let full = Disk::new(folder.path(), free * 2);
        let reason = full.has_room_for(0).expect_err("refused");
        assert!(reason.contains("storage.min_free_mb"), "{reason}");
        assert_eq!(Disk::new(Path::new("/no/such/folder"), u64::MAX).has_room_for(0), Ok(()));
    }
}
