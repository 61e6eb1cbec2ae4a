//! The server under test: the real binary as a child process.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How the server is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The binary `hoptrail`.
    pub(crate) binary: PathBuf,
    /// Its data folder.
    pub(crate) data: PathBuf,
    /// Where its log goes.
    pub(crate) log: PathBuf,
    /// Settings as `--set` takes them.
    pub(crate) settings: Vec<String>,
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where OTLP over gRPC is taken.
    pub(crate) grpc: String,
    /// Where OTLP over HTTP is taken.
    pub(crate) http: String,
    /// Where the Tempo API and the metrics are.
    pub(crate) tempo: String,
    /// Where the web UI is.
    pub(crate) ui: String,
    /// From the start of the process to `ready`.
    pub(crate) start_up: Duration,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it on free ports and waits until it is ready.
    pub(crate) fn start(launch: &Launch) -> Result<Self> {
        let mut command = Command::new(&launch.binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOPTRAIL_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--data"]).arg(&launch.data);
        for port in ["--otlp-grpc", "--otlp-http", "--tempo", "--ui"] {
            command.args([port, "127.0.0.1:0"]);
        }
        for setting in &launch.settings {
            command.args(["--set", setting]);
        }
        let log = File::options().create(true).append(true).open(&launch.log)?;
        let started = Instant::now();
        let child = command.stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = child.with_context(|| format!("cannot start {}", launch.binary.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("no stdout")?);
        let announced = read_addresses(&mut stdout);
        let [grpc, http, tempo, ui] = match announced {
            Ok(addresses) => addresses,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.context(format!("the server did not start; see {}", launch.log.display())));
            }
        };
        Ok(Self { child, grpc, http, tempo, ui, start_up: started.elapsed(), _stdout: stdout })
    }

    /// The process id.
    #[must_use]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops it as an operator does. Returns how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        let asked = Instant::now();
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        ensure!(status.success(), "the server has ended before");
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(asked.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `listening NAME ADDRESS` lines until `ready`; the addresses of these names.
fn read_addresses(stdout: &mut impl BufRead) -> Result<[String; 4]> {
    let mut known: HashMap<String, String> = HashMap::new();
    for line in stdout.lines() {
        let line = line?;
        if line == "ready" {
            let mut own = |name| known.remove(name).with_context(|| format!("no address of {name}"));
            return Ok([own("otlp-grpc")?, own("otlp-http")?, own("tempo")?, own("ui")?]);
        }
        if let Some((name, address)) = line.strip_prefix("listening ").and_then(|rest| rest.split_once(' ')) {
            known.insert(name.to_owned(), address.to_owned());
        }
    }
    bail!("the server ended")
}

/// The binary that was built together with this one.
pub fn sibling() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder: &Path = own.parent().context("this program has no folder")?;
    let binary = folder.join("hoptrail");
    ensure!(binary.exists(), "{} is missing: cargo build --workspace", binary.display());
    Ok(binary)
}
