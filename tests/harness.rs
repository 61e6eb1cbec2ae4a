//! Starts the real binary for a test, on free ports and a folder of its own, and stops it afterwards.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use hoptrail::endpoints::ENDPOINTS;

/// The longest a start or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command of the binary that inherits no setting from the machine.
pub(crate) fn hoptrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoptrail"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOPTRAIL_")) {
        command.env_remove(name);
    }
    command
}

/// `hoptrail serve` on a folder and free ports.
pub(crate) fn serve(data: &Path, arguments: &[&str]) -> Command {
    let mut command = hoptrail();
    command.args(["serve", "--data"]).arg(data).args(arguments);
    for endpoint in ENDPOINTS {
        command.args([&format!("--{}", endpoint.name), "127.0.0.1:0"]);
    }
    command
}

/// Runs the binary with these arguments to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    hoptrail().args(arguments).output().expect("the binary starts")
}

/// A running `hoptrail serve`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where OTLP over gRPC is taken.
    pub(crate) otlp_grpc: String,
    /// Where OTLP over HTTP is taken.
    pub(crate) otlp_http: String,
    /// Where the Tempo API answers.
    pub(crate) tempo: String,
    /// Where the web UI is.
    pub(crate) ui: String,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts on `data` with free ports and waits until it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::launch(serve(data, arguments)).unwrap_or_else(|ended| panic!("the server did not get ready: {ended}"))
    }

    /// Runs `hoptrail serve` and waits until it is ready; how it ended if it never was.
    pub(crate) fn launch(mut command: Command) -> Result<Self, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let Some(mut addresses) = addresses(&mut stdout) else {
            return Err(child.wait().expect("the process can be asked"));
        };
        let mut take = |name: &str| addresses.remove(name).unwrap_or_else(|| panic!("nobody listens as {name}"));
        let (otlp_grpc, otlp_http, tempo, ui) = (take("otlp-grpc"), take("otlp-http"), take("tempo"), take("ui"));
        Ok(Self { child, otlp_grpc, otlp_http, tempo, ui, stdout })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM`, `INT` or `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.expect("kill starts").success());
    }

    /// Waits for the end; the exit code (`None` after a signal) and the rest of stdout.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let status = self.end("a signal");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("stdout is text");
        (status.code(), rest)
    }

    /// Waits for the end that `reason` must bring.
    pub(crate) fn end(&mut self, reason: &str) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end by {reason}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops it as an operator does and checks that it ends well.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.wait().0, Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The lines `listening NAME ADDRESS` up to `ready`; none when the process ends before it is ready.
fn addresses(stdout: &mut impl BufRead) -> Option<HashMap<String, String>> {
    let mut addresses = HashMap::new();
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).expect("stdout is text") == 0 {
            return None;
        }
        if line == "ready\n" {
            return Some(addresses);
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let ["listening", name, address] = words[..] else { panic!("{line:?} is no line of a start") };
        addresses.insert(name.to_owned(), address.to_owned());
    }
}

/// Asks `http://{address}{path}`; the status code, the head and the body.
pub(crate) fn get(address: &str, path: &str) -> (u16, String, String) {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("the answer has a status");
    (code, head.to_owned(), body.to_owned())
}
