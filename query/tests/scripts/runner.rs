//! Runs the scripts in `traceql/*.test` through the service, on the plain store and on the one on disk.
//!
//! ```text
//! # a comment
//! trace 1                          spans, in the notation of `notation.rs`
//!   a - shop "GET /" 0ms 1ms
//! ? { name = "GET /" }             a query
//! = a                              the ids of the spans it finds, in any order
//! ? { foo }
//! ! 2..5 unknown word              or the bytes at fault and a part of the message, one line for each error
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hoptrail_proto::model::{TenantId, TraceId, TraceSpan};
use hoptrail_proto::otlp;
use hoptrail_query::traceql::compile;
use hoptrail_query::{Config, Service};
use hoptrail_storage::{MemoryStore, SearchRequest, SpanBatch, SpanWriter, Store, SystemClock, TraceReader};
use prometheus_client::registry::Registry;
use prost::Message;
use tempfile::TempDir;

use crate::notation::read_line;

#[derive(Debug, Default)]
struct Script {
    spans: Vec<TraceSpan>,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    line: usize,
    query: String,
    expected: Vec<String>,
}

fn read(path: &Path) -> Script {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut script = Script::default();
    let mut trace = TraceId::default();
    for (at, line) in text.lines().map(str::trim).enumerate() {
        let place = format!("{}:{}", path.display(), at + 1);
        match line.split_once(' ').unwrap_or((line, "")) {
            ("" | "#", _) => {}
            ("?", query) => {
                script.cases.push(Case { line: at + 1, query: query.to_owned(), expected: Vec::new() });
            }
            ("=" | "!", _) => {
                let case = script.cases.last_mut().unwrap_or_else(|| panic!("{place}: an answer without a query"));
                case.expected.push(line.to_owned());
            }
            _ => read_line(line, &mut trace, &mut script.spans).unwrap_or_else(|reason| panic!("{place}: {reason}")),
        }
    }
    script
}

/// Where the spans of a script are when its queries run. All three must answer alike.
#[derive(Debug, Clone, Copy)]
enum Home {
    /// In the plain store, which says what the right answers are.
    Plain,
    /// In the head of the store on disk.
    Head,
    /// In a segment of the store on disk.
    Segment,
}

/// A service over a store that holds the spans of a script.
struct Filled {
    service: Arc<Service>,
    /// Where the store is, unless it is the plain one. Removed after the store is closed, which its last owner does.
    _folder: Option<TempDir>,
}

impl Filled {
    async fn with(spans: &[TraceSpan], home: Home) -> Self {
        if let Home::Plain = home {
            return Self { service: service(Arc::new(MemoryStore::default()), spans).await, _folder: None };
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (config, clock) = (hoptrail_storage::Config::default(), Arc::new(SystemClock));
        let store = Store::open(folder.path(), &config, clock, &mut Registry::default()).expect("the store opens");
        let service = service(Arc::clone(&store), spans).await;
        if let Home::Segment = home {
            store.settle().expect("the spans are sealed");
            assert_eq!(store.sizes().head_spans, 0, "all of them");
        }
        Self { service, _folder: Some(folder) }
    }
}

/// A service over the store, which takes the spans before.
async fn service<S: SpanWriter + TraceReader + 'static>(store: Arc<S>, spans: &[TraceSpan]) -> Arc<Service> {
    if !spans.is_empty() {
        let body = otlp::to_request(spans).encode_to_vec().into();
        let batch = SpanBatch { tenant: TenantId::single(), body, spans: spans.len() as u32 };
        store.write(batch).await.expect("the store takes the spans");
    }
    Service::new(&Config::default(), store, &mut Registry::default())
}

/// What is wrong with the answer, if anything.
async fn fault(service: &Service, case: &Case) -> Option<String> {
    let found = match compile(&case.query) {
        Ok(compiled) => {
            let request = SearchRequest {
                spans: compiled.spans,
                limit: 1000,
                spans_per_set: 1000,
                select: compiled.select,
                ..SearchRequest::default()
            };
            let answer = service.search(&TenantId::single(), request).await.expect("an answer");
            let spans = answer.value.hits.into_iter().flat_map(|hit| hit.sets).flat_map(|set| set.spans);
            let mut ids: Vec<String> =
                spans.map(|span| span.span_id.to_string().trim_start_matches('0').to_owned()).collect();
            ids.sort();
            vec![format!("= {}", ids.join(" ")).trim_end().to_owned()]
        }
        Err(errors) => errors.iter().map(|error| format!("! {:?} {}", error.range, error.message)).collect(),
    };
    let as_expected = |(found, expected): (&String, &String)| match expected.strip_prefix("! ") {
        Some(expected) => {
            let (range, message) = expected.split_once(' ').unwrap_or((expected, ""));
            found.starts_with(&format!("! {range} ")) && found.contains(message)
        }
        None => found == expected,
    };
    let same = found.len() == case.expected.len() && found.iter().zip(&case.expected).all(as_expected);
    (!same).then(|| {
        let found = found.join("\n    ");
        format!(
            "line {}: {}\n  expected\n    {}\n  found\n    {found}",
            case.line,
            case.query,
            case.expected.join("\n    ")
        )
    })
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traceql");
    let entries = std::fs::read_dir(folder).expect("the folder of scripts");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Runs all scripts with their spans there.
async fn scripts_hold(home: Home) {
    let (mut cases, mut faults) = (0, Vec::new());
    for path in scripts() {
        let script = read(&path);
        let filled = Filled::with(&script.spans, home).await;
        for case in &script.cases {
            cases += 1;
            faults.extend(fault(&filled.service, case).await.map(|fault| format!("{}\n{fault}", path.display())));
        }
    }
    assert!(cases > 100, "only {cases} cases");
    assert!(faults.is_empty(), "{home:?}: {} of {cases} cases fail\n\n{}", faults.len(), faults.join("\n\n"));
}

#[tokio::test]
async fn scripts_hold_on_the_plain_store() {
    scripts_hold(Home::Plain).await;
}

#[tokio::test]
async fn scripts_hold_in_the_head() {
    scripts_hold(Home::Head).await;
}

#[tokio::test]
async fn scripts_hold_in_a_segment() {
    scripts_hold(Home::Segment).await;
}
