//! What each key means, read from the tables of `docs/configuration.md`.

const PAGE: &str = include_str!("../../docs/configuration.md");

/// One documented key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDoc {
    /// Path of the key, with dots: `listen.otlp_grpc`.
    pub path: &'static str,
    /// The default, as the page writes it.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The documented keys in the page's order.
#[must_use]
pub fn keys() -> Vec<KeyDoc> {
    PAGE.lines().filter_map(row).collect()
}

/// Reads `` | `key` | `default` | meaning | ``; any other line is none.
fn row(line: &'static str) -> Option<KeyDoc> {
    let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.splitn(3, " | ");
    let path = cells.next()?.strip_suffix('`')?;
    let default = cells.next()?.trim_matches('`');
    let meaning = cells.next()?;
    let is_key = path.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c));
    is_key.then_some(KeyDoc { path, default, meaning })
}
