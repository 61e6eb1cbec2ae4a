//! Copies of a store's folder, seen whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::progress::Progress;

/// Bytes copied between two reports.
const CHUNK: usize = 1 << 20;

/// Copies the files of `from` into the new folder `to`, which may exist when it is empty. They go into a folder beside it first, which
/// takes the name when all is on the disk. `Ok` means that it survives a loss of power.
pub fn copy_folder(label: &str, from: &Path, to: &Path) -> anyhow::Result<()> {
    refuse_used(to)?;
    let building = beside(to)?;
    match fs::remove_dir_all(&building) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let copied = copy_into(label, from, &building).and_then(|()| {
        let named = fs::rename(&building, to).and_then(|()| sync(building.parent().unwrap_or(&building)));
        named.with_context(|| format!("cannot name the copy {}; is that where a disk is mounted?", to.display()))
    });
    if copied.is_err() {
        _ = fs::remove_dir_all(&building);
    }
    copied
}

/// A copy never goes over anything.
pub fn refuse_used(folder: &Path) -> anyhow::Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => bail!("{} is not empty: name a new folder", folder.display()),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot look into {}", folder.display())),
    }
}

/// A name for the copy while it is not whole.
fn beside(folder: &Path) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(folder)?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        bail!("{} is no name for a new folder", folder.display());
    };
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let mut name = name.to_owned();
    name.push(".incomplete");
    Ok(parent.join(name))
}

fn copy_into(label: &str, from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    let files = files(from)?;
    let mut progress = Progress::begin(label, files.iter().map(|(_, bytes)| bytes).sum());
    for (path, _) in files {
        let name = path.file_name().unwrap_or_default();
        copy_file(&path, &to.join(name), &mut progress)
            .with_context(|| format!("cannot copy {} to {}", path.display(), to.display()))?;
    }
    sync(to)?;
    progress.end();
    Ok(())
}

/// The files of a folder with their sizes.
fn files(folder: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot look into {}", folder.display()))? {
        let entry = entry?;
        let data = entry.metadata()?;
        // The lock and the socket are of the process that has it open.
        if data.is_file() && entry.file_name() != "LOCK" {
            files.push((entry.path(), data.len()));
        }
    }
    Ok(files)
}

fn copy_file(from: &Path, to: &Path, progress: &mut Progress) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create_new(to)?);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return to.sync_all();
        }
        to.write_all(chunk.get(..read).unwrap_or_default())?;
        progress.add(read as u64);
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_whole_and_goes_over_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("deep/to"));
        fs::create_dir_all(from.join("inner")).expect("made");
        fs::write(from.join("a"), vec![7; 3 << 20]).expect("written");
        fs::write(from.join("LOCK"), "").expect("written");
        fs::create_dir_all(beside(&to).expect("a name")).expect("what an earlier run left");
        copy_folder("copying", &from, &to).expect("copied");
        assert_eq!(fs::read(to.join("a")).expect("read"), vec![7; 3 << 20]);
        assert_eq!(fs::read_dir(to.parent().expect("a parent")).expect("read").count(), 1);
        assert_eq!(fs::read_dir(&to).expect("read").count(), 1, "neither folders nor the lock");
        let refused = copy_folder("copying", &from, &to).expect_err("refused").to_string();
        assert!(refused.contains("is not empty"), "{refused}");
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).expect("made");
        copy_folder("copying", &from, &empty).expect("copied");
    }

    #[test]
    fn what_failed_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        copy_folder("copying", &folder.path().join("not there"), &folder.path().join("to")).expect_err("failed");
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0);
    }
}
