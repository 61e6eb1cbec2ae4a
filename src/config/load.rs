//! Layers the sources of settings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::check::contradictions;
use super::{Config, Error};

/// Where settings come from, apart from the defaults. Later ones win: file, environment, flags.
#[derive(Debug, Default)]
pub struct Sources {
    /// The YAML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not start with `HOPTRAIL_` are ignored.
    pub environment: Vec<(OsString, OsString)>,
    /// `(flag, key, value)`: the flag as the user knows it and the key it sets.
    pub flags: Vec<(String, String, String)>,
}

/// Variables with a meaning of their own.
const NOT_SETTINGS: &[&str] = &[
    "HOPTRAIL_CONFIG",
    #[cfg(test_hooks)]
    crate::kill_at::VARIABLE,
];

/// The effective settings, and the names of `HOPTRAIL_*` variables that set nothing.
pub fn load(sources: &Sources) -> Result<(Config, Vec<String>), Error> {
    let (config, unknown) = layered(sources)?;
    contradictions(&config)?;
    Ok((config, unknown))
}

/// The same, whatever the settings mean together.
pub(super) fn layered(sources: &Sources) -> Result<(Config, Vec<String>), Error> {
    let mut config = match &sources.file {
        Some(path) => read_file(path)?,
        None => Config::default(),
    };
    let mut unknown = Vec::new();
    let keys = leaf_keys();
    for (name, value) in &sources.environment {
        let name = name.to_string_lossy();
        if !name.starts_with("HOPTRAIL_") || NOT_SETTINGS.contains(&name.as_ref()) {
            continue;
        }
        match keys.iter().find(|key| environment_name(key) == name) {
            Some(key) => config = set(config, &name, key, &value.to_string_lossy())?,
            None if is_service_link(&name) => {}
            None => unknown.push(name.into_owned()),
        }
    }
    for (flag, key, value) in &sources.flags {
        if !keys.contains(key) {
            let message = format!("unknown key {key:?}; `hoptrail config` prints every key");
            return Err(Error::Value { origin: flag.clone(), message });
        }
        config = set(config, flag, key, value)?;
    }
    Ok((config, unknown))
}

/// The environment variable that sets a key: `listen.otlp_grpc` is `HOPTRAIL_LISTEN_OTLP_GRPC`.
#[must_use]
pub fn environment_name(key: &str) -> String {
    format!("HOPTRAIL_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// Kubernetes gives every pod variables for each service of its namespace. A service named `hoptrail` must not stop us.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

fn read_file(path: &Path) -> Result<Config, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_path_buf(), source })?;
    let significant = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if !text.lines().any(significant) {
        return Ok(Config::default());
    }
    serde_saphyr::from_str(&text).map_err(|error| Error::Content {
        path: path.to_path_buf(),
        line: error.location().map_or(1, |location| location.line()),
        message: first_line(&error.without_snippet().to_string()),
    })
}

/// The message without the place and the drawing that the parser adds.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Paths of all keys that hold a value, not a section.
pub(super) fn leaf_keys() -> Vec<String> {
    let mut keys = Vec::new();
    let values = serde_json::to_value(Config::default()).unwrap_or_default();
    collect_leaves("", &values, &mut keys);
    keys
}

fn collect_leaves(path: &str, value: &Value, out: &mut Vec<String>) {
    let Value::Object(section) = value else {
        out.push(path.to_owned());
        return;
    };
    for (name, value) in section {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect_leaves(&path, value, out);
    }
}

/// `config` with one key changed; `origin` names the variable or the flag in the error.
fn set(config: Config, origin: &str, key: &str, text: &str) -> Result<Config, Error> {
    let wrong = |message: String| Error::Value { origin: origin.to_owned(), message };
    let mut values = serde_json::to_value(config).map_err(|error| wrong(error.to_string()))?;
    if let Some(place) = values.pointer_mut(&format!("/{}", key.replace('.', "/"))) {
        *place = parse(place, text);
    }
    serde_json::from_value(values).map_err(|error| wrong(format!("{text:?} does not fit: {error}")))
}

