//! What `deny.toml` says of the dependencies, as far as it can be held without a network: licences, duplicates, sources.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The packages that are built on this machine, as `cargo metadata` has them.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs").stdout;
    let version = String::from_utf8(version).expect("rustc prints text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc knows its host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host])
        .current_dir(super::root())
        .output()
        .expect("cargo runs");
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a list");
    let built: BTreeSet<String> = nodes.iter().map(|node| text(&node["id"]).to_owned()).collect();
    let Value::Array(mut packages) = metadata["packages"].take() else { panic!("no list of packages") };
    packages.retain(|package| built.contains(text(&package["id"])));
    assert!(packages.len() > 100, "only {} packages", packages.len());
    packages
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// `deny.toml` without comments.
fn rules() -> String {
    let text = std::fs::read_to_string(super::root().join("deny.toml")).expect("deny.toml is there");
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// The lines of a list in `deny.toml`.
fn list<'a>(rules: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("\n{name} = [\n");
    let rest = rules.split_once(&start).unwrap_or_else(|| panic!("deny.toml has no {name}")).1;
    rest.split_once("\n]").expect("the list has an end").0.lines().map(str::trim).collect()
}

/// The texts in quotes of a line.
fn quoted(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

#[test]
fn licences_are_those_that_are_allowed() {
    let rules = rules();
    let allowed: Vec<&str> = list(&rules, "allow").into_iter().flat_map(quoted).collect();
    let exceptions: Vec<Vec<&str>> = list(&rules, "exceptions").into_iter().map(quoted).collect();
    for package in packages() {
        let (name, license) = (text(&package["name"]), package["license"].as_str().unwrap_or_default());
        let is_exception = exceptions.iter().any(|rule| matches!(rule[..], [of, one] if of == name && one == license));
        assert!(
            is_exception || permits(license, &allowed),
            "{name} is under {license:?}, which deny.toml does not allow"
        );
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"];
    for license in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-2.0", "(GPL-2.0 OR MIT) AND BSD-3-Clause", allowed[3]] {
        assert!(permits(license, &allowed), "{license}");
    }
    for license in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-2.0) AND GPL-3.0", "MPL-2.0"] {
        assert!(!permits(license, &allowed), "{license}");
    }
}

/// Whether an SPDX expression can be met with the allowed licences. `AND` binds before `OR`; `/` is an old way to write `OR`.
fn permits(license: &str, allowed: &[&str]) -> bool {
    let spaced = license.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    any_of(&words, allowed)
}

fn any_of(words: &[&str], allowed: &[&str]) -> bool {
    split(words, "OR").into_iter().any(|part| all_of(part, allowed))
}

fn all_of(words: &[&str], allowed: &[&str]) -> bool {
    split(words, "AND").into_iter().all(|part| match part {
        ["(", inner @ .., ")"] => any_of(inner, allowed),
        names => allowed.contains(&names.join(" ").as_str()),
    })
}

/// What stands between the joining words that are in no bracket.
fn split<'a, 'b>(words: &'a [&'b str], joint: &str) -> Vec<&'a [&'b str]> {
    let mut depth = 0;
    let parts = words.split(|word| {
        match *word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0 && *word == joint
    });
    parts.collect()
}

#[test]
fn no_library_is_there_twice_without_a_reason() {
    let rules = rules();
    let skips: Vec<Vec<&str>> = list(&rules, "skip").into_iter().map(quoted).collect();
    assert!(skips.iter().all(|skip| skip.len() == 2), "each skip names a version and has a reason: {skips:?}");
    let is_skipped = |name: &str, version: &str| {
        skips
            .iter()
            .any(|skip| skip[0].split_once('@').is_some_and(|(of, prefix)| of == name && begins(version, prefix)))
    };
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        if !is_skipped(name, version) {
            versions.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "take one version, or explain a skip in deny.toml: {versions:?}");
}

/// Whether `0.9.5` is a version `0.9`.
fn begins(version: &str, prefix: &str) -> bool {
    version.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
}

#[test]
fn libraries_come_from_crates_io_with_a_version() {
    for package in packages() {
        let name = text(&package["name"]);
        let Some(source) = package["source"].as_str() else { continue };
        assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}");
    }
    let ours = packages().into_iter().filter(|package| package["source"].is_null());
    for package in ours {
        for dependency in package["dependencies"].as_array().expect("a list") {
            let is_open = dependency["req"] == "*" && dependency["path"].is_null();
            assert!(!is_open, "{} takes any version of {}", package["name"], dependency["name"]);
        }
    }
}
