//! Takes damaged records out of RocksDB's log, so that it opens with all others.
//!
//! Only the damaged records are lost. Such a record holds the requests of one commit, or a step that made a segment valid and ended its
//! part of the log. In the second case the catalog does not name the segment, but its pages may be the only copy of acknowledged spans. So
//! the next start adopts segments without an entry; other starts delete them.

use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use super::wal;
use crate::backend::quarantine::{DAMAGED, Quarantine, sync_folder, write_synced};

/// A file that says that a start has to adopt segments, until one has done so.
const RECOVERING: &str = "recovering";

/// Removes damaged records from RocksDB's logs. Answers one line for each removed record; no line when all are sound.
pub(super) fn repair_logs(data: &Path) -> io::Result<Vec<String>> {
    let mut quarantine = Quarantine::new(data);
    let mut damage = Vec::new();
    for file in log_files(data)? {
        let bytes = fs::read(&file)?;
        let Some(scan) = wal::scan(&bytes).filter(|scan| !scan.damage.is_empty()) else { continue };
        quarantine.copy(&file)?;
        begin_recovering(data)?;
        let repaired = file.with_extension("repaired");
        write_synced(&repaired, &wal::write(&bytes, &scan.records))?;
        fs::rename(&repaired, &file)?;
        sync_folder(data)?;
        damage.extend(locations(&file, &scan));
    }
    if let Some(folder) = quarantine.folder() {
        damage.push(format!("the log as it was is kept in {}", folder.display()));
    }
    Ok(damage)
}

/// Whether RocksDB would open its logs without an error but miss some of their records.
pub(super) fn logs_hide_records(data: &Path) -> io::Result<bool> {
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

/// The damage in RocksDB's logs, one line each. An unfinished write is named as one.
pub(super) fn look_at_logs(data: &Path) -> io::Result<Vec<String>> {
    let mut damage = Vec::new();
    for file in log_files(data)? {
        match wal::scan(&fs::read(&file)?) {
            Some(scan) => damage.extend(locations(&file, &scan)),
            None => damage.push(format!("{}: a form that is not known", file.display())),
        }
    }
    Ok(damage)
}

fn locations<'a>(file: &'a Path, scan: &'a wal::Scan) -> impl Iterator<Item = String> + 'a {
    scan.damage
        .iter()
        .map(|range| format!("{}: {} bytes at {} are no record", file.display(), range.len(), range.start))
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

/// Makes the next start adopt segments that the catalog does not name.
pub(super) fn begin_recovering(data: &Path) -> io::Result<()> {
    let folder = data.join(DAMAGED);
    fs::create_dir_all(&folder)?;
    write_synced(&folder.join(RECOVERING), b"the next start adopts segments that the catalog does not name\n")?;
    sync_folder(&folder)
}

/// Whether segments that the catalog does not name have to be adopted.
pub(super) fn is_recovering(data: &Path) -> bool {
    data.join(DAMAGED).join(RECOVERING).exists()
}

/// Notes that they have been adopted.
pub(super) fn end_recovering(data: &Path) -> io::Result<()> {
    if !is_recovering(data) {
        return Ok(());
    }
    fs::remove_file(data.join(DAMAGED).join(RECOVERING))?;
    sync_folder(&data.join(DAMAGED))
}
