//! Searches: traces, or spans where the query says so.

use hoptrail_proto::model::TraceId;
use hoptrail_query::traceql::Kind;
use serde_json::Value;

use super::json::{attributes, list, text, whole};
use super::printer::Printer;
use crate::client::{Answer, Client, Failure};
use crate::commands::remote::Format;
use crate::commands::times::Range;
use crate::terminal::text::shown;

/// Traces that are asked for when no limit is given.
const LIMIT: u32 = 20;
/// Traces on a page of `--all`.
const PAGE: u32 = 500;
/// The header with the place of the next page, and the parameter that takes it.
const NEXT: (&str, &str) = ("x-hoptrail-next", "after");

/// What is looked for, and where.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) client: &'a Client,
    pub(super) q: &'a str,
    pub(super) kind: Kind,
    pub(super) range: Option<Range>,
}

/// A part of an answer.
#[derive(Debug)]
pub(super) struct Page {
    /// The answer as it came.
    pub(super) text: String,
    /// What was found.
    pub(super) rows: Vec<Row>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
    /// What is missing, for people.
    pub(super) notice: Option<String>,
}

/// A trace, or a span.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    /// Hex digits.
    pub(super) trace_id: String,
    pub(super) service: String,
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) duration_ms: u64,
    /// Spans and those with status error, where the server counts them.
    pub(super) counts: Option<(u64, u64)>,
    /// The span, when rows are spans.
    pub(super) span: SpanRow,
    /// As the server sent it.
    pub(super) raw: Value,
}

/// The first span that matches.
#[derive(Debug, Clone, Default)]
pub(super) struct SpanRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) nanos: u64,
    pub(super) attributes: Vec<(String, String)>,
}

impl Question<'_> {
    /// The newest `limit`, or what comes after the place.
    pub(super) async fn page(&self, limit: u32, after: Option<String>) -> Result<Page, Failure> {
        let mut params = vec![("q", self.q.to_owned()), ("limit", limit.to_string())];
        if let Some((start, end)) = self.range {
            params.extend([("start", start.to_string()), ("end", end.to_string())]);
        }
        params.extend(after.map(|after| (NEXT.1, after)));
        let answer = self.client.get("/api/search", &params, "application/json").await?;
        Ok(Page {
            rows: self.rows(&answer)?,
            next: answer.header(NEXT.0).filter(|next| !next.is_empty()).map(str::to_owned),
            notice: answer.notice().map(str::to_owned),
            text: answer.text(),
        })
    }

    fn rows(&self, answer: &Answer) -> Result<Vec<Row>, Failure> {
        let mut answer = answer.json(self.client.address())?;
        let traces = match answer.get_mut("traces").map(Value::take) {
            Some(Value::Array(traces)) => traces,
            _ => Vec::new(),
        };
        Ok(traces.into_iter().map(|trace| row(trace, self.kind)).collect())
    }
}

impl Row {
    /// Tells it from others.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.trace_id, self.span.id)
    }
}

fn row(raw: Value, kind: Kind) -> Row {
    let id = text(&raw, "traceID");
    let sets = list(&raw, "spanSets").first().or_else(|| raw.get("spanSet"));
    let span = sets.filter(|_| kind == Kind::Spans).and_then(|set| list(set, "spans").first());
    let span = span.map(span_row).unwrap_or_default();
    let stats = raw.get("serviceStats").and_then(Value::as_object);
    let sum = |key: &str| stats.map(|stats| stats.values().filter_map(|part| whole(part, key)).sum());
    Row {
        trace_id: id.parse::<TraceId>().map_or_else(|_| id.to_owned(), |id| id.to_string()),
        service: text(&raw, "rootServiceName").to_owned(),
        name: text(&raw, "rootTraceName").to_owned(),
        start: whole(&raw, "startTimeUnixNano").unwrap_or_default(),
        duration_ms: whole(&raw, "durationMs").unwrap_or_default(),
        counts: sum("spanCount").zip(sum("errorCount")).filter(|(spans, _)| *spans > 0),
        span,
        raw,
    }
}

fn span_row(span: &Value) -> SpanRow {
    SpanRow {
        id: text(span, "spanID").to_owned(),
        name: text(span, "name").to_owned(),
        start: whole(span, "startTimeUnixNano").unwrap_or_default(),
        nanos: whole(span, "durationNanos").unwrap_or_default(),
        attributes: attributes(span, "attributes"),
    }
}

/// The newest traces. Whether there are any.
pub(super) async fn newest(question: &Question<'_>, mut printer: Printer, limit: Option<u32>) -> Result<bool, Failure> {
    let limit = limit.unwrap_or(LIMIT);
    let page = question.page(limit, None).await?;
    printer.page(&page)?;
    note(&page);
    if printer.format() == Format::Table && page.rows.len() >= limit as usize {
        eprintln!("the first {limit}; there may be more: --limit, --all");
    }
    Ok(!page.rows.is_empty())
}

/// All traces, page by page. Whether there are any.
pub(super) async fn all(question: &Question<'_>, mut printer: Printer) -> Result<bool, Failure> {
    let (mut found, mut place) = (false, None);
    loop {
        let page = question.page(PAGE, place.clone()).await?;
        printer.page(&page)?;
        note(&page);
        found |= !page.rows.is_empty();
        if page.next.is_none() {
            if place.is_none() && page.rows.len() >= PAGE as usize {
                eprintln!("the first {PAGE}; there may be more, which only hoptrail gives page by page");
            }
            return Ok(found);
        }
        if page.next == place {
            return Err(Failure::Mistake("the server gives the same page again and again".to_owned()));
        }
        place = page.next;
    }
}

/// Says what is missing in an answer.
pub(super) fn note(page: &Page) {
    if let Some(notice) = &page.notice {
        eprintln!("{}", shown(notice));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_of_tempo_is_read() {
        let row = row(
            json!({
                "traceID": "abc", "rootServiceName": "shop", "startTimeUnixNano": "1760000000000000000",
                "spanSet": {"spans": [{"spanID": "01", "durationNanos": "5", "attributes": [{"key": "a", "value": {"intValue": "1"}}]}]},
                "serviceStats": {"shop": {"spanCount": 3}, "cart": {"spanCount": 2, "errorCount": 1}},
            }),
            Kind::Spans,
        );
        assert_eq!(row.trace_id, format!("{:0>32}", "abc"));
        assert_eq!((row.start, row.duration_ms, row.name.as_str()), (1_760_000_000_000_000_000, 0, ""));
        assert_eq!(row.counts, Some((5, 1)));
        assert_eq!((row.span.nanos, row.span.attributes), (5, vec![("a".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn an_answer_without_anything_is_read() {
        let row = row(json!({"traceID": "not hex"}), Kind::Traces);
        assert_eq!((row.trace_id.as_str(), row.counts, row.start), ("not hex", None, 0));
    }
}
