//! Pages of the web UI: some asked for one after the other, and many by a thousand readers at once.

pub(crate) mod large;
mod readers;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

use crate::account::process_cpu;
use crate::http::{Connection, escape};
use crate::progress::Stage;
use crate::report::{Page, ms, percentile};
use crate::server::Server;
use crate::shape::{Shape, Topic};
use crate::truth::Truth;

/// Pages of a kind that readers choose from.
const CHOICE: usize = 400;
/// How long readers stay, at most: a second for each repetition.
const MOST_STAY: Duration = Duration::from_secs(30);
/// How often a page is asked for that looks at everything.
const LARGE: usize = 10;

/// A page, and what it must say.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    says: Says,
}

#[derive(Debug, Clone)]
enum Says {
    /// This text, somewhere.
    Text(String),
    /// As JSON: so many traces that are selected, and so many others.
    Traces(u64, u64),
}

/// The pages that are asked for, by kind.
#[derive(Debug)]
pub(crate) struct Pages {
    searches: Vec<Asked>,
    traces: Vec<Asked>,
    services: Vec<Asked>,
    why: Vec<Asked>,
    aggregates: Vec<Asked>,
}

impl Pages {
    /// Pages about this data.
    #[must_use]
    pub(crate) fn new(shape: Shape, truth: &Truth) -> Self {
        let page = |path: String, text: String| Asked { path, says: Says::Text(text) };
        let services: BTreeSet<String> = truth.names_by_service().into_keys().collect();
        let of_service = |service: &String| {
            page(format!("/search?service={}&lookback=1h", escape(service)), format!("value=\"{service}\""))
        };
        let mut searches: Vec<Asked> = services.iter().map(of_service).collect();
        let questions = [Topic::Failed, Topic::Slow].into_iter().flat_map(|topic| truth.questions(topic, CHOICE / 2));
        searches.extend(questions.filter_map(|question| {
            let newest = question.expected.ids().next()?;
            let path = format!("/search?q={}&lookback=1h", escape(&question.query));
            Some(page(path, format!("/trace/{newest:032x}")))
        }));
        let trace = |number| format!("/trace/{:032x}", shape.trace(number).id);
        let traces = truth.some_traces(CHOICE).map(|number| page(trace(number), trace(number))).collect();
        let all = services.iter().map(|service| page("/services?lookback=1h".to_owned(), format!(">{service}<")));
        let (traces_in_all, failed) = (truth.traces(), truth.failed_traces());
        let compared = |path: &str, selected: u64, others: u64| Asked {
            path: format!("{path}&lookback=1h&format=json"),
            says: Says::Traces(selected, others),
        };
        let query = escape("{ status = error }");
        let why = compared(&format!("/why?q={query}"), failed, traces_in_all - failed);
        let aggregate = compared(&format!("/aggregate?q={}", escape("{ }")), traces_in_all, 0);
        Self { searches, traces, services: all.collect(), why: vec![why], aggregates: vec![aggregate] }
    }
}

/// Asks for all kinds, and then lets the readers in.
pub(crate) async fn measure(server: &Server, pages: &Pages, repetitions: usize) -> Result<Vec<Page>> {
    let mut connection = Connection::open(&server.ui).await?;
    let large = repetitions.min(LARGE);
    let kinds = [
        ("search page", &pages.searches, repetitions),
        ("trace page", &pages.traces, repetitions),
        ("services page", &pages.services, repetitions),
        ("why: failed traces against all others", &pages.why, large),
        ("all traces as one", &pages.aggregates, large),
    ];
    let stage = Stage::begin("pages", kinds.iter().map(|(.., times)| *times as u64).sum());
    let mut measured = Vec::new();
    for (name, asked, times) in kinds {
        measured.push(one_by_one(name, asked, times, &mut connection, server.pid(), &stage).await?);
    }
    stage.end();
    let stay = MOST_STAY.min(Duration::from_secs(repetitions as u64));
    measured.extend(readers::read(server, pages, stay).await?);
    Ok(measured)
}

async fn one_by_one(
    name: &str,
    asked: &[Asked],
    times: usize,
    connection: &mut Connection,
    pid: u32,
    stage: &Stage,
) -> Result<Page> {
    let mut latencies = Vec::new();
    let before = process_cpu(pid)?;
    for asked in asked.iter().cycle().take(times) {
        let (body, took) = connection.get(&asked.path, "*/*").await?;
        asked.check(&body).with_context(|| format!("wrong page: {}", asked.path))?;
        latencies.push(took);
        stage.add(1);
    }
    let cpu = process_cpu(pid)?.saturating_sub(before) / u32::try_from(latencies.len().max(1))?;
    Ok(row(name, latencies, cpu))
}

fn row(name: &str, mut latencies: Vec<Duration>, cpu: Duration) -> Page {
    latencies.sort_unstable();
    Page {
        name: name.to_owned(),
        asked: latencies.len(),
        refused: 0,
        p50_ms: ms(percentile(&latencies, 50)),
        p99_ms: ms(percentile(&latencies, 99)),
        cpu_ms: ms(cpu),
    }
}

impl Asked {
    fn check(&self, body: &[u8]) -> Result<()> {
        match &self.says {
            Says::Text(text) => {
                let page = String::from_utf8_lossy(body);
                ensure!(page.contains(text), "it does not say {text:?}");
            }
            Says::Traces(selected, others) => {
                let answer: Json = serde_json::from_slice(body)?;
                let traces = |side: &str| answer[side]["traces"].as_u64();
                let found = (traces("selected"), traces("others"));
                ensure!(found == (Some(*selected), Some(*others)), "{found:?} traces, not {selected} and {others}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_says_something_else_is_wrong() {
        let asked = |says| Asked { path: "/".to_owned(), says };
        let text = asked(Says::Text("/trace/1".to_owned()));
        assert!(text.check(b"<a href=/trace/1>").is_ok() && text.check(b"<a href=/trace/2>").is_err());
        let traces = asked(Says::Traces(1, 2));
        assert!(traces.check(br#"{"selected": {"traces": 1}, "others": {"traces": 2}}"#).is_ok());
        assert!(traces.check(br#"{"selected": {"traces": 2}, "others": {"traces": 2}}"#).is_err());
        assert!(traces.check(b"<html>").is_err());
    }
}
