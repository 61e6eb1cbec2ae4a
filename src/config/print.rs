//! The effective settings as YAML, each key under a comment that says what it means.

use hoptrail_proto::units::{Size, Time};
use serde_json::Value;

use super::{Config, docs};

/// `config` as YAML that [`super::load`] reads back to the same settings.
#[must_use]
pub fn to_yaml(config: &Config) -> String {
    yaml("# hoptrail: the effective configuration\n", config, |_, _| true)
}

/// The settings of `config` that are not the defaults, as YAML.
#[must_use]
pub fn to_yaml_changed(config: &Config) -> String {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let is_changed = |pointer: &str, value: &Value| defaults.pointer(pointer) != Some(value);
    yaml("# hoptrail: the settings that are not the defaults\n", config, is_changed)
}

/// The settings that `take` chooses by their JSON pointers and values.
fn yaml(heading: &str, config: &Config, take: impl Fn(&str, &Value) -> bool) -> String {
    let values = serde_json::to_value(config).unwrap_or_default();
    let mut out = String::from(heading);
    let mut section: Vec<&str> = Vec::new();
    for key in docs::keys() {
        let mut path: Vec<&str> = key.path.split('.').collect();
        let Some(name) = path.pop() else { continue };
        let pointer = format!("/{}", key.path.replace('.', "/"));
        let Some(value) = values.pointer(&pointer).filter(|value| take(&pointer, value)) else { continue };
        open_section(&mut out, &mut section, &path);
        let indent = "  ".repeat(path.len());
        for line in wrap(&key.meaning.replace('`', ""), 110 - indent.len()) {
            out.push_str(&format!("{indent}# {line}\n"));
        }
        out.push_str(&format!("{indent}{name}: {}\n", scalar(value)));
    }
    out
}

/// Writes the headings that lead from `current` to `wanted`.
fn open_section<'a>(out: &mut String, current: &mut Vec<&'a str>, wanted: &[&'a str]) {
    if current.as_slice() == wanted {
        return;
    }
    let shared = current.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    for (depth, name) in wanted.iter().enumerate().skip(shared) {
        out.push_str(&format!("\n{}{name}:\n", "  ".repeat(depth)));
    }
    *current = wanted.to_vec();
}

/// Lines of at most about `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

/// A value on one line: JSON, which YAML includes, without the quotes where plain text means the same.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether YAML reads the text as a string without quotes: words, paths, addresses, sizes and durations that look like no number.
fn is_plain(text: &str) -> bool {
    if text.parse::<Size>().is_ok() || text.parse::<Time>().is_ok() {
        return text.ends_with(|c: char| c.is_ascii_alphabetic());
    }
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let first = text.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || (c == '.' && text.contains('/')) || c == '/')
        && text.chars().all(is_tame)
        && !text.ends_with(':')
        && !words.contains(&text.to_ascii_lowercase().as_str())
        || text.parse::<std::net::SocketAddrV4>().is_ok()
}

/// A character that means nothing to YAML inside of a word.
fn is_tame(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._/:=,-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_yaml_would_misread_is_quoted() {
        for text in ["true", "1", "", "a: b", "# x", "-", "~", "1e3", "Null", "x:", "[::]:1", "..", "0x1F", "0", "12"] {
            assert!(!is_plain(text), "{text}");
        }
        for text in [
            "./data",
            "/var/lib/hoptrail",
            "127.0.0.1:4317",
            "info,hoptrail_storage=debug",
            "localhost:80",
            "64MiB",
            "5m",
        ] {
            assert!(is_plain(text), "{text}");
        }
    }
}
