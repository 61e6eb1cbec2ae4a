//! The kernel's accounting.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// CPU time that a process used in user and kernel mode, ended threads included: its CPU clock (clock_getcpuclockid(3)).
pub(crate) fn process_cpu(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.try_into()?)).context("the server has ended")?;
    Ok(clock.now()?.into())
}

/// CPU time that the calling thread used.
pub(crate) fn own_cpu() -> Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into())
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
