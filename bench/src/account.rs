//! The kernel's accounting, read from `/proc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks in a second, as `/proc` counts them (`USER_HZ`; 100 on every Linux architecture of today).
const TICKS: u64 = 100;

/// CPU time that a process used in user and kernel mode, its ended threads included (proc(5), `utime` and `stime`).
pub(crate) fn process_cpu(pid: u32) -> Result<Duration> {
    let text = file(&format!("/proc/{pid}/stat"))?;
    let rest = text.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

/// CPU time that the living threads of a process used, to the nanosecond: for spans of time too short for ticks.
pub(crate) fn threads_cpu(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("the server has ended")? {
        // A thread may end between the listing and the reading.
        if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
            sum += on_cpu(&text)?;
        }
    }
    Ok(sum)
}

/// CPU time that the calling thread used.
pub(crate) fn own_cpu() -> Result<Duration> {
    // The kernel brings the figure of a thread up to date when the thread pauses.
    std::thread::sleep(Duration::from_millis(1));
    on_cpu(&file("/proc/thread-self/schedstat")?)
}

fn on_cpu(schedstat: &str) -> Result<Duration> {
    let nanos = schedstat.split_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// Most memory a process ever had, bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    Ok(field(&file(&format!("/proc/{pid}/status"))?, "VmHWM:")? * 1024)
}

/// Bytes that a process caused to be written to disk.
pub(crate) fn written(pid: u32) -> Result<u64> {
    field(&file(&format!("/proc/{pid}/io"))?, "write_bytes:")
}

/// Bytes that a process caused to be read from disk.
pub(crate) fn read(pid: u32) -> Result<u64> {
    field(&file(&format!("/proc/{pid}/io"))?, "read_bytes:")
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    Ok(line.split_whitespace().next().context("no value")?.parse()?)
}

fn file(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// Bytes of the files of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Folder {
    /// All files.
    pub(crate) all: u64,
    /// Without write-ahead logs and the text logs of RocksDB.
    pub(crate) without_logs: u64,
}

impl Folder {
    /// Adds up a folder and those inside.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let mut sum = Self::default();
        for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
            let entry = entry?;
            // Files come and go while the server works.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                let inner = Self::of(&entry.path())?;
                sum = Self { all: sum.all + inner.all, without_logs: sum.without_logs + inner.without_logs };
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            sum.all += metadata.len();
            if !name.ends_with(".log") && !name.starts_with("LOG") {
                sum.without_logs += metadata.len();
            }
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_accounts() {
        let (own, process) = (own_cpu().expect("readable"), process_cpu(std::process::id()).expect("readable"));
        let mut number = 1_u64;
        let mut rounds = 0;
        while own_cpu().expect("readable") < own + Duration::from_millis(60) {
            for _ in 0..1_000_000 {
                number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
            }
            rounds += 1;
            assert!(rounds < 100_000, "CPU time does not grow");
        }
        assert!(process_cpu(std::process::id()).expect("readable") >= process + Duration::from_millis(20));
        assert!(threads_cpu(std::process::id()).expect("readable") > Duration::ZERO);
        assert!(peak_memory(std::process::id()).expect("readable") > 100_000);
        written(std::process::id()).expect("readable");
    }

    #[test]
    fn logs_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("inner")).expect("made");
        for (name, bytes) in [("1.sst", 10), ("inner/2.sst", 20), ("3.log", 100), ("LOG", 200), ("LOG.old.1", 300)] {
            fs::write(folder.path().join(name), vec![0; bytes]).expect("written");
        }
        assert_eq!(Folder::of(folder.path()).expect("listed"), Folder { all: 630, without_logs: 30 });
    }
}
