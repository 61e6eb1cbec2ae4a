//! The quarantine: damaged bytes are copied there before anything replaces them. Hoptrail never deletes a file of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Clock, SystemClock};

/// The folder in the data folder.
pub(super) const DAMAGED: &str = "damaged";

/// A folder of its own for each run, named by the time in seconds, such as `damaged/1700000000`. It is made when the first file comes.
#[derive(Debug)]
pub(crate) struct Quarantine {
    parent: PathBuf,
    folder: Option<PathBuf>,
}

impl Quarantine {
    /// The quarantine of a data folder.
    pub(crate) fn new(data: &Path) -> Self {
        Self { parent: data.join(DAMAGED), folder: None }
    }

    /// Where the files went, if there were any.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Keeps a copy of a file. `Ok` means that the copy is on the disk.
    pub(crate) fn copy(&mut self, file: &Path) -> io::Result<()> {
        let name = file.file_name().unwrap_or_default();
        let to = self.make()?.join(name);
        fs::copy(file, &to)?;
        File::open(&to)?.sync_all()?;
        self.sync()
    }

    /// Moves a file into the quarantine.
    pub(crate) fn take(&mut self, file: &Path) -> io::Result<()> {
        let to = self.make()?.join(file.file_name().unwrap_or_default());
        fs::rename(file, to)?;
        self.sync()
    }

    /// Keeps bytes that are in no file of their own.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_synced(&self.make()?.join(name), bytes)?;
        self.sync()
    }

    fn make(&mut self) -> io::Result<&Path> {
        if self.folder.is_none() {
            fs::create_dir_all(&self.parent)?;
            let seconds = SystemClock.now_unix_nano() / 1_000_000_000;
            self.folder = (seconds..).find_map(|name| create_new(self.parent.join(name.to_string()))).transpose()?;
        }
        self.folder().ok_or_else(|| io::Error::other("no name is free"))
    }

    fn sync(&self) -> io::Result<()> {
        let data = self.parent.parent().unwrap_or(&self.parent);
        [Some(data), Some(self.parent.as_path()), self.folder()].into_iter().flatten().try_for_each(sync_folder)
    }
}

/// Makes a folder; `None` when the name is taken.
fn create_new(folder: PathBuf) -> Option<io::Result<PathBuf>> {
    match fs::create_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
        made => Some(made.map(|()| folder)),
    }
}

/// Writes a file; `Ok` means that its bytes are on the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
