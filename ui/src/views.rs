//! Named searches that everybody of a tenant shares, in one file beside the store.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Most views of a tenant, and of all.
const MOST: usize = 200;
const MOST_OF_ALL: usize = 10_000;
/// Longest name in characters, and longest address.
const LONGEST_NAME: usize = 100;
const LONGEST_SEARCH: usize = 4_000;

/// A search with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// What people call it.
    pub name: String,
    /// Its address on this server: `/search?…`.
    pub search: String,
}

/// Why a view is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// What is wrong with it.
    #[error("{0}")]
    Invalid(String),
    /// There is no room.
    #[error("there are {0} views, and no more are kept: delete some")]
    TooMany(usize),
    /// The file cannot be read or written.
    #[error("the file of views cannot be used: {0}")]
    File(#[from] io::Error),
}

/// By tenant, each by name.
type All = BTreeMap<String, BTreeMap<String, View>>;

/// The views of all tenants.
#[derive(Debug, Default)]
pub struct Views {
    /// Where they are kept; nowhere when the server keeps nothing.
    path: Option<PathBuf>,
    all: Mutex<All>,
    /// Why the file could not be read. Nothing is written over it then.
    unreadable: Option<String>,
}

impl Views {
    /// The views in a file, which may not be there yet.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let (all, unreadable) = match read(path) {
            Ok(all) => (all, None),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "the file of views cannot be read; repair or remove it");
                (All::new(), Some(error.to_string()))
            }
        };
        Self { path: Some(path.to_owned()), all: Mutex::new(all), unreadable }
    }

    /// The views of a tenant, by name.
    #[must_use]
    pub fn of(&self, tenant: &str) -> Vec<View> {
        self.lock().get(tenant).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Keeps a view; one of the same name is replaced. When it returns, it is on the disk.
    ///
    /// # Errors
    /// The view is no view, there are too many, or the file cannot be written.
    pub fn save(&self, tenant: &str, view: View) -> Result<(), ViewError> {
        check(&view)?;
        self.change(|all| {
            let total = all.values().map(BTreeMap::len).sum::<usize>();
            let own = all.entry(tenant.to_owned()).or_default();
            let is_new = !own.contains_key(&view.name);
            if is_new && (own.len() >= MOST || total >= MOST_OF_ALL) {
                return Err(ViewError::TooMany(own.len().max(total.min(MOST_OF_ALL))));
            }
            own.insert(view.name.clone(), view);
            Ok(())
        })
    }

    /// Deletes the view of this name, if there is one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn delete(&self, tenant: &str, name: &str) -> Result<(), ViewError> {
        self.change(|all| {
            all.get_mut(tenant).and_then(|own| own.remove(name));
            all.retain(|_, own| !own.is_empty());
            Ok(())
        })
    }

    /// One change at a time; what is not on the disk is not in memory.
    fn change(&self, change: impl FnOnce(&mut All) -> Result<(), ViewError>) -> Result<(), ViewError> {
        if let Some(reason) = &self.unreadable {
            return Err(ViewError::File(io::Error::other(reason.clone())));
        }
        let mut all = self.lock();
        let mut changed = all.clone();
        change(&mut changed)?;
        if let Some(path) = &self.path {
            write(path, &changed)?;
        }
        *all = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(view: &View) -> Result<(), ViewError> {
    let letters = view.name.chars().count();
    let reason = if letters == 0 || letters > LONGEST_NAME || view.name.trim() != view.name {
        format!("a name has 1 to {LONGEST_NAME} characters, and no spaces at its ends; this one has {letters}")
    } else if view.search.len() > LONGEST_SEARCH {
        format!("the address has {} bytes, and at most {LONGEST_SEARCH} are kept", view.search.len())
    } else if crate::url::local_path(&view.search).is_none_or(|path| path != "/search" && !path.starts_with("/search?"))
    {
        "only addresses of searches are kept, such as /search?service=cart".to_owned()
    } else {
        return Ok(());
    };
    Err(ViewError::Invalid(reason))
}

fn read(path: &Path) -> io::Result<All> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(All::new()),
        Err(error) => Err(error),
    }
}

/// After a crash there is either the file before or the one after.
fn write(path: &Path, all: &All) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(all)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str) -> View {
        View { name: name.to_owned(), search: format!("/search?q={name}") }
    }

    #[test]
    fn views_are_there_after_a_restart_and_tenants_do_not_mix() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("views.json");
        let views = Views::open(&path);
        for name in ["slow", "failed", "slow"] {
            views.save("a", view(name)).expect("saved");
        }
        views.save("b", view("other")).expect("saved");
        views.delete("a", "failed").expect("deleted");
        views.delete("a", "none").expect("nothing to delete");
        let again = Views::open(&path);
        assert_eq!((again.of("a"), again.of("b"), again.of("c")), (vec![view("slow")], vec![view("other")], vec![]));
    }

    #[test]
    fn what_is_no_search_or_too_much_is_refused() {
        let views = Views::default();
        let of = |name: &str, search: &str| View { name: name.into(), search: search.into() };
        let long = "x".repeat(LONGEST_NAME + 1);
        for wrong in [
            of("", "/search"),
            of(" a", "/search"),
            of(&long, "/search"),
            of("a", "/trace/1"),
            of("a", "//evil/search"),
            of("a", "https://evil/search?"),
            of("a", "/searching"),
        ] {
            assert!(matches!(views.save("t", wrong.clone()), Err(ViewError::Invalid(_))), "{wrong:?}");
        }
        for number in 0..MOST {
            views.save("t", view(&number.to_string())).expect("room");
        }
        assert!(matches!(views.save("t", view("more")), Err(ViewError::TooMany(MOST))));
        views.save("t", view("7")).expect("a known name");
    }

    #[test]
    fn a_file_that_cannot_be_read_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("views.json");
        fs::write(&path, "{").expect("written");
        let views = Views::open(&path);
        assert!(matches!(views.save("t", view("a")), Err(ViewError::File(_))));
        assert_eq!(fs::read(&path).expect("read"), b"{");
    }
}
