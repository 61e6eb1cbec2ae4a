//! Programs instrumented with unmodified OpenTelemetry SDKs (`tests/clients/`), told by environment alone where to send.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::api::PATIENCE;

/// Where an SDK sends, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exporter<'a> {
    /// `grpc`, `http/protobuf` or `http/json`.
    pub(crate) protocol: &'a str,
    /// `gzip` or `deflate`; empty for none.
    pub(crate) compression: &'a str,
    /// Host and port.
    pub(crate) address: &'a str,
    /// `service.name`.
    pub(crate) service: &'a str,
}

impl Exporter<'_> {
    fn configure(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
            command.env_remove(name);
        }
        command
            .env("OTEL_SERVICE_NAME", self.service)
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=e2e,service.namespace=shop,host.name=shop-1")
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", self.protocol)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", self.address))
            .env("OTEL_TRACES_EXPORTER", "otlp")
            .env("OTEL_METRICS_EXPORTER", "none")
            .env("OTEL_LOGS_EXPORTER", "none")
            .env("OTEL_BSP_SCHEDULE_DELAY", "100");
        if !self.compression.is_empty() {
            command.env("OTEL_EXPORTER_OTLP_COMPRESSION", self.compression);
        }
    }
}

/// The folder of a language that `scripts/setup-clients.sh` made. Without it the test is skipped, or fails in CI.
pub(crate) fn installed(language: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("HOPTRAIL_CLIENTS").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/hoptrail-clients"));
    let folder = cache.or_else(home).map(|cache| cache.join(language)).filter(|folder| folder.join(".stamp").exists());
    if folder.is_none() {
        missing(&format!("the {language} client is not installed (scripts/setup-clients.sh {language})"));
    }
    folder
}

/// The browser; as [`installed`].
pub(crate) fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|path| path.exists());
    if found.is_none() {
        missing("chromium is not installed (scripts/setup-clients.sh chromium)");
    }
    found
}

/// Skips a test for which something is missing, and fails in CI.
pub(crate) fn missing(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
    eprintln!("skipped: {what}");
}

/// The sources of the clients.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A Python program under `opentelemetry-instrument`.
pub(crate) fn python(folder: &Path, program: &Path, exporter: &Exporter) -> Command {
    let mut command = Command::new(folder.join("bin/opentelemetry-instrument"));
    command.arg(folder.join("bin/python")).arg(program);
    exporter.configure(&mut command);
    command
}

/// A Node program under the automatic instrumentation. Told of its environment only, so that nothing asks a cloud's metadata server.
pub(crate) fn node_instrumented(folder: &Path, program: &Path, exporter: &Exporter) -> Command {
    let mut command = node(folder, &[Path::new("--require"), Path::new(NODE_REGISTER), program]);
    exporter.configure(&mut command);
    command.env("OTEL_NODE_RESOURCE_DETECTORS", "env,process,serviceinstance");
    command
}

const NODE_REGISTER: &str = "@opentelemetry/auto-instrumentations-node/register";

/// A Node program that starts the SDK itself.
pub(crate) fn node_manual(folder: &Path, program: &Path, exporter: &Exporter) -> Command {
    let mut command = node(folder, &[program]);
    exporter.configure(&mut command);
    command.env("OTEL_NODE_RESOURCE_DETECTORS", "env,process,serviceinstance");
    command
}

/// Node with the installed packages in reach.
pub(crate) fn node(folder: &Path, arguments: &[&Path]) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", folder.join("node_modules")).args(arguments);
    command
}

/// The Go client.
pub(crate) fn go(folder: &Path, exporter: &Exporter) -> Command {
    let mut command = Command::new(folder.join("spans"));
    exporter.configure(&mut command);
    command
}

/// The Java client under the agent.
pub(crate) fn java(folder: &Path, exporter: &Exporter) -> Command {
    let mut agent = std::ffi::OsString::from("-javaagent:");
    agent.push(folder.join("opentelemetry-javaagent.jar"));
    let mut command = Command::new("java");
    command.arg("-XX:TieredStopAtLevel=1").arg(agent).arg("-cp").arg(folder).arg("Shop");
    exporter.configure(&mut command);
    command
}

/// Runs a client to its end; the JSON of its last line.
pub(crate) async fn run(mut command: Command) -> Value {
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{command:?} does not end"));
    let ended = ended.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, log) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{command:?}: {}\n{out}\n{log}", ended.status);
    let last = out.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{command:?}: {error}\n{out}\n{log}"))
}

/// A client that serves requests. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    _process: Child,
    /// `http://host:port`
    pub(crate) url: String,
}

impl Service {
    /// Starts a program that prints `listening PORT`.
    pub(crate) async fn start(mut command: Command) -> Self {
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = process.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let port = async {
            while let Some(line) = lines.next_line().await.expect("stdout is text") {
                if let Some(port) = line.strip_prefix("listening ") {
                    return port.to_owned();
                }
            }
            panic!("{command:?} ends before it listens")
        };
        let port = tokio::time::timeout(PATIENCE, port).await;
        let port = port.unwrap_or_else(|_| panic!("{command:?} does not listen"));
        Self { _process: process, url: format!("http://127.0.0.1:{port}") }
    }
}
