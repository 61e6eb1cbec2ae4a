//! How much memory the machine, or the container, has for the process.

use std::path::{Path, PathBuf};

/// Bytes of memory that the process may take: those of the machine, or fewer when a control group says so. `None` when neither can be
/// read.
#[must_use]
pub fn memory() -> Option<u64> {
    memory_under(Path::new("/"))
}

fn memory_under(root: &Path) -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(root.join(path)).ok();
    let total = read(Path::new("proc/meminfo")).and_then(|text| of_machine(&text));
    let groups = read(Path::new("proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|path| read(&path)?.trim().parse().ok());
    limits.chain(total).min()
}

fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files with the limits of the process's groups and of the groups around them. A container sees only the outermost folder.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        // `0::/system.slice/hoptrail.service`, or with version 1 `3:cpu,memory:/docker/4bf9`.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (folder, file) = match kinds {
            "" => ("sys/fs/cgroup", "memory.max"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let around = Path::new(group.trim_start_matches('/')).ancestors();
        files.extend(around.map(|group| Path::new(folder).join(group).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths and what stands there.
    type Files<'a> = &'a [(&'a str, &'a str)];

    fn memory_of(files: Files) -> Option<u64> {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        memory_under(root.path())
    }

    #[test]
    fn the_narrowest_limit_counts() {
        let machine = ("proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n");
        let (two, one) = (("proc/self/cgroup", "0::/a/b\n"), ("proc/self/cgroup", "4:cpu:/x\n3:cpu,memory:/a\n"));
        let cases: [(Files, Option<u64>); 8] = [
            (&[], None),
            (&[machine], Some(2 << 20)),
            (&[machine, two, ("sys/fs/cgroup/memory.max", "max\n")], Some(2 << 20)),
            (&[machine, two, ("sys/fs/cgroup/memory.max", "1000\n")], Some(1000)),
            (
                &[machine, two, ("sys/fs/cgroup/a/memory.max", "900\n"), ("sys/fs/cgroup/a/b/memory.max", "max")],
                Some(900),
            ),
            (&[machine, one, ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "800\n")], Some(800)),
            (&[machine, one, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")], Some(2 << 20)),
            (&[("proc/meminfo", "MemTotal: much kB\n"), ("proc/self/cgroup", "nothing")], None),
        ];
        for (files, bytes) in cases {
            assert_eq!(memory_of(files), bytes, "{files:?}");
        }
        assert!(memory().expect("linux") > 1 << 20);
    }
}
