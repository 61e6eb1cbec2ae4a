//! Questions whose answers must not change: about traces that do not grow any more.

use super::load::Writer;
use crate::e2e::api::{Http, escape};
use crate::harness::Server;

/// Traces of each writer that are asked about.
const TRACES: u64 = 2;

/// Questions with their answers.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<(String, String)>);

impl Answers {
    /// Asks about the newest settled traces of each writer.
    pub(crate) async fn ask(http: &Http, server: &Server, writers: &[Writer]) -> Self {
        let mut answers = Vec::new();
        for question in writers.iter().flat_map(questions) {
            let answer = ask(http, server, &question).await;
            answers.push((question, answer));
        }
        Self(answers)
    }

    /// Asks the same again and compares. The number of questions.
    pub(crate) async fn check(&self, http: &Http, server: &Server) -> usize {
        for (question, before) in &self.0 {
            let after = ask(http, server, question).await;
            assert!(*before == after, "{question} was answered\n{before}\nand now\n{after}");
        }
        self.0.len()
    }
}

/// Trace ids, and paths of searches.
fn questions(writer: &Writer) -> Vec<String> {
    let (traces, batches) = writer.settled(TRACES);
    if traces.is_empty() {
        return Vec::new();
    }
    let (service, first, end) = (writer.service(), batches.start, batches.end);
    let range =
        format!(r#"resource.service.name = "{service}" && span.load.number >= {first} && span.load.number < {end}"#);
    let search = |query: &str| format!("/api/search?limit=1000&spss=100&q={}", escape(query));
    let searches = [
        search(&format!("{{ {range} }}")),
        search(&format!(r#"{{ {range} && name =~ "l.*d" && span.load.batch = "{first}" }}"#)),
        search(&format!("{{ {range} && duration > 0ms }} | select(span.load.batch, resource.service.name)")),
    ];
    traces.into_iter().chain(searches).collect()
}

async fn ask(http: &Http, server: &Server, question: &str) -> String {
    if !question.starts_with('/') {
        // The order of spans is not promised.
        let mut spans = http.trace(server, question).await;
        spans.sort_by_key(|seen| seen.key());
        return format!("{spans:#?}");
    }
    let answer = http.get(&format!("http://{}{question}", server.tempo)).await;
    assert_eq!(answer.status, 200, "{question}: {:?}", answer.body);
    let traces = &answer.json()["traces"];
    assert!(traces.is_array(), "{question}: {:?}", answer.body);
    format!("{traces:#}")
}
