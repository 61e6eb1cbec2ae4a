//! What clients may hold: a number of connections, and none for nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::e2e::api::{Http, eventually};
use crate::e2e::export::{Grpc, request, span};
use crate::harness::Server;

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
    stream
}

/// Asks for the path and leaves the connection open; whether there was an answer.
fn is_answered(stream: &mut TcpStream) -> bool {
    let asked = stream.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n");
    asked.is_ok() && stream.read(&mut [0; 1024]).is_ok_and(|bytes| bytes > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_closed_and_the_others_go_on() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), &["--set=listen.max_connections=3"]);
    let mut open: Vec<_> = (0..3).map(|_| connect(&server.tempo)).collect();
    assert!(open.iter_mut().all(is_answered));
    assert!(!is_answered(&mut connect(&server.tempo)), "a fourth connection is served");
    assert!(open.iter_mut().all(is_answered), "the others suffer");
    let refused = Http::new().metric(&server.ui, "hoptrail_connections_refused_total", "tempo").await;
    assert_eq!(refused, Some(1.0));
    open.pop();
    eventually("a place", async || is_answered(&mut connect(&server.tempo)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_on_which_nothing_is_asked_are_closed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), &["--set=listen.idle_timeout=1s"]);
    let mut silent = connect(&server.otlp_grpc);
    let mut slow = connect(&server.otlp_http);
    slow.write_all(b"POST /v1/tr").expect("the server reads");
    let mut idle = connect(&server.ui);
    assert!(is_answered(&mut idle));
    let mut grpc = Grpc::to(&server).await;
    grpc.deliver(request("idle", vec![span(1, 1, "first")])).await;
    for (name, stream) in [("silent", &mut silent), ("slow", &mut slow), ("idle", &mut idle)] {
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(ended.is_ok(), "{name}: {ended:?}");
    }
    let http = Http::new();
    eventually("the end of the gRPC connection", async || {
        let open = http.metric(&server.ui, "hoptrail_connections", "otlp-grpc").await;
        open.filter(|open| *open == 0.0)
    })
    .await;
    grpc.deliver(request("idle", vec![span(1, 2, "second")])).await;
}
