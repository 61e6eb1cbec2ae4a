use std::sync::Arc;

use hoptrail_proto::model::{SpanId, Trace, TraceId};
use hoptrail_storage::{
    AttributeKeysRequest, AttributeScope, Exemplar, Field, FieldValuesRequest, Intrinsic, MetricsAnswer,
    MetricsFunction, MetricsRequest, QueryContext, ReadError, SearchAnswer, SearchRequest, Series, SeriesPart,
    TraceReader, Value,
};
use prometheus_client::registry::Registry;

use super::*;
use crate::Config;
use crate::traceql::compile_metrics;

const NONE: f64 = f64::NAN;
const STEPS: Steps = Steps { start: 0, step: 2_000_000_000, count: 3 };

/// Answers metrics by function, whatever the spans.
#[derive(Debug)]
struct Canned;

impl TraceReader for Canned {
    fn trace(&self, _: &TenantId, _: TraceId, _: &QueryContext) -> Result<Option<Trace>, ReadError> {
        Ok(None)
    }

    fn search(&self, _: &TenantId, _: &SearchRequest, _: &QueryContext) -> Result<SearchAnswer, ReadError> {
        Ok(SearchAnswer::default())
    }

    fn metrics(&self, _: &TenantId, request: &MetricsRequest, _: &QueryContext) -> Result<MetricsAnswer, ReadError> {
        let mut answer = MetricsAnswer { unweighted: u64::from(request.weighted), ..MetricsAnswer::default() };
        answer.inspected.spans = 10;
        answer.series = match &request.function {
            MetricsFunction::Count if request.by.is_empty() => vec![whole(Vec::new(), [2.0, 4.0, 0.0])],
            MetricsFunction::Count => vec![
                whole(groups(request, "b"), [1.0, 5.0, 2.0]),
                whole(groups(request, "a"), [3.0, 5.0, 1.0]),
                whole(vec![None; request.by.len()], [2.0, 6.0, 0.0]),
            ],
            MetricsFunction::Avg(_) => {
                vec![whole(groups(request, "a"), [1.5, NONE, 2.0]), whole(groups(request, "c"), [9.0, 9.0, 9.0])]
            }
            MetricsFunction::Quantiles(_, quantiles) => {
                let part = quantiles.iter().rev().map(|quantile| SeriesPart::Quantile(*quantile));
                part.map(|part| series(Vec::new(), part, [1.0, NONE, 1.0])).collect()
            }
            MetricsFunction::Histogram(_) => {
                let buckets = [0.5, 4.0, 16.0].map(SeriesPart::Bucket);
                buckets.map(|part| series(Vec::new(), part, [1.0, 0.0, 1.0])).into()
            }
            _ => {
                let (name, status) = (Field::Intrinsic(Intrinsic::Name), Field::attribute(AttributeScope::Span, "x"));
                let value = SeriesPart::Value { selected: true, field: name.clone(), value: Value::string("GET") };
                let other = SeriesPart::Value { selected: false, field: status, value: Value::Duration(5) };
                let total = SeriesPart::Total { selected: true, field: name };
                [value, other, total].map(|part| series(Vec::new(), part, [1.0, 0.0, 1.0])).into()
            }
        };
        let exemplars = request.exemplars;
        answer.series.iter_mut().for_each(|series| series.exemplars.truncate(exemplars));
        Ok(answer)
    }

    fn attribute_keys(
        &self,
        _: &TenantId,
        _: &AttributeKeysRequest,
        _: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        Ok(Vec::new())
    }

    fn field_values(&self, _: &TenantId, _: &FieldValuesRequest, _: &QueryContext) -> Result<Vec<Value>, ReadError> {
        Ok(Vec::new())
    }
}

fn groups(request: &MetricsRequest, value: &str) -> Vec<Option<Value>> {
    vec![Some(Value::string(value)); request.by.len()]
}

fn whole(group: Vec<Option<Value>>, values: [f64; 3]) -> Series {
    series(group, SeriesPart::Whole, values)
}

