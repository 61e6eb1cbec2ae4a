//! Traces that stand for others: the slowest, and those that failed last.

use hoptrail_query::{SearchRequest, SpanHit, TraceHit};

use super::Question;
use crate::context::Visit;
use crate::format::{self, Moment};
use crate::pages::search::form::Form;
use crate::pages::search::question::Question as SearchQuestion;
use crate::pages::search::series::Example;
use crate::url::href;

/// How many of each are shown.
const MOST: &str = "8";
/// First among the spans by which services are called, then among all. Each with whether they failed.
const QUERIES: [(&str, bool); 4] = [
    ("{ kind = server || kind = consumer } | sort(duration desc) | spans", false),
    ("{ } | sort(duration desc) | spans", false),
    ("{ status = error && (kind = server || kind = consumer) } | spans", true),
    ("{ status = error } | spans", true),
];

/// Spans that stand for others.
#[derive(Debug, Default)]
pub(super) struct Examples {
    pub(super) slowest: Vec<Example>,
    pub(super) failed: Vec<Example>,
    pub(super) rows: Vec<ExampleRow>,
    /// Why there are none.
    pub(super) notice: Option<String>,
}

/// An example as a row.
#[derive(Debug)]
pub(super) struct ExampleRow {
    pub(super) href: String,
    pub(super) trace: String,
    pub(super) name: String,
    pub(super) duration: String,
    pub(super) time: String,
    pub(super) is_failed: bool,
}

/// Asks for them. A page without examples is still a page.
pub(super) async fn find(visit: &Visit, question: &Question) -> Examples {
    let mut examples = Examples::default();
    for (query, is_failed) in QUERIES {
        let known = if is_failed { &examples.failed } else { &examples.slowest };
        if !known.is_empty() {
            continue;
        }
        let Some(request) = request(visit, question, query) else { continue };
        match visit.service().search(&visit.tenant, request).await {
            Ok(answer) => examples.add(&answer.value.hits, is_failed, visit),
            Err(error) => {
                examples.notice = Some(format::sentence(&format!("example traces could not be found: {error}")))
            }
        }
    }
    examples
}

fn request(visit: &Visit, question: &Question, query: &str) -> Option<SearchRequest> {
    let range = question.window.range();
    let [from, to] = [range.start, range.end].map(|time| format::exact_time(time, &visit.zone));
    let form = Form {
        service: question.service.clone(),
        query: query.to_owned(),
        lookback: "custom".to_owned(),
        from,
        to,
        limit: MOST.to_owned(),
        ..Form::default()
    };
    match form.question(visit.now, &visit.zone).ok()? {
        SearchQuestion::Traces(traces) => Some(traces.request),
        SearchQuestion::Series(_) => None,
    }
}

impl Examples {
    fn add(&mut self, hits: &[TraceHit], is_failed: bool, visit: &Visit) {
        for hit in hits {
            let Some(span) = hit.spans().next() else { continue };
            let list = if is_failed { &mut self.failed } else { &mut self.slowest };
            list.push(example(hit, span, is_failed));
            self.rows.push(row(hit, span, is_failed, visit));
        }
    }
}

fn example(hit: &TraceHit, span: &SpanHit, is_failed: bool) -> Example {
    let duration = format::duration(span.duration_nanos);
    let name = format::shortened(&span.name, 60);
    Example {
        time: span.start_unix_nano,
        value: span.duration_nanos as f64 / 1e9,
        text: if is_failed { format!("{name} failed after {duration}") } else { format!("{name} took {duration}") },
        trace: hit.trace_id.to_string(),
        span: span.span_id.to_string(),
    }
}

fn row(hit: &TraceHit, span: &SpanHit, is_failed: bool, visit: &Visit) -> ExampleRow {
    let (trace, id) = (hit.trace_id.to_string(), span.span_id.to_string());
    let start = Moment::new(span.start_unix_nano, &visit.zone).text;
    ExampleRow {
        href: href(&format!("/trace/{trace}"), [("span", id.as_str())]),
        trace: trace.chars().take(8).collect(),
        name: format::shortened(&span.name, super::NAME),
        duration: format::duration(span.duration_nanos),
        // The year is that of the page.
        time: start.get(5..19).unwrap_or(&start).to_owned(),
        is_failed,
    }
}
