//! Answers, as scripts write them.

use hoptrail_proto::model::{AnyValue, SpanId, TenantId};
use hoptrail_query::metrics::{LabelledSeries, RangeRequest};
use hoptrail_query::traceql::{Compiled, QueryError, compile, compile_metrics, field_text, format_duration};
use hoptrail_query::{SearchRequest, Service, SetHit, SpanHit, Value};

use crate::script::{Case, Options};

/// The lines that the case should have.
pub(crate) async fn lines(service: &Service, case: &Case) -> Vec<String> {
    let found = match case.options.steps {
        Some(_) => series(service, case).await,
        None => match compile(&case.query) {
            Ok(compiled) => Ok(hits(service, case, compiled).await),
            Err(errors) => Err(errors),
        },
    };
    let error = |error: &QueryError| format!("! {:?} {}", error.range, error.message);
    found.unwrap_or_else(|errors| errors.iter().map(error).collect())
}

async fn hits(service: &Service, case: &Case, compiled: Compiled) -> Vec<String> {
    let Options { limit, spans_per_set, range, .. } = case.options;
    let mut request = SearchRequest {
        spans: compiled.spans,
        select: compiled.select,
        order: compiled.order,
        rows: compiled.rows,
        range,
        limit: limit.unwrap_or(1000),
        spans_per_set: spans_per_set.unwrap_or(1000),
        after: None,
        traces: None,
    };
    let in_order = !case.expected.iter().any(|line| line.starts_with('='));
    let mut pages = case.expected.split(|line| line == "+").filter(|page| !page.is_empty()).count().max(1);
    let (mut rows, mut ids) = (Vec::new(), Vec::new());
    while pages > 0 {
        let answer = service.search(&TenantId::single(), request.clone()).await.expect("an answer").value;
        let sets: Vec<SetHit> = answer.hits.into_iter().flat_map(|hit| hit.sets).collect();
        ids.extend(sets.iter().flat_map(|set| &set.spans).map(|span| id_text(span.span_id)));
        rows.extend(sets.iter().map(|set| row(set, &case.options)));
        let Some(next) = answer.next else { break };
        rows.push("+".to_owned());
        request.after = Some(next);
        pages -= 1;
    }
    if in_order && !rows.is_empty() {
        return rows;
    }
    ids.sort();
    vec![format!("= {}", ids.join(" ")).trim_end().to_owned()]
}

fn row(set: &SetHit, options: &Options) -> String {
    let mut line = vec![">".to_owned()];
    line.extend(set.spans.iter().map(|span| span_text(span, options)));
    if set.matched != set.spans.len() as u64 {
        line.push(format!("of {}", set.matched));
    }
    if !set.attributes.is_empty() {
        line.push("|".to_owned());
    }
    line.extend(set.attributes.iter().map(|(label, value)| format!("{label}={}", value_text(value))));
    line.join(" ")
}

fn span_text(span: &SpanHit, options: &Options) -> String {
    let fields = span.fields.iter().map(|(field, value)| format!("{}={}", field_text(field), value_text(value)));
    let id = id_text(span.span_id);
    if options.shows_fields { format!("{id} [{}]", fields.collect::<Vec<_>>().join(" ")) } else { id }
}

async fn series(service: &Service, case: &Case) -> Result<Vec<String>, Vec<QueryError>> {
    let Options { steps: Some(steps), exemplars, .. } = case.options else { return Ok(Vec::new()) };
    let request = RangeRequest { query: compile_metrics(&case.query)?, steps, exemplars, max_series: 0 };
    let answer = service.metrics(&TenantId::single(), request).await.expect("an answer").value;
    if answer.series.is_empty() {
        return Ok(vec!["~".to_owned()]);
    }
    Ok(answer.series.iter().map(|one| series_text(one, exemplars > 0)).collect())
}

fn series_text(series: &LabelledSeries, shows_exemplars: bool) -> String {
    let mut line = vec!["~".to_owned()];
    line.extend(series.labels.iter().map(|(key, value)| format!("{key}={}", any_text(value))));
    line.push("|".to_owned());
    line.extend(series.values.iter().map(|value| number_text(*value)));
    if shows_exemplars {
        line.push("*".to_owned());
        let ids = series.exemplars.iter().flat_map(|exemplar| &exemplar.labels).filter(|(key, _)| key == "span:id");
        line.extend(ids.map(|(_, id)| id.as_str().unwrap_or_default().trim_start_matches('0').to_owned()));
    }
    line.join(" ")
}

/// Without what a sum of doubles may be off.
fn number_text(number: f64) -> String {
    let rounded = (number * 1e9).round() / 1e9;
    if number.is_nan() {
        "-".to_owned()
    } else if rounded.is_finite() {
        rounded.to_string()
    } else {
        number.to_string()
    }
}

fn id_text(id: SpanId) -> String {
    id.to_string().trim_start_matches('0').to_owned()
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Any(value) => any_text(value),
        Value::Duration(nanos) => format_duration(*nanos as i64),
        Value::Status(status) => status.name().to_owned(),
        Value::Kind(kind) => kind.name().to_owned(),
    }
}

fn any_text(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => format!("{text:?}"),
        AnyValue::Int(number) => number.to_string(),
        AnyValue::Double(number) => format!("{number:?}"),
        AnyValue::Bool(value) => value.to_string(),
        AnyValue::Array(elements) => format!("[{}]", elements.iter().map(any_text).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}
