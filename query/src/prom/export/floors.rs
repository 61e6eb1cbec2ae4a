//! What must not fall after a restart: totals that were said and that late spans took something back of.
//!
//! They are few, and are kept in a file. Without it a counter would fall once after a restart, which Prometheus takes for a new
//! beginning.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use hoptrail_storage::{Bucket, Cell, Durations, RollupTable};
use serde::{Deserialize, Serialize};

use super::Key;
use crate::prom::labels::Labels;

/// The floors of all tenants, by their names.
pub(super) type Floors = HashMap<String, HashMap<Key, Cell>>;

/// The file of the floors, and what it has now.
#[derive(Debug, Default)]
pub(super) struct File {
    path: Option<PathBuf>,
    written: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Floor {
    tenants: String,
    edges: bool,
    labels: BTreeMap<String, String>,
    count: i64,
    errors: i64,
    bytes: i64,
    durations: Kept,
    caller: Kept,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    nanos: i64,
    buckets: Vec<(i16, i64)>,
}

impl File {
    /// Reads a file that may not be there. One that cannot be understood counts as empty.
    pub(super) fn read(path: &Path) -> (Self, Floors) {
        let written = std::fs::read_to_string(path).unwrap_or_default();
        let mut floors = Floors::new();
        for floor in serde_json::from_str::<Vec<Floor>>(&written).unwrap_or_default() {
            let (tenants, key, cell) = floor.read();
            floors.entry(tenants).or_default().insert(key, cell);
        }
        (Self { path: Some(path.to_path_buf()), written }, floors)
    }

    /// Writes the floors, if they are others than the file has.
    pub(super) fn write<'f>(&mut self, floors: impl Iterator<Item = (&'f String, &'f HashMap<Key, Cell>)>) {
        let Some(path) = &self.path else { return };
        let all = floors.flat_map(|(tenants, floors)| floors.iter().map(|(key, cell)| Floor::of(tenants, key, cell)));
        let mut all: Vec<Floor> = all.collect();
        all.sort_by(|one, other| (&one.tenants, &one.labels).cmp(&(&other.tenants, &other.labels)));
        let text = serde_json::to_string(&all).unwrap_or_default();
        if text == self.written || all.is_empty() && self.written.is_empty() {
            return;
        }
        match replace(path, &text) {
            Ok(()) => self.written = text,
            Err(error) => tracing::warn!(%error, path = %path.display(), "span metrics may fall after a restart"),
        }
    }
}

/// Writes a file that is there whole or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let part = path.with_extension("part");
    std::fs::write(&part, text)?;
    std::fs::rename(part, path)
}

impl Floor {
    fn of(tenants: &str, (table, labels): &Key, cell: &Cell) -> Self {
        let Cell { count, errors, bytes, durations, caller, .. } = cell;
        Self {
            tenants: tenants.to_owned(),
            edges: *table == RollupTable::Edges,
            labels: labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            count: *count,
            errors: *errors,
            bytes: *bytes,
            durations: Kept::of(durations),
            caller: Kept::of(caller),
        }
    }

    fn read(self) -> (String, Key, Cell) {
        let table = if self.edges { RollupTable::Edges } else { RollupTable::Spans };
        let labels = self.labels.into_iter().fold(Labels::default(), |labels, (name, value)| labels.with(name, value));
        let Self { count, errors, bytes, .. } = self;
        let (durations, caller) = (self.durations.read(), self.caller.read());
        (self.tenants, (table, labels), Cell { count, errors, bytes, durations, caller, ..Cell::default() })
    }
}

impl Kept {
    fn of(durations: &Durations) -> Self {
        let buckets = durations.buckets.iter().map(|(bucket, count)| (bucket.0, *count)).collect();
        // 292 years of durations.
        Self { nanos: i64::try_from(durations.sum_nanos).unwrap_or(i64::MAX), buckets }
    }

    fn read(self) -> Durations {
        let buckets = self.buckets.into_iter().map(|(bucket, count)| (Bucket(bucket), count)).collect();
        Durations { sum_nanos: i128::from(self.nanos), bounds: None, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_there_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sub/floors.json");
        let (mut file, none) = File::read(&path);
        assert!(none.is_empty());
        file.write(none.iter());
        assert!(!path.exists(), "nothing to keep, no file");
        let durations = Durations { sum_nanos: 7, bounds: None, buckets: vec![(Bucket::ZERO, 1), (Bucket(-3), 2)] };
        let cell = Cell { count: 3, errors: 1, durations, ..Cell::default() };
        let key = (RollupTable::Edges, Labels::default().with("client", "a\"b"));
        let floors = Floors::from([("t".to_owned(), HashMap::from([(key, cell)]))]);
        file.write(floors.iter());
        let (mut file, read) = File::read(&path);
        assert_eq!(read, floors);
        file.write(none.iter());
        assert_eq!(File::read(&path).1, none, "what caught up is kept no longer");
        std::fs::write(&path, "[{").expect("written");
        assert_eq!(File::read(&path).1, none);
    }
}
