//! What the spans that match say, value by value, each with a link to those that say it and to those that do not.

use hoptrail_proto::model::AnyValue;
use hoptrail_query::traceql::{self, parse_field};

use super::narrowed::narrowed;
use crate::format;
use crate::pages::search::form::{Form, SEARCH, write_name};
use crate::pages::search::series::condition;

/// Fields that are always counted, and what they are called.
const USUAL: [(&str, &str); 4] =
    [("resource.service.name", "Service"), ("name", "Span name"), ("status", "Status"), ("kind", "Kind")];
/// Attributes that are counted where spans have them.
const COMMON: [&str; 8] = [
    "span.http.route",
    "span.http.response.status_code",
    "span.rpc.method",
    "span.db.system.name",
    "span.messaging.destination.name",
    "span.error.type",
    "resource.deployment.environment.name",
    "resource.service.version",
];
/// Most values of a field that are shown.
const MOST: usize = 8;
/// Most characters of a value.
const SHORT: usize = 60;
/// What a missing value is in the store's answer.
const MISSING: &str = "nil";

/// A field with its values.
#[derive(Debug)]
pub(crate) struct Facet {
    pub(crate) label: String,
    /// Whether the label is the name of an attribute.
    pub(crate) is_attribute: bool,
    pub(crate) values: Vec<FacetValue>,
    /// How many values are not shown.
    pub(crate) more: usize,
    /// The page that has them all.
    pub(crate) all: String,
}

/// A value of a field.
#[derive(Debug)]
pub(crate) struct FacetValue {
    pub(crate) text: String,
    pub(crate) spans: String,
    /// Width of the bar, in percent.
    pub(crate) width: String,
    /// The search for spans that have it; empty when there is no word for it.
    pub(crate) include: String,
    /// The search for spans that do not.
    pub(crate) exclude: String,
}

/// What is counted, as TraceQL. The attribute that the reader named comes first.
pub(super) fn fields(form: &Form) -> Vec<String> {
    let own = parse_field(&form.facet).ok().map(|_| form.facet.clone());
    let common = USUAL.iter().map(|(field, _)| *field).chain(COMMON).map(str::to_owned);
    let mut fields: Vec<String> = common.collect();
    if let Some(own) = own {
        fields.retain(|field| *field != own);
        // The total is that of the first.
        fields.insert(1, own);
    }
    fields
}

/// The values of a field, the most frequent first; `None` when there is nothing to choose.
pub(super) fn facet(form: &Form, field: &str, mut values: Vec<(AnyValue, u64)>, total: u64) -> Option<Facet> {
    let usual = USUAL.iter().find(|(name, _)| *name == field).map(|(_, label)| *label);
    let is_missing = |value: &AnyValue| *value == AnyValue::from(MISSING);
    let is_wanted = form.facet == field;
    let has_some = values.iter().any(|(value, _)| !is_missing(value));
    if values.is_empty() || !is_wanted && (values.len() < 2 || !has_some) {
        return None;
    }
    values.sort_by(|(_, one), (_, other)| other.cmp(one));
    let most = values.first().map_or(1, |(_, spans)| *spans).max(1);
    let shown = values.iter().take(MOST).map(|(value, spans)| FacetValue {
        text: text_of(value, is_missing(value)),
        spans: format::count(*spans),
        width: format!("{:.1}", 100.0 * *spans as f64 / most as f64),
        include: include(form, field, value, is_missing(value)).unwrap_or_default(),
        exclude: exclude(form, field, value, is_missing(value)).filter(|_| *spans < total).unwrap_or_default(),
    });
    Some(Facet {
        label: usual.map_or_else(|| field.to_owned(), str::to_owned),
        is_attribute: usual.is_none(),
        more: values.len().saturating_sub(MOST),
        all: all(form, field),
        values: shown.collect(),
    })
}

fn text_of(value: &AnyValue, is_missing: bool) -> String {
    match value {
        _ if is_missing => "(none)".to_owned(),
        AnyValue::String(text) if text.is_empty() => "(empty)".to_owned(),
        other => format::shortened(&format::value(other), SHORT),
    }
}

/// The table of all values.
fn all(form: &Form, field: &str) -> String {
    let query = match form.query.trim() {
        typed if crate::pages::search::text::is_traceql(typed) => typed.to_owned(),
        _ => match narrowed(form, "true") {
            Some(link) => crate::url::Params::of(&link.parse().unwrap_or_default()).text("q").to_owned(),
            None => return String::new(),
        },
    };
    let query = format!("{query} | count_over_time() by ({field})");
    let is_query = traceql::compile_metrics(&query).is_ok() && form.lookback != "all";
    let link = || form.link(SEARCH, &[("q", &query), ("plot", "table"), ("limit", ""), ("sort", ""), ("rows", "")]);
    if is_query { link() } else { String::new() }
}

