//! Links from numbers to the spans behind them.

use hoptrail_proto::model::{AnyValue, SpanKind, StatusCode};
use hoptrail_query::quoted;
use jiff::tz::TimeZone;

use crate::format::{self, Unit};
use crate::pages::search::form::{Form, SEARCH};
use crate::pages::search::text::{Source, source};

/// Labels that are no field of the spans.
const OWN_LABELS: [&str; 3] = ["__name__", "__bucket", "p"];

/// Makes links for one question.
#[derive(Debug)]
pub(super) struct Narrow<'a> {
    form: &'a Form,
    /// `None` for a query of several functions, which can only be drawn for a shorter time.
    source: Option<Source>,
    zone: &'a TimeZone,
}

/// Values more than the first, when there is one, and up to the second.
pub(super) type Bucket = (Option<f64>, f64);

impl<'a> Narrow<'a> {
    pub(super) fn new(form: &'a Form, zone: &'a TimeZone) -> Self {
        Self { form, source: source(&form.query), zone }
    }

    /// The spans of an interval, a group and a bucket.
    pub(super) fn to(
        &self,
        times: (u64, u64),
        labels: &[(String, AnyValue)],
        bucket: Option<(Bucket, Unit)>,
    ) -> String {
        let [from, to] = [times.0, times.1].map(|time| format::exact_time(time, self.zone));
        let query = self.query(labels, bucket);
        self.link(&query, &[("lookback", ""), ("from", &from), ("to", &to)])
    }

    /// The spans of the whole time that have a value.
    pub(super) fn with_value(&self, key: &str, value: &AnyValue) -> Option<String> {
        let condition = condition(key, value)?;
        let source = self.source.as_ref()?;
        Some(self.link(&format!("{} | {{ {condition} }}", source.spans), &[]))
    }

    fn link(&self, query: &str, times: &[(&str, &str)]) -> String {
        let changes = [("q", query), ("limit", ""), ("step", ""), ("plot", "")];
        let changes: Vec<(&str, &str)> = changes.into_iter().chain(times.iter().copied()).collect();
        // A query that is drawn again keeps how it is drawn.
        let kept = if self.source.is_some() { &changes[..] } else { &changes[4..] };
        self.form.link(SEARCH, kept)
    }

    fn query(&self, labels: &[(String, AnyValue)], bucket: Option<(Bucket, Unit)>) -> String {
        let Some(source) = &self.source else { return self.form.query.clone() };
        let fields = labels.iter().filter(|(key, _)| !OWN_LABELS.contains(&key.as_str()));
        let mut conditions: Vec<String> = fields.filter_map(|(key, value)| condition(key, value)).collect();
        if let (Some(argument), Some((bucket, unit))) = (&source.argument, bucket) {
            conditions.extend(in_bucket(argument, bucket, unit));
        }
        if conditions.is_empty() {
            return source.spans.clone();
        }
        format!("{} | {{ {} }}", source.spans, conditions.join(" && "))
    }
}

/// `duration > 1ms && duration <= 2ms`
fn in_bucket(argument: &str, (above, upto): Bucket, unit: Unit) -> impl Iterator<Item = String> {
    let text = move |value: f64| match unit {
        Unit::Seconds => format!("{}ns", (value * 1e9).round()),
        _ => format!("{value}"),
    };
    let argument = if argument.contains(' ') { format!("({argument})") } else { argument.to_owned() };
    let above = above.map(|above| format!("{argument} > {}", text(above)));
    above.into_iter().chain([format!("{argument} <= {}", text(upto))])
}

/// A field has a value; `None` for values that TraceQL has no word for.
pub(crate) fn condition(key: &str, value: &AnyValue) -> Option<String> {
    let is_word = |text: &str| match key {
        "status" | "span:status" => StatusCode::ALL.iter().any(|status| status.name() == text),
        "kind" | "span:kind" => SpanKind::ALL.iter().any(|kind| kind.name() == text),
        "duration" | "span:duration" | "traceDuration" | "trace:duration" | "event:timeSinceStart" => true,
        _ => false,
    };
    match value {
        AnyValue::String(text) if is_word(text) => Some(format!("{key} = {text}")),
        AnyValue::String(text) if text.len() <= 1_000 => Some(format!("{key} = {}", quoted(text))),
        AnyValue::Bool(value) => Some(format!("{key} = {value}")),
        AnyValue::Int(value) => Some(format!("{key} = {value}")),
        AnyValue::Double(value) if value.is_finite() => Some(format!("{key} = {value:?}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_query::traceql::compile;

    use super::*;
    use crate::url::Params;

    const NOW: u64 = 1_760_000_000_000_000_000;

    fn queries(query: &str, labels: &[(&str, AnyValue)], bucket: Option<(Bucket, Unit)>) -> String {
        let form = Form { query: query.to_owned(), service: "shop".to_owned(), ..Form::default() };
        let labels: Vec<(String, AnyValue)> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let link = Narrow::new(&form, &TimeZone::UTC).to((NOW, NOW + 60_000_000_000), &labels, bucket);
        let params = Params::of(&link.parse().expect("uri"));
        assert_eq!((params.text("from"), params.text("service")), ("2025-10-09T08:53:20+00:00", "shop"));
        params.text("q").to_owned()
    }

    #[test]
    fn a_cell_leads_to_its_spans() {
        let bucket = |above, upto, unit| Some(((above, upto), unit));
        let histogram = "{ .a = 1 } | histogram_over_time(duration) by (resource.service.name)";
        let labels = [("resource.service.name", "c\"x".into()), ("__bucket", AnyValue::Double(0.002))];
        let found = queries(histogram, &labels, bucket(Some(0.001_048_576), 0.002_097_152, Unit::Seconds));
        let group = r#"resource.service.name = "c\"x""#;
        assert_eq!(found, format!("{{ .a = 1 }} | {{ {group} && duration > 1048576ns && duration <= 2097152ns }}"));
        assert!(compile(&found).is_ok());
        let sizes = queries("{ } | histogram_over_time(span.x * 2)", &[], bucket(None, 1.0, Unit::Plain));
        assert_eq!(sizes, "{ } | { (span.x * 2) <= 1 }");
    }

    #[test]
    fn a_value_is_written_as_its_type() {
        for (key, value, condition) in [
            ("status", "error".into(), "status = error"),
            ("kind", "server".into(), "kind = server"),
            ("span.status", "error".into(), "span.status = \"error\""),
            ("span.n", AnyValue::Int(-7), "span.n = -7"),
            ("span.f", AnyValue::Double(2.0), "span.f = 2.0"),
            ("span.b", AnyValue::Bool(true), "span.b = true"),
        ] {
            let found = queries("{ } | rate() by (name)", &[(key, value)], None);
            assert_eq!(found, format!("{{ }} | {{ {condition} }}"));
            assert!(compile(&found).is_ok(), "{found}");
        }
        assert_eq!(queries("{ } | rate()", &[("x", AnyValue::Array(vec![]))], None), "{ }");
        assert_eq!(queries("({ } | rate()) / 2", &[], None), "({ } | rate()) / 2", "only the time is shorter");
    }
}
