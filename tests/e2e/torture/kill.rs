//! What was acknowledged stays, once, whatever ends the process.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hoptrail_storage::{Step, Task};
use tempfile::TempDir;

use super::answers::Answers;
use super::load::{Writer, write_all};
use super::{log, rounds};
use crate::e2e::api::{Http, eventually};
use crate::harness::{Server, serve};

const WRITERS: u64 = 6;
/// Rounds of the short form beyond one for each step.
const AT_RANDOM: usize = 5;
/// Most batches of all writers before a kill at random: bounds the data when the machine is fast.
const BATCHES: u64 = 400;
/// The longest time before a kill at random: bounds the time when the machine is slow.
const WRITING: Duration = Duration::from_secs(1);
/// Settings so small that every round seals and merges.
const SETTINGS: &[&str] = &["--log-level=warn", "--set=storage.head_spans=1500", "--set=storage.merge_spans=12000"];
/// While it is written to, every round drops as well. While it is checked, nothing may go.
const DROPPING: &str = "--set=storage.retention_size=1MiB";
/// Spans that retention must leave, far fewer than fit.
const LEAST_KEPT: usize = 6_000;

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_every_step_and_at_random_loses_nothing_doubles_nothing_and_changes_no_answer() {
    let mut torture = Torture::new();
    for round in 0..rounds().unwrap_or(Step::ALL.len() + AT_RANDOM) {
        // Every step in turn, now and then one at random instead; the short form ends with these.
        let step = match rounds() {
            None => Step::ALL.get(round),
            Some(_) if round % 4 == 3 => None,
            Some(_) => Step::ALL.get((round - round / 4) % Step::ALL.len()),
        };
        torture.round(round, step.copied()).await;
    }
    torture.end().await;
}

/// One data folder, who writes to it, and what is known of it.
struct Torture {
    data: TempDir,
    http: Http,
    writers: Vec<Writer>,
    total: Arc<AtomicU64>,
    answers: Answers,
    compared: usize,
    interrupted: usize,
    kills: BTreeMap<String, usize>,
    started: Instant,
}

impl Torture {
    fn new() -> Self {
        let (writers, total) = Writer::many(WRITERS);
        Self {
            data: tempfile::tempdir().expect("a temporary folder"),
            http: Http::new(),
            writers,
            total,
            answers: Answers::default(),
            compared: 0,
            interrupted: 0,
            kills: BTreeMap::new(),
            started: Instant::now(),
        }
    }

    /// Checks everything, then writes until the process is killed: at this step, or at random.
    async fn round(&mut self, round: usize, step: Option<Step>) {
        let server = Server::start_with(self.data.path(), SETTINGS);
        self.check(&server).await;
        self.kill(server, "while idle");
        let point = match step {
            None => {
                self.kill_while_starting();
                self.kill_at_random().await;
                "at random".to_owned()
            }
            Some(step) => {
                self.kill_at(step).await;
                step.to_string()
            }
        };
        self.count(&point);
        self.interrupted += self.writers.iter().filter(|writer| writer.is_waiting()).count();
        let batches = self.total.load(Ordering::Relaxed);
        log(&format!("round {}: killed {point}, {batches} batches acknowledged", round + 1));
    }

    /// Every acknowledged span is there once, and the answers are what they were before the kill.
    async fn check(&mut self, server: &Server) {
        let mut kept = 0;
        for writer in &mut self.writers {
            kept += writer.check(&self.http, server).await;
        }
        let acknowledged: usize = self.writers.iter().map(Writer::spans).sum();
        assert!(kept >= LEAST_KEPT.min(acknowledged), "only {kept} of {acknowledged} spans are left");
        self.compared += self.answers.check(&self.http, server).await;
        self.answers = Answers::ask(&self.http, server, &self.writers).await;
    }

    fn count(&mut self, point: &str) {
        *self.kills.entry(point.to_owned()).or_default() += 1;
    }

    fn kill(&mut self, mut server: Server, when: &str) {
        server.signal("KILL");
        server.wait();
        self.count(when);
    }

