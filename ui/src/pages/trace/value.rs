//! Attribute values as text.

use hoptrail_proto::model::{AnyValue, Attribute};
use hoptrail_query::assemble::Interval;
use hoptrail_query::quoted;
use hoptrail_query::traceql::field_text;
use hoptrail_query::{AttributeScope, Field};
use jiff::tz::TimeZone;

use super::pretty::pretty;
use crate::format;

/// Most characters of one value that a page shows; the download has all of them.
const MOST_SHOWN: usize = 16_000;
/// From so many attributes on, those of each namespace stand below its name.
const MANY: usize = 9;
const SECOND: u64 = 1_000_000_000;
const HALF_A_DAY: u64 = 12 * 3_600 * SECOND;

/// A key with its value, as a table shows it.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
    /// The type, when it is not a string.
    pub(crate) kind: &'static str,
    /// Whether it is long enough to be folded.
    pub(crate) long: bool,
    /// What is shown instead while it is folded.
    pub(crate) preview: String,
    /// The value with its structure in lines; empty when it has none.
    pub(crate) pretty: String,
    /// The first part of the key, where it is another than that of the pair before and there are many.
    pub(crate) namespace: String,
    /// A search for other spans with this value; empty when there is none.
    pub(crate) search: String,
    /// A search for spans that have another value.
    pub(crate) exclude: String,
}

impl Pair {
    /// Takes away what it says.
    pub(super) fn hide(&mut self) {
        let hidden = "hidden by the settings".to_owned();
        let (key, namespace) = (std::mem::take(&mut self.key), std::mem::take(&mut self.namespace));
        *self = Self { key, namespace, value: hidden, ..Self::default() };
    }
}

/// When links to other spans look for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SearchTime(Vec<(&'static str, String)>);

impl SearchTime {
    /// The last day, if all of the trace lies in it; else the trace's time with half a day around it.
    pub(super) fn around(trace: Interval, now: u64) -> Self {
        let day = now.saturating_sub(2 * HALF_A_DAY)..=now;
        if day.contains(&trace.start) && day.contains(&trace.end) {
            return Self(vec![("lookback", "24h".to_owned())]);
        }
        let from = whole_second(trace.start.saturating_sub(HALF_A_DAY));
        Self(vec![("from", from), ("to", whole_second(trace.end.saturating_add(HALF_A_DAY + SECOND)))])
    }

    /// The same for a span whose own time cannot be real.
    pub(super) fn all() -> Self {
        Self(vec![("lookback", "all".to_owned())])
    }
}

fn whole_second(nanos: u64) -> String {
    format::exact_time(nanos - nanos % SECOND, &TimeZone::UTC)
}

/// Attributes sorted by key, with links that search for their values in `scope`.
pub(super) fn pairs(attributes: &[Attribute], scope: AttributeScope, time: &SearchTime) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = attributes.iter().map(|attribute| pair(attribute, scope, time)).collect();
    pairs.sort_by(|a, b| namespace(&a.key).cmp(namespace(&b.key)).then_with(|| a.key.cmp(&b.key)));
    if pairs.len() >= MANY {
        let names: Vec<String> = pairs.iter().map(|pair| namespace(&pair.key).to_owned()).collect();
        for (at, pair) in pairs.iter_mut().enumerate() {
            if at == 0 || names[at] != names[at - 1] {
                pair.namespace = if names[at].is_empty() { "other".to_owned() } else { names[at].clone() };
            }
        }
    }
    pairs
}

/// The part of a key before its first dot; keys without one come first.
fn namespace(key: &str) -> &str {
    key.split_once('.').map_or("", |(namespace, _)| namespace)
}

fn pair(attribute: &Attribute, scope: AttributeScope, time: &SearchTime) -> Pair {
    let value = format::value(&attribute.value);
    let pretty = pretty(&attribute.key, &value).map(|laid| format::shortened(&laid, MOST_SHOWN)).unwrap_or_default();
    let value = format::shortened(&value, MOST_SHOWN);
    Pair {
        long: value.len() > 600 || value.matches('\n').count() > 8 || !pretty.is_empty(),
        preview: format::shortened(value.lines().next().unwrap_or_default(), 160),
        kind: kind(&attribute.value),
        pretty,
        namespace: String::new(),
        search: search(attribute, scope, time, "=").unwrap_or_default(),
        exclude: search(attribute, scope, time, "!=").unwrap_or_default(),
        key: attribute.key.clone(),
        value,
    }
}

