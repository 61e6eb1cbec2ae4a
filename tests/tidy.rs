//! Rules of the house, held by tests: which crate may name what, file lengths, documents that follow the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

mod circles;
mod dependencies;
mod grafana;

use crate::harness::{Server, get};

/// Files may not be longer.
const LINES: usize = 600;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Each crate of the workspace with the crates it names for building (not for its tests).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let names = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("a list").iter();
        let built = dependencies.filter(|dependency| dependency["kind"].is_null());
        built.map(|dependency| dependency["name"].as_str().expect("a name").to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().expect("a list").iter();
    packages.map(|package| (package["name"].as_str().expect("a name").to_owned(), names(package))).collect()
}

#[test]
fn dependencies_point_one_way() {
    let ours = |names: &BTreeSet<String>| -> BTreeSet<String> {
        names.iter().filter_map(|name| name.strip_prefix("hoptrail-")).map(str::to_owned).collect()
    };
    let allowed = [
        ("hoptrail-proto", [].as_slice()),
        ("hoptrail-storage", &["proto"]),
        ("hoptrail-collector", &["proto", "storage"]),
        ("hoptrail-query", &["proto", "storage"]),
        ("hoptrail-ui", &["proto", "query"]),
        ("hoptrail-demo", &["proto"]),
        ("hoptrail", &["proto", "storage", "collector", "query", "ui", "demo"]),
        ("hoptrail-bench", &["proto", "storage", "demo"]),
    ];
    let found = dependencies();
    assert_eq!(found.len(), allowed.len(), "a new crate needs its arrows here: {:?}", found.keys());
    for (name, allowed) in allowed {
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        let named = ours(&found[name]);
        assert!(named.is_subset(&allowed), "{name} may name {allowed:?}, not {named:?}");
    }
}

#[test]
fn some_libraries_belong_to_few_crates() {
    let owners = [
        ("opentelemetry-proto", ["hoptrail-proto"].as_slice()),
        ("rocksdb", &["hoptrail-storage"]),
        ("askama", &["hoptrail-ui"]),
        ("anyhow", &["hoptrail", "hoptrail-bench"]),
        ("clap", &["hoptrail", "hoptrail-bench"]),
        ("mimalloc", &["hoptrail"]),
    ];
    let found = dependencies();
    for (library, owners) in owners {
        let users: Vec<_> = found.iter().filter(|(_, names)| names.contains(library)).map(|(name, _)| name).collect();
        assert_eq!(users, owners, "{library} belongs to {owners:?} alone");
    }
}

/// Paths of the project's files from its root, without what git ignores.
pub(crate) fn paths() -> Vec<String> {
    let listed = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("names are UTF-8");
    listed.lines().filter(|path| root().join(path).exists()).map(str::to_owned).collect()
}

/// Source files of the project with these endings, without what tools made.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let wanted = |path: &String| endings.iter().any(|ending| path.ends_with(ending)) && !path.contains("/fixtures/");
    paths().into_iter().filter(wanted).map(|path| root().join(path)).collect()
}

#[test]
fn files_stay_short() {
    let files = files(&[".rs", ".js", ".css", ".html", ".sh"]);
    assert!(files.len() > 30, "the files were not found");
    let long: Vec<String> = files
        .iter()
        .filter_map(|path| {
            let lines = std::fs::read_to_string(path).ok()?.lines().count();
            (lines > LINES).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "more than {LINES} lines: {long:#?}");
}

#[test]
fn nothing_is_left_to_do_in_the_code() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    for path in files(&[".rs", ".js", ".css", ".html", ".sh", "Makefile"]) {
        let text = std::fs::read_to_string(&path).expect("source is UTF-8");
        for mark in marks {
            assert!(!text.contains(mark), "{} says {mark}", path.display());
        }
    }
}

/// The store stands on traits. What implements them with RocksDB is one folder, and nothing else knows it.
#[test]
fn only_one_folder_names_rocksdb() {
    let marks = [concat!("rocks", "db::"), concat!("Rocks", "Db")];
    let mut owners = 0;
    for path in files(&[".rs"]) {
        let text = std::fs::read_to_string(&path).expect("source is UTF-8");
        let lines = text.lines().filter(|line| !line.contains(concat!("self::rocks", "db::")));
        let named: Vec<&str> = lines.filter(|line| marks.iter().any(|mark| line.contains(mark))).collect();
        let is_owner = path.starts_with(root().join("storage/src/backend/rocksdb"));
        owners += usize::from(is_owner && !named.is_empty());
        assert!(is_owner || named.is_empty(), "{} names RocksDB: {named:#?}", path.display());
    }
    assert!(owners > 3, "the folder was not found");
}

/// Who may read the environment. Everyone else takes settings, so that `hoptrail config` shows all that matters.
const READERS: [&str; 5] =
    ["build.rs", "src/config/", "src/commands/settings.rs", "src/kill_at.rs", "bench/src/server.rs"];

#[test]
fn settings_are_the_only_way_in() {
    let reads = concat!("env", "::var");
    for path in files(&[".rs"]) {
        let name = path.strip_prefix(root()).expect("inside").to_string_lossy().into_owned();
        let allowed = name.starts_with("tests/") || READERS.iter().any(|reader| name.starts_with(reader));
        let text = std::fs::read_to_string(&path).expect("source is UTF-8");
        assert!(allowed || !text.contains(reads), "{name} reads the environment");
    }
}

/// A release build has no line after this one.
const TEST_HOOKS: &str = "#[cfg(test_hooks)]";

#[test]
fn a_release_cannot_be_killed_by_a_variable() {
    let script = std::fs::read_to_string(root().join("build.rs")).expect("readable");
    let condition = "== Ok(\"debug\") {\n        println!(\"cargo::rustc-cfg=test_hooks\");\n    }\n";
    assert_eq!(script.matches("rustc-cfg=test_hooks").count(), 1);
    assert!(script.contains(condition), "only the dev profile has test hooks");
    let mut uses = 0;
    for path in files(&[".rs"]).into_iter().filter(|path| path.starts_with(root().join("src"))) {
        let text = std::fs::read_to_string(&path).expect("source is UTF-8");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[1].contains("kill_at")) {
            assert_eq!(pair[0], TEST_HOOKS, "{}: {}", path.display(), pair[1]);
            uses += 1;
        }
    }
    assert_eq!(uses, 3, "the module, its use, and its variable");
}

/// Names in backquotes at the beginning of table rows.
fn documented(page: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(page)).expect("the page exists");
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(|name| name.split('{').next().unwrap_or(name).to_owned())
        .collect()
}

/// The metric a line of the exposition or of the page is about, without the endings that its type adds.
fn family(name: &str) -> &str {
    name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name)
}

#[test]
fn every_metric_is_documented_and_exists() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    let text = get(&server.ui, "/metrics").2;
    let served: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(|name| family(name).to_owned())
        .collect();
    server.stop();
    // A family without a child yet is not served, so the source is asked as well.
    let known: BTreeSet<String> = served.into_iter().chain(registered()).collect();
    let documented: BTreeSet<String> =
        documented("docs/metrics.md").iter().map(|name| family(name).to_owned()).collect();
    assert_eq!(known, documented, "the code (left) and docs/metrics.md (right) differ");
}

/// Names that the source registers: the string after each `register(`.
fn registered() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(&[".rs"]) {
        let text = std::fs::read_to_string(&path).expect("source is UTF-8");
        let calls = text.split("register(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        names.extend(calls.filter_map(|rest| rest.split('"').next()).filter(is_name).map(str::to_owned));
    }
    names
}
