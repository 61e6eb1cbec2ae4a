//! Products whose addresses are known.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::template::{Moment, Unit};
use super::{Subject, encoded};

/// What is looked at before and after a span.
const AROUND: i64 = 5 * 60 * 1_000_000_000;

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Logs in Loki, seen with Grafana.
    Loki,
    /// Logs in Elasticsearch, seen with Kibana.
    Elastic,
    /// Logs in OpenSearch, seen with its dashboards.
    Opensearch,
    /// Logs in VictoriaLogs.
    Victorialogs,
    /// The trace, or the traces of a service, in Grafana.
    Grafana,
    /// Profiles of the service in Pyroscope.
    Pyroscope,
}

impl Preset {
    /// Whether it needs the uid of a data source.
    pub(super) fn needs_source(self) -> bool {
        matches!(self, Self::Loki | Self::Grafana)
    }

    /// The address for what is known; `None` when something is missing.
    pub(super) fn address(self, base: &str, source: &str, subject: &Subject<'_>) -> Option<String> {
        let (service, trace) = (subject.service, subject.trace_id.as_deref());
        if service.is_empty() && trace.is_none() {
            return None;
        }
        let selector = format!("{{service_name={}}}", quoted(service));
        match self {
            Self::Loki => {
                let with_trace = trace.map(|id| format!(" |= {}", quoted(id))).unwrap_or_default();
                let query = json!({"refId": "A", "expr": format!("{selector}{with_trace}")});
                explore(base, source, &query, subject)
            }
            Self::Grafana => {
                let of_service = || format!("{{resource.service.name={}}}", quoted(service));
                let query = trace.map_or_else(of_service, str::to_owned);
                explore(base, source, &json!({"refId": "A", "queryType": "traceql", "query": query}), subject)
            }
            Self::Elastic => kibana(base, "app/discover#/", "_a", ("trace.id", "service.name"), subject),
            Self::Opensearch => kibana(
                base,
                "app/data-explorer/discover#",
                "_q",
                ("traceId", "resource.attributes.service@name"),
                subject,
            ),
            Self::Victorialogs => {
                let query = trace.map_or_else(
                    || format!("service.name:={}", quoted(service)),
                    |id| format!("trace_id:={}", quoted(id)),
                );
                let (start, end) =
                    (subject.start.saturating_add_signed(-AROUND), subject.end.saturating_add_signed(AROUND));
                let seconds = end.saturating_sub(start) / 1_000_000_000;
                let end = Moment { unit: Unit::Iso, shift: AROUND }.text(subject.end)?;
                Some(format!(
                    "{base}/select/vmui/#/?query={}&g0.range_input={seconds}s&g0.end_input={}",
                    encoded(&query),
                    encoded(end.trim_end_matches('Z'))
                ))
            }
            Self::Pyroscope => {
                let query = format!("process_cpu:cpu:nanoseconds:cpu:nanoseconds{selector}");
                let (from, until) = times(Unit::Seconds, subject)?;
                Some(format!("{base}/?query={}&from={from}&until={until}", encoded(&query)))
            }
        }
    }
}

/// The time around, written in a unit.
fn times(unit: Unit, subject: &Subject<'_>) -> Option<(String, String)> {
    let from = Moment { unit, shift: -AROUND }.text(subject.start)?;
    let until = Moment { unit, shift: AROUND }.text(subject.end)?;
    Some((from, until))
}

/// Grafana's Explore with one query.
fn explore(base: &str, source: &str, query: &serde_json::Value, subject: &Subject<'_>) -> Option<String> {
    let (from, to) = times(Unit::Millis, subject)?;
    let panes = json!({"a": {"datasource": source, "queries": [query], "range": {"from": from, "to": to}}});
    Some(format!("{base}/explore?schemaVersion=1&panes={}", encoded(&panes.to_string())))
}

/// Kibana or what came of it, which keep their state in Rison. `fields`: that of the trace, and that of the service.
fn kibana(base: &str, page: &str, place: &str, fields: (&str, &str), subject: &Subject<'_>) -> Option<String> {
    let (from, to) = times(Unit::Iso, subject)?;
    let query = match &subject.trace_id {
        Some(id) => format!("{}:{}", fields.0, quoted(id)),
        None => format!("{}:{}", fields.1, quoted(subject.service)),
    };
    let time = format!("(time:(from:{},to:{}))", rison(&from), rison(&to));
    let state = format!("(query:(language:kuery,query:{}))", rison(&query));
    Some(format!("{base}/{page}?_g={}&{place}={}", encoded(&time), encoded(&state)))
}

/// A text in quotes, as LogQL, KQL, LogsQL and PromQL write it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A text of Rison.
fn rison(text: &str) -> String {
    format!("'{}'", text.replace('!', "!!").replace('\'', "!'"))
}