/// What the form has a field for goes there, when that is free.
fn include(form: &Form, field: &str, value: &AnyValue, is_missing: bool) -> Option<String> {
    if is_missing {
        return narrowed(form, &format!("{field} = nil"));
    }
    let text = value.as_str().filter(|text| !text.is_empty());
    let place = match field {
        "resource.service.name" if form.service.is_empty() => Some("service"),
        "name" if form.name.is_empty() => Some("name"),
        "status" if form.status.is_empty() => Some("status"),
        "kind" if form.kind.is_empty() => Some("kind"),
        _ => None,
    };
    match (place, text) {
        (Some(place @ ("service" | "name")), Some(text)) => Some(form.with(place, &write_name(text))),
        (Some(place), Some(text)) => Some(form.with(place, text)),
        _ => narrowed(form, &condition(field, value)?),
    }
}

fn exclude(form: &Form, field: &str, value: &AnyValue, is_missing: bool) -> Option<String> {
    let condition = if is_missing { format!("{field} != nil") } else { format!("!({})", condition(field, value)?) };
    narrowed(form, &condition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Params;

    fn query(link: &str, field: &str) -> String {
        Params::of(&link.parse().expect("uri")).text(field).to_owned()
    }

    #[test]
    fn values_lead_to_their_spans_and_to_the_others() {
        let form = Form { lookback: "1h".into(), ..Form::default() };
        let values = vec![("a \"b\"".into(), 3), ("nil".into(), 5), (AnyValue::Int(7), 1)];
        let facet = facet(&form, "span.x", values, 9).expect("a facet");
        let texts: Vec<&str> = facet.values.iter().map(|value| value.text.as_str()).collect();
        assert_eq!(texts, ["(none)", "a \"b\"", "7"]);
        let include: Vec<String> = facet.values.iter().map(|value| query(&value.include, "q")).collect();
        assert_eq!(include, ["{ span.x = nil }", r#"{ span.x = "a \"b\"" }"#, "{ span.x = 7 }"]);
        let exclude: Vec<String> = facet.values.iter().map(|value| query(&value.exclude, "q")).collect();
        assert_eq!(exclude, ["{ span.x != nil }", r#"{ !(span.x = "a \"b\"") }"#, "{ !(span.x = 7) }"]);
        assert_eq!((facet.values[0].width.as_str(), facet.is_attribute), ("100.0", true));
    }

    #[test]
    fn fields_of_the_form_are_used_while_they_are_free() {
        let values = || vec![("shop".into(), 3), ("cart".into(), 1)];
        let free = facet(&Form::default(), "resource.service.name", values(), 4).expect("a facet");
        assert_eq!(query(&free.values[0].include, "service"), "shop");
        let taken = Form { service: "shop".into(), ..Form::default() };
        let taken = facet(&taken, "resource.service.name", values(), 4).expect("a facet");
        assert_eq!(query(&taken.values[1].include, "q"), r#"{ resource.service.name = "cart" }"#);
        assert_eq!(query(&taken.values[1].include, "service"), "shop");
        assert!(facet(&Form::default(), "span.x", vec![("nil".into(), 3)], 3).is_none());
        assert!(facet(&Form::default(), "status", vec![("unset".into(), 3)], 3).is_none(), "nothing to choose");
    }

    #[test]
    fn a_named_attribute_is_counted_first() {
        let form = Form { facet: "span.user".into(), ..Form::default() };
        assert_eq!(fields(&form)[..2], ["resource.service.name", "span.user"]);
        assert_eq!(fields(&Form { facet: "}{".into(), ..Form::default() }), fields(&Form::default()));
    }

    #[test]
    fn many_values_have_a_table() {
        let values = (0..20).map(|number| (AnyValue::Int(number), 1)).collect();
        let form = Form { lookback: "1h".into(), query: "a=b".into(), ..Form::default() };
        let facet = facet(&form, "span.x", values, 20).expect("a facet");
        assert_eq!((facet.values.len(), facet.more), (MOST, 12));
        assert!(traceql::compile_metrics(&query(&facet.all, "q")).is_ok(), "{}", facet.all);
    }
}
