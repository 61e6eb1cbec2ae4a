//! Layers the sources of settings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::check::contradictions;
use super::renamed::{RENAMED, hint};
use super::{Config, Error, YamlError};

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

/// Variables that are no settings.
const NOT_SETTINGS: &[&str] = &[
    "HOPTRAIL_CONFIG",
    "HOPTRAIL_ADDRESS",
    "HOPTRAIL_TENANT",
    #[cfg(test_hooks)]
    crate::kill_at::VARIABLE,
];

/// The effective settings, and the names of `HOPTRAIL_*` variables that set nothing.
pub fn load(sources: &Sources) -> Result<(Config, Vec<String>), Error> {
    let (config, unknown) = layered(sources)?;
    contradictions(&config)?;
    Ok((config, unknown))
}

/// The same, without looking for contradictions.
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
        if let Some(key) = keys.iter().find(|key| environment_name(key) == name) {
            config = set(config, &name, key, &value.to_string_lossy())?;
        } else if let Some((old, _)) = RENAMED.iter().find(|(old, _)| environment_name(old) == name) {
            return Err(unknown_key(&name, old));
        } else if !is_service_link(&name) {
            unknown.push(name.into_owned());
        }
    }
    for (flag, key, value) in &sources.flags {
        if !keys.contains(key) {
            return Err(unknown_key(flag, key));
        }
        config = set(config, flag, key, value)?;
    }
    config.collector.tenancy = config.tenancy.mode;
    config.query.tenancy = config.tenancy.mode;
    Ok((config, unknown))
}

/// The environment variable that sets a key: `listen.otlp_grpc` is `HOPTRAIL_LISTEN_OTLP_GRPC`.
#[must_use]
pub fn environment_name(key: &str) -> String {
    format!("HOPTRAIL_{}", key.replace('.', "_").to_ascii_uppercase())
}

fn unknown_key(origin: &str, key: &str) -> Error {
    Error::UnknownKey { origin: origin.to_owned(), key: key.to_owned(), hint: hint(key) }
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
    if !text.lines().any(says_something) {
        return Ok(Config::default());
    }
    serde_saphyr::from_str(&text).map_err(|parser| Error::Content {
        path: path.to_path_buf(),
        line: parser.location().map_or(1, |location| location.line()),
        source: Box::new(YamlError { parser, hints: renamed_keys(&text) }),
    })
}

/// Whether a line of YAML is more than space and a comment.
fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

/// The new names of the keys in a file that have been renamed.
fn renamed_keys(yaml: &str) -> String {
    let mut keys = Vec::new();
    if let Ok(values) = serde_saphyr::from_str::<Value>(yaml) {
        collect_leaves("", &values, &mut keys);
    }
    keys.iter().map(|key| hint(key)).collect()
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
    let unfit = |source| Error::Unfit { origin: origin.to_owned(), text: text.to_owned(), source };
    let mut values = serde_json::to_value(config).map_err(unfit)?;
    if let Some(value) = values.pointer_mut(&format!("/{}", key.replace('.', "/"))) {
        *value = parse(value, text);
    }
    serde_json::from_value(values).map_err(unfit)
}