/// With an exemplar in the second and one in the third interval.
fn series(group: Vec<Option<Value>>, part: SeriesPart, values: [f64; 3]) -> Series {
    let exemplar =
        |time_unix_nano| Exemplar { time_unix_nano, value: 0.25, trace_id: TraceId([1; 16]), span_id: SpanId([2; 8]) };
    Series { group, part, values: values.into(), exemplars: vec![exemplar(3_000_000_000), exemplar(6_000_000_000)] }
}

async fn asked(q: &str, exemplars: usize, max_series: usize) -> SeriesSet {
    let query = compile_metrics(q).unwrap_or_else(|errors| panic!("{}", crate::traceql::render_errors(q, &errors)));
    let service = Service::new(&Config::default(), Arc::new(Canned), &mut Registry::default());
    let request = RangeRequest { query, steps: STEPS, exemplars, max_series };
    service.metrics(&TenantId::single(), request).await.expect("an answer").value
}

/// Each series as `key=value,… numbers`.
async fn shown(q: &str) -> Vec<String> {
    asked(q, 0, 0).await.series.iter().map(show).collect()
}

fn show(series: &LabelledSeries) -> String {
    let text = |value: &AnyValue| match value {
        AnyValue::String(text) => text.clone(),
        AnyValue::Double(number) => format!("{number:?}"),
        other => panic!("{other:?}"),
    };
    let labels: Vec<String> = series.labels.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    let values: Vec<String> =
        series.values.iter().map(|v| if v.is_nan() { "-".into() } else { v.to_string() }).collect();
    format!("{} {}", labels.join(","), values.join(" "))
}

#[tokio::test]
async fn series_have_labels_and_an_order() {
    for (q, expected) in [
        ("{ } | count_over_time()", vec!["__name__=count_over_time 2 4 0"]),
        ("{ } | rate()", vec!["__name__=rate 1 2 0"]),
        ("{ } | count_over_time() by (.x)", vec![".x=a 3 5 1", ".x=b 1 5 2", ".x=nil 2 6 0"]),
        (
            "{ } | rate() by (span.x, name)",
            vec!["span.x=nil 1 3 0", "span.x=a,name=a 1.5 2.5 0.5", "span.x=b,name=b 0.5 2.5 1"],
        ),
        ("{ } | avg_over_time(duration) by (.x)", vec![".x=a 1.5 - 2", ".x=c 9 9 9"]),
        ("{ } | quantile_over_time(duration, .5, .9)", vec!["p=0.5 1 - 1", "p=0.9 1 - 1"]),
        (
            "{ } | histogram_over_time(duration)",
            vec!["__bucket=0.5 1 0 1", "__bucket=4.0 1 0 1", "__bucket=16.0 1 0 1"],
        ),
        (
            "{ } | compare({ })",
            vec![
                "__meta_type=baseline,span.x=5ns 1 0 1",
                "__meta_type=selection,name=GET 1 0 1",
                "__meta_type=selection_total,name=nil 1 0 1",
            ],
        ),
    ] {
        assert_eq!(shown(q).await, expected, "{q}");
    }
}

#[tokio::test]
async fn ranks_and_comparisons_keep_numbers_by_interval() {
    for (q, expected) in [
        ("{ } | count_over_time() by (.x) | topk(1)", vec![".x=a 3 - -", ".x=b - - 2", ".x=nil - 6 -"]),
        ("{ } | count_over_time() by (.x) | topk(2)", vec![".x=a 3 5 1", ".x=b - - 2", ".x=nil 2 6 -"]),
        ("{ } | count_over_time() by (.x) | bottomk(1)", vec![".x=a - 5 -", ".x=b 1 - -", ".x=nil - - 0"]),
        ("{ } | count_over_time() by (.x) | topk(9)", vec![".x=a 3 5 1", ".x=b 1 5 2", ".x=nil 2 6 0"]),
        ("{ } | count_over_time() by (.x) > 2", vec![".x=a 3 5 -", ".x=b - 5 -", ".x=nil - 6 -"]),
        ("{ } | count_over_time() by (.x) | topk(1) > 2", vec![".x=a 3 - -", ".x=nil - 6 -"]),
        ("{ } | count_over_time() by (.x) > 100", vec![]),
        ("{ } | 1500ms = avg_over_time(duration) by (.x)", vec![".x=a 1.5 - -"]),
        ("{ } | avg_over_time(duration) by (.x) != 9", vec![".x=a 1.5 - 2"]),
    ] {
        assert_eq!(shown(q).await, expected, "{q}");
    }
}

