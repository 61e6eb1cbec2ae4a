//! What a search found.

use hoptrail_proto::model::TraceId;
use hoptrail_query::traceql::Kind;
use serde_json::Value;

use super::json::{attributes, list, text, whole};

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

impl Row {
    /// Reads a trace of an answer.
    pub(super) fn read(raw: Value, kind: Kind) -> Self {
        let id = text(&raw, "traceID");
        let sets = list(&raw, "spanSets").first().or_else(|| raw.get("spanSet"));
        let span = sets.filter(|_| kind == Kind::Spans).and_then(|set| list(set, "spans").first());
        let span = span.map(span_row).unwrap_or_default();
        let stats = raw.get("serviceStats").and_then(Value::as_object);
        let sum = |key: &str| stats.map(|stats| stats.values().filter_map(|part| whole(part, key)).sum());
        Self {
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

    /// Tells it from others.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.trace_id, self.span.id)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_of_tempo_is_read() {
        let row = Row::read(
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
        let row = Row::read(json!({"traceID": "not hex"}), Kind::Traces);
        assert_eq!((row.trace_id.as_str(), row.counts, row.start), ("not hex", None, 0));
    }
}