/// The text as a value of the kind that stands there now.
fn parse(current: &Value, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match current {
        Value::String(_) => as_text(),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect()
        }
        _ => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use hoptrail_storage::MinFree;

    use super::*;
    use crate::config::{keys, to_yaml};

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("hoptrail.yaml");
        std::fs::write(&path, text).expect("the folder can be written");
        (folder, path)
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let (_folder, path) = file("data: /from/file\nshutdown_grace_seconds: 3\nlog:\n  level: warn\n");
        let sources = Sources {
            file: Some(path),
            environment: environment(&[("HOPTRAIL_DATA", "/from/env"), ("HOPTRAIL_LOG_LEVEL", "debug")]),
            flags: vec![("--data".to_owned(), "data".to_owned(), "/from/flag".to_owned())],
        };
        let (config, _) = load(&sources).expect("valid");
        assert_eq!(config.data, Path::new("/from/flag"));
        assert_eq!(config.log.level, "debug");
        assert_eq!(config.shutdown_grace_seconds, 3);
        assert_eq!(config.listen.ui.to_string(), "127.0.0.1:16686");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_key_and_line() {
        let (_folder, path) = file("data: ./x\nlisten:\n  otlp_gprc: 127.0.0.1:1\n");
        let error = load(&Sources { file: Some(path), ..Sources::default() }).expect_err("unknown key").to_string();
        assert!(error.contains("hoptrail.yaml:3: "), "{error}");
        assert!(error.contains("otlp_gprc"), "{error}");
    }

    #[test]
    fn a_wrong_value_names_its_place() {
        let (_folder, path) = file("listen:\n  ui: nowhere\n");
        let error = load(&Sources { file: Some(path), ..Sources::default() }).expect_err("no address").to_string();
        assert!(error.contains(":2: ") && error.contains("nowhere"), "{error}");

        let environment = environment(&[("HOPTRAIL_SHUTDOWN_GRACE_SECONDS", "soon")]);
        let error = load(&Sources { environment, ..Sources::default() }).expect_err("no number").to_string();
        assert!(error.starts_with("HOPTRAIL_SHUTDOWN_GRACE_SECONDS: \"soon\""), "{error}");
    }

    #[test]
    fn what_must_stay_free_is_auto_or_a_number_wherever_it_is_set() {
        let said = |text: &str| {
            let (_folder, path) = file(&format!("storage:\n  min_free_mb: {text}\n"));
            let variables = environment(&[("HOPTRAIL_STORAGE_MIN_FREE_MB", text)]);
            let flags = vec![("--set".to_owned(), "storage.min_free_mb".to_owned(), text.to_owned())];
            [
                Sources { file: Some(path), ..Sources::default() },
                Sources { environment: variables, ..Sources::default() },
                Sources { flags, ..Sources::default() },
            ]
            .map(|sources| {
                load(&sources).map(|(config, _)| config.storage.min_free_mb).map_err(|error| error.to_string())
            })
        };
        for (text, value) in [("auto", MinFree::Auto), ("0", MinFree::Megabytes(0)), ("100", MinFree::Megabytes(100))] {
            assert_eq!(said(text), [(); 3].map(|()| Ok(value)), "{text}");
        }
        for text in ["-1", "much", "1.5", "true"] {
            for told in said(text) {
                let error = told.expect_err(text);
                assert!(error.contains("number of megabytes"), "{error}");
            }
        }
    }

    #[test]
    fn variables_that_set_nothing_are_named_except_those_of_kubernetes() {
        let environment = environment(&[
            ("HOPTRAIL_PORT", "tcp://10.0.0.1:4317"),
            ("HOPTRAIL_UI_SERVICE_HOST", "10.0.0.1"),
            ("HOPTRAIL_PORT_4317_TCP_ADDR", "10.0.0.1"),
            ("HOPTRAIL_LGO_LEVEL", "debug"),
            ("PATH", "/bin"),
        ]);
        let (_, unknown) = load(&Sources { environment, ..Sources::default() }).expect("valid");
        assert_eq!(unknown, ["HOPTRAIL_LGO_LEVEL"]);
    }

    #[test]
    fn tenants_are_kept_apart_on_both_sides_or_on_none() {
        let both = environment(&[("HOPTRAIL_COLLECTOR_MULTI_TENANT", "true"), ("HOPTRAIL_QUERY_MULTI_TENANT", "true")]);
        let one = environment(&[("HOPTRAIL_QUERY_MULTI_TENANT", "true")]);
        assert!(load(&Sources { environment: both, ..Sources::default() }).is_ok());
        let error = load(&Sources { environment: one, ..Sources::default() }).expect_err("one side").to_string();
        assert!(error.contains("collector.multi_tenant"), "{error}");
    }

    #[test]
    fn lists_are_written_with_commas() {
        let environment = environment(&[("HOPTRAIL_COLLECTOR_CORS_ORIGINS", "https://a.example, https://b.example")]);
        let (config, _) = load(&Sources { environment, ..Sources::default() }).expect("valid");
        assert_eq!(config.collector.cors_origins, ["https://a.example", "https://b.example"]);
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        for text in ["", "# nothing\n\n", "{}"] {
            let (_folder, path) = file(text);
            let (config, _) = load(&Sources { file: Some(path), ..Sources::default() }).expect("valid");
            assert_eq!(to_yaml(&config), to_yaml(&Config::default()), "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_reads_back_to_the_same_settings() {
        let mut config = Config { data: PathBuf::from("/a b: c #d"), ..Config::default() };
        config.log.level = "true".to_owned();
        config.listen.ui = ":0".parse().expect("an address");
        let (_folder, path) = file(&to_yaml(&config));
        let (read, _) = load(&Sources { file: Some(path), ..Sources::default() }).expect("valid");
        let value = |config: &Config| serde_json::to_value(config).expect("settings are JSON");
        assert_eq!(value(&read), value(&config));
    }

    #[test]
    fn every_key_is_documented_with_its_default_and_nothing_else_is() {
        let values = serde_json::to_value(Config::default()).expect("settings are JSON");
        let shown = |path: &str| match values.pointer(&format!("/{}", path.replace('.', "/"))) {
            Some(Value::String(text)) => text.clone(),
            other => other.map(Value::to_string).unwrap_or_default(),
        };
        let documented: Vec<_> = keys().iter().map(|key| (key.path.to_owned(), key.default.to_owned())).collect();
        let mut expected: Vec<_> = leaf_keys().into_iter().map(|key| (key.clone(), shown(&key))).collect();
        let mut sorted = documented;
        sorted.sort();
        expected.sort();
        assert_eq!(sorted, expected, "docs/configuration.md (left) says something else than the code (right)");
    }

    #[test]
    fn no_two_keys_share_an_environment_variable() {
        let keys = leaf_keys();
        let names: HashSet<_> = keys.iter().map(|key| environment_name(key)).collect();
        assert_eq!(names.len(), keys.len());
        assert!(names.iter().all(|name| !is_service_link(name)), "{names:?}");
    }
}
