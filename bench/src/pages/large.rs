//! Pages of very large traces: how long each view takes until its first byte and until its last, and how large it is.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::header;

use crate::account::process_cpu;
use crate::http::{Answer, Connection};
use crate::ingest;
use crate::progress::Stage;
use crate::report::{LargePage, ms, percentile};
use crate::run::Options;
use crate::server::Server;
use crate::shape::Batches;
use crate::transport::Exporter;

/// Spans of the traces.
const SPANS: [u64; 2] = [100_000, 250_000];
/// A short bench has smaller ones: all spans by so many.
const ONE_OF: u64 = 8;
/// How often each page is opened.
const TIMES: usize = 5;
/// What is opened, and its parameters.
const VIEWS: [(&str, &str); 9] = [
    ("waterfall", ""),
    ("find", "?find=timeout"),
    ("reduce: only what is found", "?find=timeout&only=1"),
    ("reduce: spans of 0.1 % and more", "?min=0.1"),
    ("statistics", "?view=statistics"),
    ("flame graph", "?view=flame"),
    ("spans", "?view=spans"),
    ("graph", "?view=graph"),
    ("events", "?view=events"),
];

/// Opens every view of the traces in a store that has nothing else. Fails when a page does not say how many spans the trace has.
pub(crate) async fn measure(options: &Options) -> Result<Vec<LargePage>> {
    let folder = options.folder.join("large-traces");
    std::fs::create_dir_all(&folder)?;
    let mut launch = Options { folder, ..options.clone() }.launch()?;
    // With the default, the page of a trace of 250,000 spans has the first 200,000 and says so.
    launch.settings.push("query.memory=512MiB".to_owned());
    let server = Server::start(&launch)?;
    let mut connection = Connection::open(&server.tempo).await?;
    let sizes = SPANS.map(|spans| spans.min(options.spans / ONE_OF).max(100));
    let ids = send(options, &server, sizes).await?;
    ingest::settle(&mut connection, sizes.iter().sum()).await?;
    let stage = Stage::begin("pages of large traces", (sizes.len() * VIEWS.len() * TIMES) as u64);
    let mut pages = Vec::new();
    for (id, spans) in ids.iter().zip(sizes) {
        for (name, query) in VIEWS {
            let path = format!("/trace/{id:032x}{query}");
            pages.push(open(&server, name, &path, spans, &stage).await.with_context(|| path.clone())?);
        }
    }
    stage.end();
    drop(connection);
    server.stop()?;
    Ok(pages)
}

/// Sends the traces; their ids.
async fn send(options: &Options, server: &Server, sizes: [u64; 2]) -> Result<Vec<u128>> {
    let exporter = Exporter::new(server, options.transport)?;
    let shape = options.shape(options.spans)?;
    let mut batches = Batches::new(shape, options.batch());
    let mut ids = Vec::new();
    for (number, spans) in (0..).zip(sizes) {
        let trace = shape.large_trace(number, usize::try_from(spans)?);
        ids.push(trace.id);
        let mut requests = batches.add(trace);
        requests.extend(batches.finish());
        for request in requests {
            exporter.export(&request.body.into()).await?;
        }
    }
    Ok(ids)
}

async fn open(server: &Server, name: &str, path: &str, spans: u64, stage: &Stage) -> Result<LargePage> {
    let mut connection = Connection::open(&server.ui).await?;
    let (mut first, mut last, mut bytes) = (Vec::new(), Vec::new(), 0);
    let before = process_cpu(server.pid())?;
    for _ in 0..TIMES {
        let answer = connection.ask(path, header::ACCEPT, "text/html").await?;
        ensure!(tells(&answer, spans), "the page does not say that the trace has {spans} spans");
        bytes = answer.body.len();
        first.push(answer.first_byte);
        last.push(answer.last_byte);
        stage.add(1);
    }
    let cpu = process_cpu(server.pid())?.saturating_sub(before) / u32::try_from(TIMES)?;
    let middle = |mut times: Vec<Duration>| {
        times.sort_unstable();
        ms(percentile(&times, 50))
    };
    Ok(LargePage {
        name: name.to_owned(),
        spans,
        first_byte_ms: middle(first),
        last_byte_ms: middle(last),
        cpu_ms: ms(cpu),
        kb: bytes as f64 / 1e3,
    })
}

/// Whether the head of the page has the number of spans, whatever stands between its digits.
fn tells(answer: &Answer, spans: u64) -> bool {
    let page = String::from_utf8_lossy(&answer.body);
    let Some((said, _)) = page.split_once("<dt>Spans</dt><dd>").and_then(|(_, rest)| rest.split_once('<')) else {
        return false;
    };
    said.chars().filter(char::is_ascii_digit).collect::<String>() == spans.to_string()
}
