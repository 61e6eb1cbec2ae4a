//! Tells the binary which commit it is built from and when, and whether it has the hooks of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for file in files_of_the_commit() {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    println!("cargo::rustc-env=BUILD_COMMIT={}", commit().unwrap_or_default());
    println!("cargo::rustc-env=BUILD_TIME={}", time());
    println!("cargo::rustc-check-cfg=cfg(test_hooks)");
    // Not `debug_assertions`: the dev profile has none, so that it measures what a release does.
    if std::env::var("PROFILE").as_deref() == Ok("debug") {
        println!("cargo::rustc-cfg=test_hooks");
    }
}

/// The commit that is checked out; `None` where this is no checkout.
fn commit() -> Option<String> {
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// What git writes when another commit is checked out or made. A file that does not exist would let cargo build each time.
fn files_of_the_commit() -> Vec<PathBuf> {
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].map(str::to_owned).into_iter().chain(branch);
    let files = names.filter_map(|name| git(&["rev-parse", "--git-path", &name])).map(PathBuf::from);
    files.filter(|file| file.exists()).collect()
}

/// Asks git about this folder, unless it only lies somewhere in another project's checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join(".git").exists().then_some(())?;
    let output = Command::new("git").current_dir(here).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Seconds since 1970. A build that shall be reproducible says them: <https://reproducible-builds.org/specs/source-date-epoch/>.
#[expect(clippy::disallowed_methods, reason = "a build has no clock to be given")]
fn time() -> u64 {
    let said = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    said.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()))
}
