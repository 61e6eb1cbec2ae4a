//! What RocksDB's errors mean.

use rocksdb::ErrorKind;

use crate::backend::{BackendError, Cause};

/// Kinds of errors, by what may be done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Another process has the folder open.
    InUse,
    /// A file that should be there is not.
    FileGone,
    /// The disk cannot read a file any more.
    Unreadable,
    /// Bytes are not what was written.
    Corrupt,
    /// The disk or RocksDB failed.
    Failed,
}

/// What an error means: its kind tells, and where the kind is too general, its text.
///
/// RocksDB has one kind, `IOError`, for every failed system call. It hands on neither its subcode nor `errno`. So only the text tells
/// whether another process has the folder open, a file is gone, or the disk is broken. No other function reads these texts. For example:
///
/// ```text
/// IO error: While lock file: /data/LOCK: Resource temporarily unavailable      another process has it open
/// IO error: while open a file for lock: /data/LOCK: Permission denied          no right to it: failed
/// IO error: No such file or directory: While open a file: /data/000123.sst     the file is gone
/// ```
pub(super) fn meaning(error: &rocksdb::Error) -> Meaning {
    let text = error.as_ref();
    match error.kind() {
        ErrorKind::Corruption => Meaning::Corrupt,
        ErrorKind::IOError if text.contains("/LOCK: ") && !is_lock_file_closed_to_us(text) => Meaning::InUse,
        ErrorKind::IOError if text.contains("No such file") => Meaning::FileGone,
        ErrorKind::IOError if text.contains("Input/output error") => Meaning::Unreadable,
        _ => Meaning::Failed,
    }
}

/// Whether the lock file could not be opened, so that nothing is known of the lock itself.
fn is_lock_file_closed_to_us(text: &str) -> bool {
    text.contains("while open a file for lock")
}

impl From<rocksdb::Error> for BackendError {
    fn from(error: rocksdb::Error) -> Self {
        match meaning(&error) {
            Meaning::FileGone | Meaning::Unreadable | Meaning::Corrupt => Self::Damaged(Cause::new(error)),
            Meaning::InUse | Meaning::Failed => Self::Failed(Cause::new(error)),
        }
    }
}
