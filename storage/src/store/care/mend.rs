//! Takes damaged records out of RocksDB's log, so that it opens with all others.
//!
//! What is lost is what the damaged records held: requests of one commit each, or one step that made a segment valid and ended its
//! part of `log`. In the second case pages may be the only place of acknowledged spans although the catalog does not name them, so a
//! start after it takes such segments in, where it else deletes them.

use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use super::aside::{Aside, DAMAGED, sync_folder, write_synced};
use super::wal;

/// A file that says that a start has to take segments in, until one has done so.
const RECOVERING: &str = "recovering";

/// Leaves damaged records out of RocksDB's logs. Says what it left out, a line each; nothing when all are sound.
pub(crate) fn logs(data: &Path) -> io::Result<Vec<String>> {
    let mut aside = Aside::new(data);
    let mut damage = Vec::new();
    for file in log_files(data)? {
        let bytes = fs::read(&file)?;
        let Some(scan) = wal::scan(&bytes).filter(|scan| !scan.damage.is_empty()) else { continue };
        aside.copy(&file)?;
        begin_recovering(data)?;
        let mended = file.with_extension("mended");
        write_synced(&mended, &wal::write(&bytes, &scan.records))?;
        fs::rename(&mended, &file)?;
        sync_folder(data)?;
        damage.extend(places(&file, &scan));
    }
    if let Some(folder) = aside.folder() {
        damage.push(format!("the log as it was is kept in {}", folder.display()));
    }
    Ok(damage)
}

/// Whether RocksDB would open its logs without a word and without some of their records.
pub(crate) fn logs_hide_records(data: &Path) -> io::Result<bool> {
    for path in log_files(data)? {
        let mut file = fs::File::open(path)?;
        file.seek(io::SeekFrom::Start(wal::last_block(file.metadata()?.len())))?;
        let mut block = Vec::new();
        file.read_to_end(&mut block)?;
        if wal::hides_records(&block) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is damaged in RocksDB's logs, and what of it is a write that never ended.
pub(crate) fn look_at_logs(data: &Path) -> io::Result<Vec<String>> {
    let mut damage = Vec::new();
    for file in log_files(data)? {
        match wal::scan(&fs::read(&file)?) {
            Some(scan) => damage.extend(places(&file, &scan)),
            None => damage.push(format!("{}: a form that is not known", file.display())),
        }
    }
    Ok(damage)
}

fn places<'a>(file: &'a Path, scan: &'a wal::Scan) -> impl Iterator<Item = String> + 'a {
    scan.damage
        .iter()
        .map(|place| format!("{}: {} bytes at {} are no record", file.display(), place.len(), place.start))
}

/// RocksDB's logs, oldest first.
pub(super) fn log_files(data: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        let numbered = path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        if numbered && path.extension().is_some_and(|ending| ending == "log") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Makes the next start take in segments that the catalog does not name.
pub(super) fn begin_recovering(data: &Path) -> io::Result<()> {
    let folder = data.join(DAMAGED);
    fs::create_dir_all(&folder)?;
    write_synced(&folder.join(RECOVERING), b"the next start takes in segments that the catalog does not name\n")?;
    sync_folder(&folder)
}

/// Whether segments that the catalog does not name have to be taken in.
pub(crate) fn is_recovering(data: &Path) -> bool {
    data.join(DAMAGED).join(RECOVERING).exists()
}

/// They have been.
pub(crate) fn recovered(data: &Path) -> io::Result<()> {
    fs::remove_file(data.join(DAMAGED).join(RECOVERING))?;
    sync_folder(&data.join(DAMAGED))
}
