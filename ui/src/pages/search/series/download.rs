//! The numbers of a plot as files: all digits, all series.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use hoptrail_query::Steps;
use hoptrail_query::metrics::{LabelledExemplar, LabelledSeries};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::format::{self, Unit};
use crate::plot::Columns;

/// What a spreadsheet would take for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Comma-separated values: an interval in each line, a series in each column.
pub(super) fn csv(series: &[LabelledSeries], steps: Steps) -> Response {
    file("text/csv; charset=utf-8", "csv", csv_text(series, steps))
}

fn csv_text(series: &[LabelledSeries], steps: Steps) -> String {
    let mut out = String::from("from,to");
    for series in series {
        out.push(',');
        out.push_str(&cell(&label_text(series)));
    }
    for interval in 0..steps.count {
        let (from, to) = times(steps, interval);
        out.push_str(&format!("\r\n{from},{to}"));
        for series in series {
            out.push(',');
            let value = series.values.get(interval).filter(|value| value.is_finite());
            value.inspect(|value| out.push_str(&value.to_string()));
        }
    }
    out.push_str("\r\n");
    out
}

fn label_text(series: &LabelledSeries) -> String {
    let pairs = series.labels.iter().map(|(key, value)| format!("{key}={}", format::value(value)));
    pairs.collect::<Vec<_>>().join(", ")
}

/// A text in quotes. One that looks like a formula is marked as text.
fn cell(text: &str) -> String {
    let mark = if text.starts_with(FORMULA) { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

fn times(steps: Steps, interval: usize) -> (String, String) {
    let (from, to) = Columns(steps).times(interval);
    (format::exact_time(from, &TimeZone::UTC), format::exact_time(to, &TimeZone::UTC))
}

/// The series with their labels, and `null` where there is no number.
pub(super) fn json(series: &[LabelledSeries], steps: Steps, traceql: &str, unit: Unit) -> Response {
    file("application/json", "json", json_of(series, steps, traceql, unit).to_string())
}

fn json_of(series: &[LabelledSeries], steps: Steps, traceql: &str, unit: Unit) -> Value {
    let intervals = (0..steps.count).map(|interval| times(steps, interval));
    json!({
        "query": traceql,
        "unit": match unit {
            Unit::Plain => "none",
            Unit::Count => "count",
            Unit::PerSecond => "per second",
            Unit::Seconds => "seconds",
        },
        "intervals": intervals.map(|(from, to)| json!({ "from": from, "to": to })).collect::<Vec<_>>(),
        "series": series.iter().map(series_json).collect::<Vec<_>>(),
    })
}

fn series_json(series: &LabelledSeries) -> Value {
    json!({
        "labels": labels(&series.labels),
        "values": series.values,
        "exemplars": series.exemplars.iter().map(exemplar).collect::<Vec<_>>(),
    })
}

fn exemplar(exemplar: &LabelledExemplar) -> Value {
    json!({
        "time": format::exact_time(exemplar.time_unix_nano, &TimeZone::UTC),
        "value": exemplar.value,
        "labels": labels(&exemplar.labels),
    })
}

fn labels(labels: &[(String, hoptrail_proto::model::AnyValue)]) -> Map<String, Value> {
    use hoptrail_proto::model::AnyValue;
    let json = |value: &AnyValue| match value {
        AnyValue::Bool(value) => json!(value),
        AnyValue::Int(value) => json!(value),
        AnyValue::Double(value) => json!(value),
        other => json!(format::value(other)),
    };
    labels.iter().map(|(key, value)| (key.clone(), json(value))).collect()
}

fn file(kind: &'static str, ending: &str, text: String) -> Response {
    let name = format!("attachment; filename=\"metrics.{ending}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], text).into_response()
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::AnyValue;

    use super::*;

    const STEPS: Steps = Steps { start: 1_760_000_000_000_000_000, step: 60_000_000_000, count: 2 };

    fn series(key: &str, value: AnyValue) -> LabelledSeries {
        let exemplars = vec![LabelledExemplar {
            labels: vec![("trace:id".to_owned(), "0a".into())],
            value: f64::NAN,
            time_unix_nano: STEPS.start,
        }];
        LabelledSeries { labels: vec![(key.to_owned(), value)], values: vec![0.1, f64::NAN], exemplars }
    }

    #[test]
    fn csv_has_a_column_for_each_series() {
        let all = [series("span.a", "x, \"y\"\n".into()), series("-span.b", AnyValue::Double(0.5))];
        assert_eq!(
            csv_text(&all, STEPS),
            "from,to,\"span.a=x, \"\"y\"\"\n\",\"'-span.b=0.5\"\r\n\
             2025-10-09T08:53:20+00:00,2025-10-09T08:54:20+00:00,0.1,0.1\r\n\
             2025-10-09T08:54:20+00:00,2025-10-09T08:55:20+00:00,,\r\n"
        );
        assert_eq!(csv_text(&[], Steps { count: 0, ..STEPS }), "from,to\r\n");
    }

    #[test]
    fn json_keeps_types_and_gaps() {
        let found = json_of(&[series("p", AnyValue::Double(0.5))], STEPS, "{ } | rate()", Unit::PerSecond);
        assert_eq!(found["series"][0]["labels"], json!({ "p": 0.5 }));
        assert_eq!(found["series"][0]["values"], json!([0.1, null]));
        assert_eq!(found["series"][0]["exemplars"][0]["value"], Value::Null);
        assert_eq!((&found["unit"], &found["query"]), (&json!("per second"), &json!("{ } | rate()")));
        assert_eq!(found["intervals"][1]["from"], "2025-10-09T08:54:20+00:00");
    }
}
