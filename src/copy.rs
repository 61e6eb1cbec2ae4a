//! Copies of a store's folder. A copy is whole or is not taken for a store.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::progress::Progress;

/// Bytes copied between two reports.
const CHUNK: usize = 1 << 20;

/// The subfolder that holds the files of a copy that has not ended.
const INCOMPLETE: &str = ".incomplete-copy";
/// The folder that a file system has from the beginning in its topmost folder.
const LOST_AND_FOUND: &str = "lost+found";
/// The file that is copied last: without it a folder is no store.
const LAST: &str = "CURRENT";

/// Copies the files of `from` into the folder `to`, which may exist when it is empty. `Ok` means that the copy survives a loss of power.
/// A copy that ended too early is never taken for a store.
pub fn copy_folder(label: &str, from: &Path, to: &Path) -> anyhow::Result<()> {
    refuse_used(to)?;
    if to.is_dir() {
        return copy_inside(label, from, to);
    }
    let building = beside(to)?;
    remove(&building)?;
    let copied = copy_into(label, from, &building).and_then(|()| {
        let named = fs::rename(&building, to).and_then(|()| sync(building.parent().unwrap_or(&building)));
        named.with_context(|| format!("cannot name the copy {}", to.display()))
    });
    if copied.is_err() {
        _ = fs::remove_dir_all(&building);
    }
    copied
}

/// The same into a folder that exists. A disk may be mounted there, so the folder cannot be replaced by another one. The files are
/// moved to their names once all of them are on the disk, [`LAST`] at the end.
fn copy_inside(label: &str, from: &Path, to: &Path) -> anyhow::Result<()> {
    let building = to.join(INCOMPLETE);
    remove(&building)?;
    for (file, _) in files(to)? {
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    let moved = copy_into(label, from, &building).and_then(|()| {
        let mut names: Vec<_> =
            files(&building)?.into_iter().filter_map(|(file, _)| Some(file.file_name()?.to_owned())).collect();
        names.sort_by_key(|name| name == LAST);
        for name in names {
            if name == LAST {
                sync(to)?;
            }
            fs::rename(building.join(&name), to.join(&name))
                .with_context(|| format!("cannot move {} into {}", name.display(), to.display()))?;
        }
        sync(to)?;
        Ok(())
    });
    if moved.is_ok() || !to.join(LAST).exists() && files(to).is_ok_and(|files| files.is_empty()) {
        remove(&building)?;
    }
    moved
}

/// Fails when a copy into this folder has begun and not ended.
pub fn refuse_incomplete(folder: &Path) -> anyhow::Result<()> {
    if folder.join(INCOMPLETE).exists() && !folder.join(LAST).exists() {
        bail!("{} is a copy that did not end: run `hoptrail restore` again", folder.display());
    }
    Ok(())
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Fails unless the folder is empty or holds a copy that did not end: nothing else is ever overwritten.
pub fn refuse_used(folder: &Path) -> anyhow::Result<()> {
    let is_incomplete = refuse_incomplete(folder).is_err();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                if entry?.file_name() != LOST_AND_FOUND && !is_incomplete {
                    bail!("{} is not empty: name a new folder", folder.display());
                }
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot look into {}", folder.display())),
    }
}

/// The name of the copy while it is incomplete: `backup.incomplete` for `backup`.
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
        // The lock and the socket belong to the process that has the folder open.
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
    fn a_copy_is_whole_and_overwrites_nothing() {
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

    fn store_files(folder: &Path) -> PathBuf {
        let from = folder.join("from");
        fs::create_dir_all(&from).expect("made");
        for name in ["000001.log", "CURRENT", "MANIFEST-1", "a.sst"] {
            fs::write(from.join(name), name).expect("written");
        }
        from
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("read").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_where_a_disk_is_mounted_is_copied_into() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (store_files(folder.path()), folder.path().join("mount"));
        fs::create_dir_all(to.join(LOST_AND_FOUND)).expect("made");
        copy_folder("copying", &from, &to).expect("copied");
        assert_eq!(names(&to), ["000001.log", "CURRENT", "MANIFEST-1", "a.sst", LOST_AND_FOUND]);
        refuse_incomplete(&to).expect("whole");
        assert!(copy_folder("copying", &from, &to).is_err(), "never over a store");
    }

    #[test]
    fn a_copy_that_was_cut_off_is_noticed_and_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (store_files(folder.path()), folder.path().join("mount"));
        fs::create_dir_all(to.join(INCOMPLETE)).expect("made");
        fs::write(to.join(INCOMPLETE).join("CURRENT"), "CURRENT").expect("written");
        fs::write(to.join("a.sst"), "already moved").expect("written");
        let error = refuse_incomplete(&to).expect_err("cut off").to_string();
        assert!(error.contains("run `hoptrail restore` again"), "{error}");
        copy_folder("copying", &from, &to).expect("copied");
        assert_eq!(names(&to), ["000001.log", "CURRENT", "MANIFEST-1", "a.sst"]);
        assert_eq!(fs::read_to_string(to.join("a.sst")).expect("read"), "a.sst");
    }

    #[test]
    fn a_copy_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        copy_folder("copying", &folder.path().join("not there"), &folder.path().join("to")).expect_err("failed");
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0);
    }
}
