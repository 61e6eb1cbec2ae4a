//! A server that answers as a test says, for what hoptrail's own does not do: Tempo 3.0.3's answers, refusals, pages of HTML.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as the server got it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Path and parameters.
    pub(super) target: String,
    /// The lines of the head, in lower case up to the colon.
    pub(super) head: Vec<String>,
}

impl Asked {
    /// The value of a header; empty without one.
    pub(super) fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        self.head.iter().find_map(|line| line.strip_prefix(&start)).unwrap_or_default()
    }
}

/// What the server sends.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Sent {
    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self::of(200, "application/json", value.to_string())
    }

    pub(super) fn of(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body: body.into() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server on a free port. It lives as long as the test process.
#[derive(Debug, Clone)]
pub(super) struct Fake {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Answers each request with what `answer` makes of it and of the number of requests before it.
    pub(super) fn start(answer: impl Fn(&Asked, usize) -> Sent + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it works");
        let address = format!("http://{}", listener.local_addr().expect("it works"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Some((request, stream)) = stream.ok().and_then(read) else { continue };
                let before = log.lock().expect("it works").len();
                log.lock().expect("it works").push(request.clone());
                send(stream, &answer(&request, before));
            }
        });
        Self { address, asked }
    }

    /// The same for every request.
    pub(super) fn always(sent: Sent) -> Self {
        Self::start(move |_, _| sent.clone())
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("it works").clone()
    }
}

fn read(stream: TcpStream) -> Option<(Asked, TcpStream)> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    Some((Asked { target, head: lines.take_while(|line| !line.is_empty()).collect() }, stream))
}

fn send(mut stream: TcpStream, sent: &Sent) {
    let headers: String = sent.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {} x\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        sent.status,
        sent.body.len()
    );
    // A client that was told to stop does not read to the end.
    _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&sent.body));
}
