//! What this binary was built from, as `build.rs` found out.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::Offset;

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first 12 digits of the commit, or `unknown` when it was not built in a git checkout.
pub const COMMIT: &str = if env!("BUILD_COMMIT").is_empty() { "unknown" } else { env!("BUILD_COMMIT") };

/// The day it was built on (UTC), as `2026-11-29`.
#[must_use]
pub fn build_date() -> String {
    let seconds = env!("BUILD_TIME").parse().unwrap_or_default();
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    Offset::UTC.to_datetime(time).date().to_string()
}

/// All of it for `--version`: `0.1.0 (commit 2f23a8b1c0de, built 2026-11-29)`.
#[must_use]
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let commit = if COMMIT == "unknown" { "unknown commit".to_owned() } else { format!("commit {COMMIT}") };
        format!("{VERSION} ({commit}, built {})", build_date())
    });
    &LONG
}
