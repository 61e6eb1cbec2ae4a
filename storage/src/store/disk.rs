//! Free space on the disk. Writes are refused while there is little. So accepted spans can still be sealed, and the database below, which
//! stops when one of its own writes fails, never meets a full disk.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use hoptrail_proto::units::Size;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::{Config, DiskSpace, MinFree, lock};
use crate::backend::BackendError;

const MB: u64 = 1 << 20;

/// What an empty store takes, about.
const EMPTY: u64 = 16;

/// Why writes are refused now.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the disk is read-only")]
    ReadOnly,
    #[error("the disk is nearly full: {free_mb} MB are free, {least_mb} MB must be (storage.min_free)")]
    NearlyFull { free_mb: u64, least_mb: u64 },
    /// The last write failed.
    #[error(transparent)]
    Failed(#[from] BackendError),
}

/// The settings that say how much space the disk must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct DiskConfig {
    pub(super) min_free: MinFree,
    pub(super) head_size: usize,
    pub(super) retention_size: u64,
}

impl From<&Config> for DiskConfig {
    fn from(config: &Config) -> Self {
        Self { min_free: config.min_free, head_size: config.head_size, retention_size: config.retention_size }
    }
}

/// The file system that holds the data folder. Without a folder there is always room.
#[derive(Debug)]
pub(super) struct Disk {
    path: Option<PathBuf>,
    settings: DiskConfig,
    refusing: AtomicBool,
    /// Guards the error of the last write, if it failed.
    failed: Mutex<Option<BackendError>>,
}

/// A file system as it is at one moment.
#[derive(Debug, Clone, Copy)]
struct Volume {
    total: u64,
    free: u64,
    read_only: bool,
}

impl Disk {
    pub(super) fn new(path: Option<&Path>, settings: DiskConfig) -> Self {
        Self { path: path.map(Path::to_owned), settings, refusing: AtomicBool::new(false), failed: Mutex::default() }
    }

    /// Logs when writes begin to be refused, and when they are accepted again.
    pub(super) fn report(&self, written: &Result<(), Refusal>) {
        let refused = self.refusing.swap(written.is_err(), Ordering::Relaxed);
        match written {
            Err(reason) if !refused => tracing::error!(%reason, "writes are refused until this changes; queries go on"),
            Ok(()) if refused => tracing::info!("writes are taken again"),
            _ => {}
        }
    }

    /// Remembers how a write ended.
    pub(super) fn remember(&self, written: Result<(), BackendError>) -> Result<(), Refusal> {
        lock(&self.failed).clone_from(&written.as_ref().err().cloned());
        Ok(written?)
    }

    /// Fails unless enough stays free after so many bytes more. It costs one system call, about a microsecond.
    pub(super) fn has_room_for(&self, bytes: u64) -> Result<(), Refusal> {
        // When the file system does not tell, nothing is tested: the write itself will fail.
        self.volume().map_or(Ok(()), |volume| volume.has_room_for(bytes, &self.settings))
    }

    /// Why writes are refused now: there is too little space, or the last write failed.
    pub(super) fn refuses(&self) -> Option<Refusal> {
        self.has_room_for(0).err().or_else(|| lock(&self.failed).clone().map(Refusal::Failed))
    }

    /// Each setting that the file system is too small for, as a sentence. `own` is the bytes of segments.
    pub(super) fn misfits(&self, own: u64) -> Vec<String> {
        self.volume().map(|volume| volume.misfits(own, &self.settings)).unwrap_or_default()
    }

    /// How much is free, and how much must be.
    pub(super) fn space(&self) -> Option<DiskSpace> {
        let Volume { total, free, .. } = self.volume()?;
        Some(DiskSpace { free, least: self.settings.min_free.bytes(total) })
    }

