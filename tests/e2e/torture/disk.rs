//! Disks that fill up or do not take writes, on a small file system in memory.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use prost::Message;
use tempfile::TempDir;

use super::load::{Writer, says_when_to_retry, write_all};
use super::log;
use crate::e2e::api::{Http, eventually};
use crate::e2e::export::{Grpc, request, span};
use crate::e2e::spans::{hex, text_pair};
use crate::harness::{Server, serve};

/// Room that is never short. RocksDB goes on after a full disk once there is as much as its largest write buffer.
const ROOM: u64 = 1 << 30;

/// A file system of the test's own, seen by the processes that it starts. Gone with the process that holds it.
struct Disk {
    holder: Child,
    folder: TempDir,
    namespaces: &'static [&'static str],
}

impl Disk {
    /// `None` where this user may not mount anything, which is an error where everything must be tested.
    fn mount() -> Option<Self> {
        Self::mount_of(ROOM)
    }

    /// The same with so many bytes.
    fn mount_of(bytes: u64) -> Option<Self> {
        let ways: [(&[&str], &[&str]); 2] = [(&["-m"], &["-m"]), (&["-Urm"], &["-U", "--preserve-credentials", "-m"])];
        let disk = ways.into_iter().find_map(|(unshare, namespaces)| Self::mount_with(bytes, unshare, namespaces));
        if disk.is_none() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no file system can be mounted here");
            log("skipped: no file system can be mounted here");
        }
        disk
    }

    fn mount_with(bytes: u64, unshare: &[&str], namespaces: &'static [&'static str]) -> Option<Self> {
        Self::mount_by(&format!(r#"mount -t tmpfs -o size={bytes} tmpfs "$1""#), unshare, namespaces)
    }

    /// An ext4 in a file, whose kernel can be told that it is broken. `None` where that is not possible.
    fn mount_ext4() -> Option<Self> {
        let script = r#"truncate -s 500M "$1.ext4" && mkfs.ext4 -q -F "$1.ext4" && mount -o loop,errors=remount-ro "$1.ext4" "$1""#;
        let disk = Self::mount_by(script, &["-m"], &["-m"]).filter(|disk| disk.trigger().is_some());
        if disk.is_none() {
            log("skipped: no ext4 in a file can be mounted here");
        }
        disk
    }

    /// What makes the kernel find an error on the file system.
    fn trigger(&self) -> Option<std::path::PathBuf> {
        let mounts = std::fs::read_to_string(format!("/proc/{}/mounts", self.holder.id())).ok()?;
        let folder = self.folder.path().to_str()?;
        let device = mounts.lines().find(|line| line.split(' ').nth(1) == Some(folder))?.split(' ').next()?;
        let trigger = Path::new("/sys/fs/ext4").join(Path::new(device).file_name()?).join("trigger_fs_error");
        trigger.exists().then_some(trigger)
    }

    fn mount_by(mount: &str, unshare: &[&str], namespaces: &'static [&'static str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = format!("{mount} && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        command.args(unshare).args(["sh", "-c", &script, "sh"]).arg(folder.path());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let disk = Self { holder, folder, namespaces };
        (line == "mounted\n").then_some(disk)
    }

    /// A command as one inside of the namespaces.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["-t", &self.holder.id().to_string()]).args(self.namespaces).arg("--");
        inside.arg(command.get_program()).args(command.get_args());
        command.get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| _ = inside.env_remove(name));
        inside
    }

    fn serve(&self, arguments: &[&str]) -> Command {
        self.inside(&serve(&self.data(), arguments))
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn remount(&self, option: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{option}")]).arg(self.folder.path());
        self.inside(&mount).stderr(Stdio::null()).status().expect("mount starts").success()
    }

    /// Leaves so many bytes free.
    fn leave(&self, free: u64) {
        // Who writes meanwhile may have taken more than was just seen.
        let shrunk = (0..100).any(|_| self.remount(&format!("size={}", self.used() + free)));
        assert!(shrunk, "the file system does not shrink");
    }

    fn used(&self) -> u64 {
        let seen = Path::new("/proc").join(self.holder.id().to_string()).join("root");
        let seen = seen.join(self.folder.path().strip_prefix("/").expect("an absolute path"));
        let found = rustix::fs::statvfs(seen).expect("the file system can be asked");
        (found.f_blocks - found.f_bfree) * found.f_frsize
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        _ = self.holder.kill();
        _ = self.holder.wait();
        _ = std::fs::remove_file(self.folder.path().with_extension("ext4"));
    }
}

/// What `/ready` says, which is the same on both listeners.
async fn ready(server: &Server, http: &Http) -> String {
    let answers = [&server.tempo, &server.ui].map(|address| format!("http://{address}/ready"));
    let [tempo, ui] = [http.get(&answers[0]).await, http.get(&answers[1]).await];
    assert_eq!((tempo.status, ui.status), (200, 200), "queries go on");
    assert_eq!(tempo.text(), ui.text());
    ui.text().to_owned()
}

/// The page that a reader opens first.
async fn page(server: &Server, http: &Http) -> String {
    http.get(&format!("http://{}/search", server.ui)).await.text().to_owned()
}

/// Text in which every letter is as likely, so that nothing of it compresses by more than a quarter.
fn noise(bytes: usize) -> String {
    (0..bytes).map(|_| char::from(rand::random_range(b'0'..b'0' + 64))).collect()
}

async fn is_refused(server: &Server, http: &Http) {
    let sent = || request("refused", vec![span(0xbad, 1, "refused")]);
    let status = Grpc::to(server).await.export(sent()).await.expect_err("the disk is full");
    assert!(status.code() == tonic::Code::Unavailable && says_when_to_retry(&status), "{status:?}");
    let url = format!("http://{}/v1/traces", server.otlp_http);
    let answer = http.post(&url, &[("content-type", "application/x-protobuf")], sent().encode_to_vec()).await;
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk_takes_no_writes_until_there_is_room() {
    let Some(disk) = Disk::mount() else { return };
    let http = Http::new();
    let server = Server::launch(disk.serve(&["--set=storage.min_free=100MiB"])).expect("the server gets ready");
    let (mut writers, _) = Writer::many(2);
    for _ in 0..2 {
        writers = write_all(writers, &server.otlp_grpc, 20).await;
        disk.leave(50 << 20);
        is_refused(&server, &http).await;
        let told = ready(&server, &http).await;
        assert!(
            told.contains("spans are refused: the disk is nearly full") && told.contains("100 MB must be"),
            "{told}"
        );
        let shown = page(&server, &http).await;
        assert!(shown.contains("New spans are refused: the disk is nearly full"), "{shown}");
        for writer in &mut writers {
            writer.check_all(&http, &server).await;
        }
        disk.leave(ROOM);
        assert_eq!(ready(&server, &http).await, "ready\n");
        assert!(!page(&server, &http).await.contains("are refused"));
    }
    server.stop();
    let server = Server::launch(disk.serve(&[])).expect("the server gets ready");
    assert!(http.trace(&server, &hex(&0xbad_u128.to_be_bytes())).await.is_empty(), "refused, and there all the same");
    for writer in &mut writers {
        writer.check_all(&http, &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_under_load_loses_nothing_and_is_used_again_when_there_is_room() {
    let Some(disk) = Disk::mount() else { return };
    let http = Http::new();
    let settings = ["--set=storage.min_free=0", "--set=storage.head_spans=1500", "--set=storage.merge_spans=40000"];
    let mut server = Server::launch(disk.serve(&settings)).expect("the server gets ready");
    let (writers, total) = Writer::many(4);
    let writing = tokio::spawn({
        let address = server.otlp_grpc.clone();
        async move { write_all(writers, &address, u64::MAX).await }
    });
    let batches = || total.load(Ordering::Relaxed);
    let more = async |than: u64| eventually("more writes", async || (batches() > than + 100).then_some(())).await;
    let failures = async |task: &str| {
        let label = format!("task=\"{task}\"");
        http.metric(&server.ui, "hoptrail_store_failures_total", &label).await.unwrap_or_default()
    };
    more(0).await;
    let mut rounds = 0;
    while failures("commit").await == 0.0 || failures("seal").await == 0.0 || failures("merge").await == 0.0 {
        rounds += 1;
        assert!(rounds <= 20, "the full disk was not met by log, seal and merge");
        more(batches()).await;
        let free = Cell::new(rand::random_range(0..2 << 20));
        eventually("the end of writes", async || {
            // Again and again, with less each time: what RocksDB gives back is not to last.
            disk.leave(free.get());
            free.set(free.get() / 2);
            let before = batches();
            tokio::time::sleep(Duration::from_millis(500)).await;
            (batches() == before).then_some(())
        })
        .await;
        let known = http.trace(&server, &hex(&(1_u128 << 64 | 1).to_be_bytes())).await;
        assert!(!known.is_empty(), "no answer from the full disk");
        disk.leave(ROOM);
        more(batches()).await;
    }
    log(&format!("{rounds} times full, {} batches acknowledged", batches()));
    server.signal("KILL");
    server.wait();
    let writers = writing.await.expect("the writers do not fail");
    let server = Server::launch(disk.serve(&settings)).expect("the server gets ready");
    let mut writers = write_all(writers, &server.otlp_grpc, 1).await;
    for writer in &mut writers {
        writer.check_all(&http, &server).await;
    }
}

/// Linux makes a broken file system read-only and writable again only when it is mounted anew, so the server has to be started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_turns_read_only_takes_no_writes_answers_queries_and_has_everything_after_a_restart() {
    let Some(disk) = Disk::mount_ext4() else { return };
    let http = Http::new();
    let server = Server::launch(disk.serve(&["--set=storage.min_free=0"])).expect("the server gets ready");
    let (writers, _) = Writer::many(2);
    let mut writers = write_all(writers, &server.otlp_grpc, 40).await;
    std::fs::write(disk.trigger().expect("as before"), "1").expect("the kernel takes it");
    // The kernel may take a moment to turn it.
    let probe = || request("probe", vec![span(0xbad, 2, "probe")]);
    eventually("a refusal", async || Grpc::to(&server).await.export(probe()).await.is_err().then_some(())).await;
    for _ in 0..2 {
        is_refused(&server, &http).await;
        let told = ready(&server, &http).await;
        assert!(told.contains("spans are refused: "), "{told}");
        for writer in &mut writers {
            writer.check_all(&http, &server).await;
        }
    }
    server.stop();
    let mut again = Command::new("sh");
    again.args(["-c", r#"umount "$1" && mount -o loop "$1.ext4" "$1""#, "sh"]).arg(disk.folder.path());
    assert!(disk.inside(&again).status().expect("sh starts").success());
    let server = Server::launch(disk.serve(&["--set=storage.min_free=0"])).expect("the server gets ready");
    writers = write_all(writers, &server.otlp_grpc, 5).await;
    for writer in &mut writers {
        writer.check_all(&http, &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_folder_is_not_opened_and_says_why() {
    let Some(disk) = Disk::mount() else { return };
    let server = Server::launch(disk.serve(&[])).expect("the server gets ready");
    assert!(!disk.remount("ro"), "Linux lets nobody take away a disk that is written to");
    server.stop();
    assert!(disk.remount("ro"));
    let output = disk.serve(&[]).output().expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.to_lowercase().contains("read-only"), "{stderr}");
    assert!(disk.remount("rw"));
    Server::launch(disk.serve(&[])).expect("the server gets ready").stop();
}

/// Spans that do not compress are the most that a head can be on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn the_defaults_take_spans_seal_and_answer_on_a_gigabyte_until_it_is_full() {
    let Some(disk) = Disk::mount_of(1_000_000_000) else { return };
    let http = Http::new();
    let server = Server::launch(disk.serve(&[])).expect("the server gets ready");
    assert_eq!(ready(&server, &http).await, "ready\n");
    let mut grpc = Grpc::to(&server).await;
    let metric = async |name: &str| http.metric(&server.ui, name, "").await.unwrap_or_default();
    let (text, mut taken) = (noise(900_000), 0);
    let told = loop {
        let mut large = span(taken + 1, 1, "large");
        // The text is another one each time, from any place on.
        let from = rand::random_range(0..text.len());
        large.attributes.push(text_pair("text", &(text[from..].to_owned() + &noise(1000) + &text[..from])));
        match grpc.export(request("noise", vec![large])).await {
            Ok(_) => taken += 1,
            Err(status) => {
                assert!(says_when_to_retry(&status), "{status:?}");
                // What is sealed leaves the log, and that makes room again.
                let sealed = metric("hoptrail_store_segments").await;
                let is_sealed = sealed >= 2.0 && metric("hoptrail_store_head_bytes").await < 136e6;
                let told = http.get(&format!("http://{}/ready", server.ui)).await.text().to_owned();
                if is_sealed && told != "ready\n" {
                    break told;
                }
            }
        }
    };
    log(&format!("{taken} requests of 900 kB taken, {} MB used", disk.used() >> 20));
    assert!(taken > 500, "{taken}");
    assert_eq!(metric("hoptrail_store_failures_total").await, 0.0);
    for trace in [1, taken / 2, taken] {
        assert_eq!(http.trace(&server, &hex(&trace.to_be_bytes())).await.len(), 1, "{trace}");
    }
    assert!(told.contains("spans are refused: ") && told.contains("119 MB must be (storage.min_free)"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_too_small_for_the_settings_is_told_in_the_log_on_the_page_and_when_asked() {
    let http = Http::new();
    // Arguments, what is told of them, and whether a span is taken.
    let cases: [(&[&str], &[&str], bool); 4] = [
        (&["--set=storage.head_size=32MiB"], &[], true),
        (&[], &["has 300 MB", "set storage.head_size to 123MiB or less"], true),
        (
            &["--set=storage.head_size=32MiB", "--set=storage.retention_size=290MiB"],
            &["storage.retention_size is 290MiB"],
            true,
        ),
        (
            &["--set=storage.min_free=512MiB"],
            &["has 300 MB", "no span can ever be taken; lower storage.min_free"],
            false,
        ),
    ];
    for (arguments, parts, is_taken) in cases {
        let Some(disk) = Disk::mount_of(300 << 20) else { return };
        let logs = tempfile::tempdir().expect("a temporary folder");
        let path = logs.path().join("log");
        let mut command = disk.serve(arguments);
        command.stderr(std::fs::File::create(&path).expect("the folder can be written"));
        let server = Server::launch(command).expect("the server gets ready");
        let (told, shown) = (ready(&server, &http).await, page(&server, &http).await);
        if is_taken {
            assert!(shown.contains("Waiting for the first span"), "{shown}");
            Grpc::to(&server).await.deliver(request("shop", vec![span(1, 1, "taken")])).await;
        } else {
            is_refused(&server, &http).await;
            assert!(told.contains("spans are refused: "), "{told}");
            assert!(shown.contains("Spans are refused: ") && !shown.contains("Waiting for"), "{shown}");
        }
        server.stop();
        let logged = std::fs::read_to_string(&path).expect("the log can be read");
        let of_disk = logged.lines().filter(|line| line.contains("the volume of the data folder")).count();
        assert_eq!(of_disk, usize::from(!parts.is_empty()), "{logged}");
        for (text, part) in
            [&told, &shown, &logged].into_iter().flat_map(|text| parts.iter().map(move |part| (text, part)))
        {
            assert!(text.contains(part), "{arguments:?}: {part:?} is not in {text}");
        }
        assert!(!parts.is_empty() || told == "ready\n", "{told}");
    }
}