/// The text as a value of the kind that stands there now.
fn parse(current: &Value, text: &str) -> Value {
    match current {
        Value::String(_) => Value::from(text),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect()
        }
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use hoptrail_proto::model::Tenancy;
    use hoptrail_storage::MinFree;

    use super::*;
    use crate::config::{keys, to_yaml};

    /// The error with its causes, as the command line prints it.
    fn whole(error: &Error) -> String {
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
    }

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
        let (_folder, path) = file("data: /from/file\nshutdown_grace: 3s\nlog:\n  level: warn\n");
        let sources = Sources {
            file: Some(path),
            environment: environment(&[("HOPTRAIL_DATA", "/from/env"), ("HOPTRAIL_LOG_LEVEL", "debug")]),
            flags: vec![("--data".to_owned(), "data".to_owned(), "/from/flag".to_owned())],
        };
        let (config, _) = load(&sources).expect("valid");
        assert_eq!(config.data, Path::new("/from/flag"));
        assert_eq!(config.log.level, "debug");
        assert_eq!(config.shutdown_grace, Duration::from_secs(3));
        let (_, ui) = config.listen.endpoints().last().expect("the web UI");
        assert_eq!(ui.to_string(), "127.0.0.1:16686");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_key_and_line() {
        let (_folder, path) = file("data: ./x\nlisten:\n  otlp_gprc: 127.0.0.1:1\n");
        let error = whole(&load(&Sources { file: Some(path), ..Sources::default() }).expect_err("unknown key"));
        assert!(error.contains("hoptrail.yaml:3: "), "{error}");
        assert!(error.contains("otlp_gprc"), "{error}");
    }

    #[test]
    fn a_wrong_value_says_where_it_stands() {
        let (_folder, path) = file("listen:\n  ui: nowhere\n");
        let error = whole(&load(&Sources { file: Some(path), ..Sources::default() }).expect_err("no address"));
        assert!(error.contains(":2: ") && error.contains("nowhere"), "{error}");

        let environment = environment(&[("HOPTRAIL_SHUTDOWN_GRACE", "soon")]);
        let error = whole(&load(&Sources { environment, ..Sources::default() }).expect_err("no duration"));
        assert!(error.starts_with("HOPTRAIL_SHUTDOWN_GRACE: \"soon\" does not fit: "), "{error}");
        assert!(error.contains("for example 5m"), "{error}");
    }

    #[test]
    fn what_must_stay_free_is_auto_or_a_size_wherever_it_is_set() {
        let said = |text: &str| {
            let (_folder, path) = file(&format!("storage:\n  min_free: {text}\n"));
            let variables = environment(&[("HOPTRAIL_STORAGE_MIN_FREE", text)]);
            let flags = vec![("--set".to_owned(), "storage.min_free".to_owned(), text.to_owned())];
            [
                Sources { file: Some(path), ..Sources::default() },
                Sources { environment: variables, ..Sources::default() },
                Sources { flags, ..Sources::default() },
            ]
            .map(|sources| load(&sources).map(|(config, _)| config.storage.min_free).map_err(|error| whole(&error)))
        };
        for (text, value) in [("auto", MinFree::Auto), ("0", MinFree::Bytes(0)), ("100MiB", MinFree::Bytes(100 << 20))]
        {
            assert_eq!(said(text), [(); 3].map(|()| Ok(value)), "{text}");
        }
        for text in ["-1", "much", "1.5", "true", "100"] {
            for read in said(text) {
                let error = read.expect_err(text);
                assert!(error.contains("512MiB") || error.contains("128MiB"), "{error}");
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
    fn collector_and_queries_agree_on_the_tenancy() {
        for (mode, tenancy) in [("single", Tenancy::Single), ("multi", Tenancy::Multi)] {
            let environment = environment(&[("HOPTRAIL_TENANCY_MODE", mode)]);
            let (config, _) = load(&Sources { environment, ..Sources::default() }).expect("valid");
            assert_eq!([config.collector.tenancy, config.query.tenancy], [tenancy; 2]);
        }
    }

    #[test]
    fn an_old_key_is_an_error_that_says_the_new_name() {
        let (_folder, path) = file("query:\n  timeout_seconds: 5\n");
        let flags = vec![("--set".to_owned(), "query.timeout_seconds".to_owned(), "5".to_owned())];
        for sources in [
            Sources { file: Some(path), ..Sources::default() },
            Sources { environment: environment(&[("HOPTRAIL_QUERY_TIMEOUT_SECONDS", "5")]), ..Sources::default() },
            Sources { flags, ..Sources::default() },
        ] {
            let error = whole(&load(&sources).expect_err("an old key"));
            assert!(error.contains("unknown") && error.contains("timeout_seconds"), "{error}");
            assert!(error.ends_with("; query.timeout_seconds is now query.timeout"), "{error}");
        }
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
        config.shutdown_grace = Duration::from_millis(1500);
        config.storage.head_size = 1 << 30;
        config.storage.retention = Duration::ZERO;
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
