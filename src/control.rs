//! The socket in the data folder. Through it other commands ask the process that owns the folder. Only its own user and root may ask.
//!
//! A client sends `checkpoint` and a line break. The answer is a line: `ok PATH` (in the data folder) or `error TEXT`. The checkpoint
//! lasts as long as the connection, so that it goes when its client is killed.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as Client;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hoptrail_storage::Store;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const NAME: &str = "control.sock";
const CHECKPOINT: &str = "checkpoint";
/// The longest that a client may take to ask, and a checkpoint to be made. Both take moments.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest path that the kernel takes as the address of a socket, about.
const LONGEST_PATH: usize = 100;

/// The listening socket. Its file goes when it is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    data: PathBuf,
    owner: u32,
}

impl Drop for Control {
    fn drop(&mut self) {
        _ = fs::remove_file(self.data.join(NAME));
    }
}

impl Control {
    /// Listens in the data folder, which must be open and so belong to this process alone.
    pub fn bind(data: &Path) -> io::Result<Self> {
        let path = data.join(NAME);
        // A socket that is there was left by a process that was killed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = with_address(data, |address| UnixListener::bind(address))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let owner = fs::metadata(&path)?.uid();
        Ok(Self { listener, data: data.to_owned(), owner })
    }

    /// Answers until `stop` is cancelled. Checkpoints that clients still hold then go.
    pub async fn serve(self, store: Arc<Store>, stop: CancellationToken) {
        let clients = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((client, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if client.peer_cred().is_ok_and(|peer| [0, self.owner].contains(&peer.uid())) {
                let answered = answer(client, Arc::clone(&store), self.data.clone());
                let stop = stop.clone();
                clients.spawn(async move { _ = stop.run_until_cancelled(answered).await });
            }
        }
        clients.close();
        clients.wait().await;
    }
}

async fn answer(mut client: UnixStream, store: Arc<Store>, data: PathBuf) -> io::Result<()> {
    let mut asked = String::new();
    let (reader, mut writer) = client.split();
    let mut reader = tokio::io::BufReader::new(reader.take(64));
    tokio::time::timeout(TIMEOUT, reader.read_line(&mut asked)).await??;
    if asked.trim() != CHECKPOINT {
        return writer.write_all(b"error unknown request\n").await;
    }
    match tokio::task::spawn_blocking(move || store.checkpoint()).await? {
        Ok(checkpoint) => {
            let path = checkpoint.path().strip_prefix(&data).unwrap_or(checkpoint.path());
            writer.write_all(&[b"ok ", path.as_os_str().as_bytes(), b"\n"].concat()).await?;
            // The client sends nothing more. The checkpoint goes when the connection ends.
            let mut rest = [0; 1];
            while reader.get_mut().get_mut().read(&mut rest).await? > 0 {}
            tokio::task::spawn_blocking(move || drop(checkpoint)).await?;
            Ok(())
        }
        Err(error) => writer.write_all(format!("error {}\n", error.to_string().replace('\n', " ")).as_bytes()).await,
    }
}

/// A checkpoint that the running process keeps as long as this lives.
#[derive(Debug)]
pub struct Held {
    /// Its folder.
    pub path: PathBuf,
    _connection: Client,
}

/// Asks the process that has the folder open for a checkpoint; `None` when there is none.
pub fn checkpoint(data: &Path) -> anyhow::Result<Option<Held>> {
    let mut connection = match with_address(data, |address| Client::connect(address)) {
        Ok(connection) => connection,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot ask the process that has {} open", data.display()));
        }
    };
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(format!("{CHECKPOINT}\n").as_bytes())?;
    let mut said = Vec::new();
    BufReader::new(&connection).read_until(b'\n', &mut said).context("the running hoptrail did not answer")?;
    let said = said.strip_suffix(b"\n").unwrap_or(&said);
    match said.strip_prefix(b"ok ") {
        Some(path) => Ok(Some(Held { path: data.join(OsStr::from_bytes(path)), _connection: connection })),
        None => bail!("the running hoptrail made no checkpoint: {}", String::from_utf8_lossy(said)),
    }
}

/// Runs `act` with an address of the socket that is short enough for the kernel.
fn with_address<T>(data: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = data.join(NAME);
    if path.as_os_str().len() <= LONGEST_PATH {
        return act(&path);
    }
    let folder = File::open(data)?;
    act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_has_a_short_address() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("d".repeat(90)).join("e".repeat(90));
        fs::create_dir_all(&deep).expect("made");
        let listener = with_address(&deep, |address| std::os::unix::net::UnixListener::bind(address)).expect("bound");
        with_address(&deep, |address| Client::connect(address)).expect("connected");
        assert!(deep.join(NAME).exists());
        drop(listener);
        assert!(checkpoint(&deep).expect("an answer").is_none(), "nobody listens any more");
    }
}
