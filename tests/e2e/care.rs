//! The commands that care for the data folder, around a running server.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use super::api::Http;
use super::torture::load::{Writer, write_all};
use crate::harness::{Server, get, run};

/// Settings of every start: a head so small that a backup also meets sealing and merging.
const SETTINGS: &[&str] = &["--set", "storage.head_spans=1500"];

fn on(command: &str, data: &Path, more: &[&str]) -> Output {
    run(&[&[command, "--data", data.to_str().expect("a name")], more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_load_is_whole_and_restores() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let (data, backup, restored) = (path("data"), path("backup"), path("restored"));
    let server = Server::start_with(&data, SETTINGS);
    let socket = std::fs::metadata(data.join("control.sock")).expect("the socket");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let (mut writers, _) = Writer::many(6);
    let others = writers.split_off(3);
    let mut before = write_all(writers, &server.otlp_grpc, 150).await;
    let writing = tokio::spawn({
        let address = server.otlp_grpc.clone();
        async move { write_all(others, &address, 2000).await }
    });
    let made = on("backup", &data, &[backup.to_str().expect("a name")]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&made.stderr).contains("copying: "), "{}", text(&made.stderr));
    let held = || std::fs::read_dir(data.join("checkpoints")).expect("a folder").count();
    super::api::eventually("the checkpoint is let go", || async { (held() == 0).then_some(()) }).await;
    let again = on("backup", &data, &[backup.to_str().expect("a name")]);
    assert!(text(&again.stderr).contains("is not empty"), "{}", text(&again.stderr));
    let verified = on("verify", &data, &[]);
    assert_eq!(verified.status.code(), Some(0), "of the running server: {}", text(&verified.stdout));
    let repaired = on("repair", &data, &[]);
    assert!(text(&repaired.stderr).contains("in use by another process"), "{}", text(&repaired.stderr));
    writing.abort();
    server.stop();
    assert!(!data.join("control.sock").exists());

    let made = on("restore", &restored, &[backup.to_str().expect("a name")]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let verified = on("verify", &restored, &[]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
    let server = Server::start_with(&restored, SETTINGS);
    for writer in &mut before {
        writer.check_all(&Http::new(), &server).await;
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_served_around_and_repaired() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let (data, whole, backup) = (path("data"), path("whole"), path("backup"));
    let mut server = Server::start_with(&data, SETTINGS);
    let writers = write_all(Writer::many(1).0, &server.otlp_grpc, 200).await;
    super::api::eventually("a segment", || async { largest_table(&data) }).await;
    server.signal("KILL");
    server.wait();
    assert!(data.join("control.sock").exists(), "a killed process leaves its socket");
    // A kill also leaves files that the store does not know: of a merge that was not committed, or was. A copy has none of them.
    let made = on("backup", &data, &[whole.to_str().expect("a name")]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    // Tables of the log may be as large as those of segments.
    let mut tables = tables_with_spans(&whole).into_iter().rev();
    loop {
        let (_, table) = tables.next().expect("a segment");
        let name = table.file_name().expect("a name").to_str().expect("text").to_owned();
        let sealed = data.join(&name);
        let Ok(mut bytes) = std::fs::read(&sealed) else { continue };
        bytes[100] ^= 1;
        std::fs::write(&sealed, &bytes).expect("written");
        let verified = on("verify", &data, &[]);
        if text(&verified.stdout).contains(&format!("{name}: segment ")) {
            assert_eq!(verified.status.code(), Some(1));
            break;
        }
        bytes[100] ^= 1;
        std::fs::write(&sealed, &bytes).expect("written");
    }
    let made = on("backup", &data, &[backup.to_str().expect("a name")]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let refused = on("restore", &path("restored"), &[backup.to_str().expect("a name")]);
    assert!(text(&refused.stderr).contains("nothing was restored"), "{}", text(&refused.stderr));

    let server = Server::start_with(&data, SETTINGS);
    let (status, head, body) = get(&server.tempo, "/api/search?q=%7B%7D&limit=1000");
    assert_eq!(status, 200);
    assert!(head.to_lowercase().contains("warning: 199 hoptrail \"stored data is damaged at segment "), "{head}");
    let keys: Vec<String> =
        serde_json::from_str::<serde_json::Map<_, _>>(&body).expect("JSON").into_iter().map(|pair| pair.0).collect();
    assert_eq!(keys, ["metrics", "traces"], "nothing that a strict client does not know");
    let (_, _, page) = get(&server.ui, "/search?lookback=all");
    assert!(page.contains("This list is incomplete"), "{page}");
    server.stop();

    let repaired = on("repair", &data, &[]);
    assert!(repaired.status.success(), "{}", text(&repaired.stderr));
    assert!(text(&repaired.stdout).contains("the originals are in "), "{}", text(&repaired.stdout));
    let verified = on("verify", &data, &[]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
    drop(writers);
}

/// The largest file with spans, once there is one that a segment fills. A rollup has no key of a resource.
fn largest_table(data: &Path) -> Option<std::path::PathBuf> {
    tables_with_spans(data).pop().filter(|(bytes, _)| *bytes > 10_000).map(|(_, path)| path)
}

/// The tables that have spans, with their lengths, ascending.
fn tables_with_spans(data: &Path) -> Vec<(u64, std::path::PathBuf)> {
    let entries = std::fs::read_dir(data).into_iter().flatten().filter_map(Result::ok);
    let tables = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "sst"));
    let holds =
        |path: &Path| std::fs::read(path).is_ok_and(|bytes| bytes.windows(12).any(|key| key == b"service.name"));
    let spans = tables.filter(|entry| holds(&entry.path()));
    let mut sized: Vec<_> = spans.filter_map(|entry| Some((entry.metadata().ok()?.len(), entry.path()))).collect();
    sized.sort();
    sized
}