    fn volume(&self) -> Option<Volume> {
        let found = statvfs(self.path.as_deref()?).ok()?;
        Some(Volume {
            total: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bavail.saturating_mul(found.f_frsize),
            read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    }
}

impl Volume {
    fn has_room_for(&self, bytes: u64, settings: &DiskConfig) -> Result<(), Refusal> {
        if self.read_only {
            return Err(Refusal::ReadOnly);
        }
        let least = settings.min_free.bytes(self.total);
        if self.free < least.saturating_add(bytes) {
            return Err(Refusal::NearlyFull { free_mb: self.free / MB, least_mb: least / MB });
        }
        Ok(())
    }

    fn misfits(&self, own: u64, settings: &DiskConfig) -> Vec<String> {
        let (total, least) = (self.total / MB, settings.min_free.bytes(self.total) / MB);
        let Some(left) = total.checked_sub(least.saturating_add(EMPTY)).filter(|left| *left > 0) else {
            return vec![format!(
                "the volume of the data folder has {total} MB, of which {least} MB must stay free (storage.min_free) and an empty \
                 store takes {EMPTY} MB: no span can ever be taken; lower storage.min_free or use a larger volume"
            )];
        };
        let mut misfits = Vec::new();
        // Spans that do not compress take twice their memory on the disk: in the log, and then in a segment.
        let head = (settings.head_size as u64 / MB).saturating_mul(2);
        if head > left {
            let fits = left / 2;
            misfits.push(format!(
                "the volume of the data folder has {total} MB, too few for storage.head_size: beside {least} MB that stay free \
                 (storage.min_free) there is room for {left} MB, and log and segment of a full head take up to {head} MB. Spans may \
                 be refused before they are sealed; set storage.head_size to {fits}MiB or less, or use a larger volume"
            ));
        }
        let keep = settings.retention_size;
        // The volume may also hold files of others.
        let not_of_others = (self.free.saturating_add(own) / MB).saturating_sub(least);
        let fits = left.min(not_of_others).saturating_sub(head);
        if keep > fits.saturating_mul(MB) {
            let advice =
                if fits > 0 { format!("set it to {fits}MiB or less") } else { "use a larger volume".to_owned() };
            misfits.push(format!(
                "storage.retention_size is {}, and the volume of the data folder has {total} MB, of which {fits} MB are left for \
                 segments: the disk is full before the oldest spans are dropped, and new ones are refused then; {advice}",
                Size(keep)
            ));
        }
        misfits
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::Cause;
    use crate::conformance::wait;
    use crate::store::tests::{NOW, small, span, tenant};
    use crate::test_spans::encode;
    use crate::{FakeClock, SpanBatch, SpanWriter, Store};

    fn disk(path: &Path, min_free: u64) -> Disk {
        let config = Config { min_free: MinFree::Bytes(min_free), ..Config::default() };
        Disk::new(Some(path), DiskConfig::from(&config))
    }

    fn volume(total_mb: u64, free_mb: u64) -> Volume {
        Volume { total: total_mb * MB, free: free_mb * MB, read_only: false }
    }

    #[test]
    fn what_must_stay_free_counts_against_what_is_to_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let found = statvfs(folder.path()).expect("a file system");
        let free = found.f_bavail * found.f_frsize;
        assert!(disk(folder.path(), free / 2).has_room_for(0).is_ok());
        assert!(disk(folder.path(), free / 2).has_room_for(free).is_err());
        let full = disk(folder.path(), free * 2);
        let reason = full.has_room_for(0).expect_err("refused").to_string();
        assert!(reason.contains("storage.min_free"), "{reason}");
        assert_eq!(full.refuses().map(|refusal| refusal.to_string()), Some(reason));
        assert!(disk(Path::new("/no/such/folder"), u64::MAX).has_room_for(0).is_ok());
        assert!(Disk::new(None, DiskConfig::from(&Config::default())).has_room_for(u64::MAX).is_ok());
    }

    #[test]
    fn the_default_bound_fits_the_volume() {
        let config = DiskConfig::from(&Config::default());
        for (total, enough, too_few) in [(300, 38, 37), (1 << 10, 128, 127), (4 << 10, 512, 511), (1 << 20, 512, 511)] {
            assert!(volume(total, enough).has_room_for(0, &config).is_ok(), "{total}");
            assert!(volume(total, too_few).has_room_for(0, &config).is_err(), "{total}");
        }
        let fixed = DiskConfig { min_free: MinFree::Bytes(512 * MB), ..config };
        assert!(volume(300, 300).has_room_for(0, &fixed).is_err(), "what is set stays as it is set");
    }

    #[test]
    fn a_volume_too_small_for_the_settings_is_told_with_what_to_set() {
        let with = |min_free, head_mb: usize, retention_mb: u64| DiskConfig {
            min_free,
            head_size: head_mb << 20,
            retention_size: retention_mb * MB,
        };
        let (auto, fixed) = (MinFree::Auto, |mb: u64| MinFree::Bytes(mb * MB));
        let huge = DiskConfig { min_free: MinFree::Bytes(u64::MAX), head_size: usize::MAX, retention_size: u64::MAX };
        let cases: [(u64, DiskConfig, &[&str]); 10] = [
            (1 << 10, with(auto, 128, 0), &[]),
            (1 << 10, with(auto, 128, 600), &[]),
            (300, with(auto, 64, 0), &[]),
            (300, with(auto, 128, 0), &["has 300 MB", "storage.head_size to 123MiB or less"]),
            (300, with(fixed(512), 128, 0), &["512 MB must stay free (storage.min_free)", "no span can ever be taken"]),
            (300, with(fixed(284), 8, 0), &["no span can ever be taken"]),
            (10, with(auto, 128, 0), &["no span can ever be taken"]),
            (1 << 10, with(auto, 128, 900), &["storage.retention_size is 900MiB", "set it to 624MiB or less"]),
            (1 << 10, with(fixed(900), 64, 900), &["storage.head_size to 54MiB or less", "use a larger volume"]),
            (1 << 10, huge, &["no span can ever be taken"]),
        ];
        for (total, config, parts) in cases {
            let told = volume(total, total).misfits(0, &config).join("\n");
            assert_eq!(told.is_empty(), parts.is_empty(), "{total} {config:?}: {told}");
            parts.iter().for_each(|part| assert!(told.contains(part), "{part:?} is not in {told:?}"));
        }
    }

    #[test]
    fn what_others_keep_on_the_volume_is_not_for_segments() {
        let config = DiskConfig { retention_size: 2000 * MB, ..DiskConfig::from(&Config::default()) };
        for (free, own, told) in [(5000, 0, 0), (2000, 0, 1), (2000, 800, 0), (1000, 1700, 1), (0, 0, 1)] {
            let misfits = volume(10_000, free).misfits(own * MB, &config);
            assert_eq!(misfits.len(), told, "{free} {own}: {misfits:?}");
        }
    }

    #[test]
    fn a_write_that_failed_is_why_they_are_refused_until_one_succeeds() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = disk(folder.path(), 0);
        for (written, refused) in [(Err(BackendError::Failed(Cause::new("broken"))), Some("broken")), (Ok(()), None)] {
            let remembered = disk.remember(written).err().map(|refusal| refusal.to_string());
            assert_eq!(remembered.as_deref(), refused);
            assert_eq!(disk.refuses().map(|refusal| refusal.to_string()).as_deref(), refused);
        }
    }

    #[test]
    fn a_store_that_cannot_seal_says_so_once_it_refuses_spans() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, clock) = (Config { head_spans: 10, ..small() }, Arc::new(FakeClock::at(NOW)));
        let store = Store::open(folder.path(), &config, clock, &mut Registry::default()).expect("opens");
        let staging = folder.path().join("staging");
        std::fs::remove_dir(&staging).expect("it is empty");
        let write = |trace| {
            let spans: Vec<_> = (1..=10).map(|id| span(trace, id, "a")).collect();
            wait(store.write(SpanBatch { tenant: tenant(), body: encode(&spans).into(), spans: 10 }))
        };
        for trace in 1..=4 {
            assert_eq!(store.room().refused, None);
            write(trace).expect("written");
        }
        assert!(store.settle().is_err());
        let reason = store.room().refused.expect("refused");
        assert!(reason.contains("cannot be sealed"), "{reason}");
        assert!(write(5).is_err());
        std::fs::create_dir(&staging).expect("made");
        store.settle().expect("settled");
        assert_eq!(store.room().refused, None);
        write(5).expect("written");
    }
}