#[tokio::test]
async fn series_are_computed_with_each_other() {
    for (q, expected) in [
        ("({ } | rate()) * 100 - 1", vec!["__name__=rate 99 199 -1"]),
        ("10 / ({ } | count_over_time())", vec!["__name__=count_over_time 5 2.5 -"]),
        ("-({ } | rate() by (.x) | topk(1))", vec![".x=a -1.5 - -", ".x=b - - -1", ".x=nil - -3 -"]),
        ("({ } | rate()) / ({ } | count_over_time())", vec!["__name__=rate 0.5 0.5 -"]),
        // Only equal labels.
        ("({ } | avg_over_time(duration) by (.x)) + ({ } | count_over_time() by (.x))", vec![".x=a 4.5 - 3"]),
        ("({ } | rate() by (.x, .y)) / ({ } | rate() by (.y, .x))", vec![".x=a,.y=a 1 1 1", ".x=b,.y=b 1 1 1"]),
        ("({ } | rate() by (.x)) + ({ } | rate() by (.y))", vec![]),
        // A series without labels goes with all.
        (
            "({ } | count_over_time() by (.x)) - ({ } | count_over_time())",
            vec![".x=a 1 1 1", ".x=b -1 1 2", ".x=nil 0 2 0"],
        ),
        ("({ } | rate()) / ({ } | avg_over_time(duration) by (.x)) > 0.5", vec![".x=a 0.6666666666666666 - -"]),
    ] {
        assert_eq!(shown(q).await, expected, "{q}");
    }
}

#[tokio::test]
async fn exemplars_have_the_number_of_their_interval() {
    let values = async |q: &str, most| -> Vec<f64> {
        let found = asked(q, most, 0).await.series;
        found.iter().flat_map(|series| &series.exemplars).map(|exemplar| exemplar.value).collect()
    };
    for (q, expected) in [
        ("{ } | rate()", vec![2.0, 0.0]),
        ("{ } | rate() with(exemplars=1)", vec![2.0]),
        ("{ } | rate() with(exemplars=false)", vec![]),
        ("{ } | histogram_over_time(duration) | topk(1)", vec![0.0, 1.0]),
        ("{ } | quantile_over_time(duration, .5)", vec![0.25, 0.25]),
        ("{ } | avg_over_time(duration) by (.x) < 9", vec![0.25]),
        ("({ } | rate()) * 2 > 0", vec![4.0]),
    ] {
        assert_eq!(values(q, 100).await, expected, "{q}");
    }
    assert_eq!(values("{ } | count_over_time() by (.x)", 3).await.len(), 3, "in all");
    let found = asked("{ } | rate()", 1, 0).await.series;
    let labels = &found[0].exemplars[0].labels;
    let expected = [("trace:id", "01".repeat(16)), ("span:id", "02".repeat(8))];
    assert_eq!(*labels, expected.map(|(key, value)| (key.to_owned(), value.into())));
}

#[tokio::test]
async fn what_it_took_and_what_is_missing_is_told() {
    let q = "({ } | rate() by (.x)) + ({ } | rate() by (.x)) with(extrapolate=true)";
    let found = asked(q, 0, 2).await;
    assert_eq!((found.series.len(), found.cut), (2, Some(3)));
    assert_eq!((found.inspected.spans, found.unweighted), (20, 1));
    assert_eq!(asked(q, 0, 3).await.cut, None);
}