fn kind(value: &AnyValue) -> &'static str {
    match value {
        AnyValue::String(_) | AnyValue::Empty => "",
        AnyValue::Bool(_) => "bool",
        AnyValue::Int(_) => "int",
        AnyValue::Double(_) => "double",
        AnyValue::Bytes(_) => "bytes",
        AnyValue::Array(_) => "array",
        AnyValue::KvList(_) => "map",
    }
}

/// Where spans with the same value are found, or those with another.
fn search(attribute: &Attribute, scope: AttributeScope, time: &SearchTime, comparison: &str) -> Option<String> {
    let constant = match &attribute.value {
        AnyValue::String(text) if text.len() <= 200 => quoted(text),
        AnyValue::Bool(value) => value.to_string(),
        AnyValue::Int(value) => value.to_string(),
        _ => return None,
    };
    let field = field_text(&Field::attribute(scope, attribute.key.as_str()));
    let query = format!("{{ {field} {comparison} {constant} }}");
    let time = time.0.iter().map(|(name, value)| (*name, value.as_str()));
    Some(crate::url::href("/search", std::iter::once(("q", query.as_str())).chain(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_like_json() {
        let map = AnyValue::KvList(vec![Attribute::new("a\"b", 1), Attribute::new("c", 2.5)]);
        let value =
            AnyValue::Array(vec!["x\n".into(), true.into(), map, AnyValue::Bytes(vec![0, 255]), AnyValue::Empty]);
        assert_eq!(format::value(&value), r#"["x\n", true, {"a\"b": 1, "c": 2.5}, 00ff, (empty)]"#);
        assert_eq!(format::value(&"plain \"text\"".into()), "plain \"text\"");
    }

    const DAY: u64 = 2 * HALF_A_DAY;
    const DAY_LONG: Interval = Interval { start: 0, end: DAY };

    #[test]
    fn searches_cover_the_trace() {
        let time = |start, end, now| SearchTime::around(Interval { start, end }, now).0;
        assert_eq!(time(DAY, 2 * DAY, 2 * DAY), [("lookback", "24h".to_owned())]);
        let around = [("from", "1970-01-01T12:00:00+00:00".to_owned()), ("to", "1970-01-03T12:00:01+00:00".to_owned())];
        for now in [2 * DAY + 1, 2 * DAY - 1, 90 * DAY, 0] {
            assert_eq!(time(DAY, 2 * DAY, now), around, "{now}");
        }
        assert_eq!(time(5, 5, 90 * DAY)[0].1, "1970-01-01T00:00:00+00:00");
        assert_eq!(time(u64::MAX, u64::MAX, DAY).len(), 2);
    }

    #[test]
    fn many_attributes_stand_by_namespace() {
        let keys = ["http.route", "url.path", "http.method", "error", "db.x", "url.scheme", "a", "net.a", "net.b"];
        let attributes: Vec<Attribute> = keys.iter().map(|key| Attribute::new(*key, "x")).collect();
        let shown = |count: usize| -> Vec<String> {
            let pairs = pairs(&attributes[..count], AttributeScope::Span, &SearchTime::all());
            pairs.into_iter().map(|pair| format!("{}:{}", pair.namespace, pair.key)).collect()
        };
        assert_eq!(shown(9)[..4], ["other:a", ":error", "db:db.x", "http:http.method"]);
        assert!(shown(8).iter().all(|text| text.starts_with(':')));
    }

    #[test]
    fn values_lead_to_other_spans_that_have_them() {
        let found = pairs(
            &[Attribute::new("b", "x y"), Attribute::new("a", 5)],
            AttributeScope::Span,
            &SearchTime::around(DAY_LONG, DAY),
        );
        assert_eq!(found[0].search, "/search?q=%7B+span.a+%3D+5+%7D&lookback=24h");
        assert_eq!((found[0].kind, found[1].kind, found[1].key.as_str()), ("int", "", "b"));
    }
}