    /// Kills a process that opens the store, perhaps inside of RocksDB, where there are no named steps.
    fn kill_while_starting(&mut self) {
        let mut starting = self.command().stdout(Stdio::null()).spawn().expect("the binary starts");
        std::thread::sleep(Duration::from_millis(rand::random_range(1..60)));
        starting.kill().expect("the process can be killed");
        starting.wait().expect("the process ends");
        self.count("while starting");
    }

    /// A process to be killed.
    fn command(&self) -> Command {
        let mut command = serve(self.data.path(), SETTINGS);
        command.arg(DROPPING);
        command
    }

    async fn kill_at_random(&mut self) {
        let mut server = Server::launch(self.command()).expect("the server gets ready");
        let writing = self.write(&server);
        let target = self.total.load(Ordering::Relaxed) + rand::random_range(1..BATCHES);
        let deadline = Instant::now() + WRITING;
        while self.total.load(Ordering::Relaxed) < target && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        server.signal("KILL");
        server.wait();
        self.writers = writing.await.expect("the writers do not fail");
    }

    /// Lets a process kill itself. A step that is not reached fails the test, for then the process does not end.
    async fn kill_at(&mut self, step: Step) {
        let most = match step.0 {
            Task::Start => 1,
            Task::Commit => 100,
            Task::Seal | Task::Merge | Task::Drop => 2,
        };
        let armed = format!("{step}:{}", rand::random_range(1..=most));
        let mut command = self.command();
        command.env("HOPTRAIL_KILL_AT", &armed);
        let ended = match Server::launch(command) {
            // A log that fills the head is sealed at once.
            Err(ended) => ended,
            Ok(mut server) => {
                assert_ne!(step.0, Task::Start, "{step} was not reached");
                let writing = self.write(&server);
                let ended = tokio::task::spawn_blocking(move || server.end(&armed)).await.expect("the process ends");
                self.writers = writing.await.expect("the writers do not fail");
                ended
            }
        };
        assert!(killed(ended), "{step}: {ended}");
    }

    fn write(&mut self, server: &Server) -> tokio::task::JoinHandle<Vec<Writer>> {
        let (writers, address) = (std::mem::take(&mut self.writers), server.otlp_grpc.clone());
        tokio::spawn(async move { write_all(writers, &address, u64::MAX).await })
    }

    /// The last check, with everything acknowledged; and the summary.
    async fn end(mut self) {
        let server = Server::start_with(self.data.path(), SETTINGS);
        self.check(&server).await;
        self.writers = write_all(self.writers, &server.otlp_grpc, 1).await;
        self.check(&server).await;
        server.stop();
        let server = Server::start_with(self.data.path(), SETTINGS);
        self.check(&server).await;
        server.stop();
        let missed: Vec<_> = Step::ALL.iter().filter(|step| !self.kills.contains_key(&step.to_string())).collect();
        assert!(missed.is_empty(), "no kill at {missed:?}");
        let kills: usize = self.kills.values().sum();
        assert!(self.interrupted * 2 >= self.kills.len(), "the kills came when nobody wrote: {}", self.interrupted);
        let spans: usize = self.writers.iter().map(Writer::spans).sum();
        log(&format!("kills by point: {:#?}", self.kills));
        log(&format!(
            "{kills} kills in {} s, {} batches in flight at a kill; {spans} spans acknowledged: lost 0, doubled 0; {} answers equal before and after",
            self.started.elapsed().as_secs(),
            self.interrupted,
            self.compared,
        ));
    }
}

fn killed(ended: ExitStatus) -> bool {
    ended.signal() == Some(9)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_well_and_loses_nothing_acknowledged() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let http = Http::new();
    let mut server = Server::start(data.path());
    let (writers, total) = Writer::many(WRITERS);
    let writing = tokio::spawn({
        let address = server.otlp_grpc.clone();
        async move { write_all(writers, &address, u64::MAX).await }
    });
    eventually("some load", || async { (total.load(Ordering::Relaxed) > 200).then_some(()) }).await;
    let asked = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(11), "{:?} is longer than the grace period", asked.elapsed());
    let writers = writing.await.expect("the writers do not fail");

    let server = Server::start(data.path());
    let mut writers = write_all(writers, &server.otlp_grpc, 1).await;
    for writer in &mut writers {
        writer.check_all(&http, &server).await;
    }
}
