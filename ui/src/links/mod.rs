//! Links to where more is known of a span or a service: logs, metrics, profiles, Kubernetes. The settings say which there are.
//!
//! A link is shown where all its variables have a value. Values are percent-encoded, and the host is always that of the settings, so no
//! value that a sender chose leads anywhere else.

mod preset;
mod template;

use serde::{Deserialize, Serialize};

pub use preset::Preset;
use template::{Template, Value};

/// A link of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// What it is called on the page.
    pub name: String,
    /// The address with its variables in double braces.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Instead of an address: a product whose addresses are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Where that product is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base: String,
    /// The uid of the data source, for presets that lead to Grafana.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Where the link is shown.
    #[serde(default)]
    pub on: On,
}

/// Where a link is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// In the detail of a span.
    #[default]
    Span,
    /// On the page of a service.
    Service,
}

/// What is known of a span or a service.
pub(crate) struct Subject<'s> {
    pub(crate) trace_id: Option<String>,
    pub(crate) span_id: Option<String>,
    pub(crate) service: &'s str,
    /// The name of the span.
    pub(crate) name: Option<&'s str>,
    /// Its time, or that of the page, in nanoseconds since 1970 UTC.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The text of an attribute by its scope, `span` or `resource`, and its key.
    pub(crate) attribute: &'s dyn Fn(&str, &str) -> Option<String>,
}

/// A link on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) href: String,
}

/// The links of the settings, read.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    name: String,
    on: On,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Template(Template),
    Preset { preset: Preset, base: String, source: String },
}

/// Says which link of the settings cannot work, and why.
pub fn check_links(links: &[LinkConfig]) -> Result<(), String> {
    Links::new(links).map(|_| ())
}

impl Links {
    pub(crate) fn new(configs: &[LinkConfig]) -> Result<Self, String> {
        let read = |config: &LinkConfig| {
            let target = target(config).map_err(|reason| format!("the link {:?}: {reason}", config.name))?;
            Ok(Entry { name: config.name.clone(), on: config.on, target })
        };
        configs.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The links of a span or a service, in the order of the settings.
    pub(crate) fn of(&self, on: On, subject: &Subject<'_>) -> Vec<Link> {
        let wanted = self.0.iter().filter(|entry| entry.on == on);
        let link = |entry: &Entry| {
            let href = match &entry.target {
                Target::Template(template) => template.filled(|variable| subject.text(variable)),
                Target::Preset { preset, base, source } => preset.address(base, source, subject),
            };
            Some(Link { name: entry.name.clone(), href: href? })
        };
        wanted.filter_map(link).collect()
    }
}

fn target(config: &LinkConfig) -> Result<Target, String> {
    if config.name.trim().is_empty() {
        return Err("it has no name".to_owned());
    }
    match (config.url.as_str(), config.preset) {
        ("", Some(preset)) => {
            let base = config.base.trim_end_matches('/').to_owned();
            template::check_address(&base)?;
            if preset.needs_source() && config.source.is_empty() {
                return Err("source is missing: expected the uid of the data source in Grafana".to_owned());
            }
            Ok(Target::Preset { preset, base, source: config.source.clone() })
        }
        (url, None) if !url.is_empty() => Ok(Target::Template(Template::read(url)?)),
        _ => Err("expected either url, or preset and base".to_owned()),
    }
}

impl Subject<'_> {
    /// The text of a variable.
    fn text(&self, value: &Value) -> Option<String> {
        match value {
            Value::TraceId => self.trace_id.clone(),
            Value::SpanId => self.span_id.clone(),
            Value::Service => Some(self.service.to_owned()),
            Value::Name => self.name.map(str::to_owned),
            Value::Start(time) => time.text(self.start),
            Value::End(time) => time.text(self.end),
            Value::Attribute { scope, key } => (self.attribute)(scope, key),
        }
        .filter(|text| !text.is_empty())
    }
}

/// Percent-encodes everything but letters, digits and four signs.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn config(url: &str) -> LinkConfig {
        LinkConfig {
            name: "Logs".to_owned(),
            url: url.to_owned(),
            preset: None,
            base: String::new(),
            source: String::new(),
            on: On::Span,
        }
    }

    /// The address of the only link for a hostile span.
    fn href(config: LinkConfig) -> Option<String> {
        let attribute = |scope: &str, key: &str| match (scope, key) {
            ("resource", "k8s.pod.name") => Some("pod-1".to_owned()),
            ("span", "hostile") => Some("\"><script>&x=1#/../\\ javascript:".to_owned()),
            _ => None,
        };
        let subject = Subject {
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
            span_id: Some("b7ad6b7169203331".to_owned()),
            service: "shop\"} |= \"'",
            name: Some("GET /"),
            start: 1_767_225_600_500_000_000,
            end: 1_767_225_601_000_000_000,
            attribute: &attribute,
        };
        let links = Links::new(&[config]).expect("a link").of(On::Span, &subject);
        links.into_iter().next().map(|link| link.href)
    }

    #[test]
    fn variables_are_filled_and_encoded() {
        for (url, expected) in [
            ("https://h/{{trace_id}}/{{ span_id }}", "https://h/0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331"),
            ("https://h/?from={{start_ms - 5m}}&to={{end_s+1h}}", "https://h/?from=1767225300500&to=1767229201"),
            ("https://h/{{start_iso}}", "https://h/2026-01-01T00%3A00%3A00.500Z"),
            ("https://h/{{resource.k8s.pod.name}}?n={{name}}", "https://h/pod-1?n=GET%20%2F"),
            ("https://h/{{span.hostile}}", "https://h/%22%3E%3Cscript%3E%26x%3D1%23%2F..%2F%5C%20javascript%3A"),
        ] {
            assert_eq!(href(config(url)).as_deref(), Some(expected));
        }
        assert_eq!(href(config("https://h/{{span.missing}}/{{trace_id}}")), None, "a variable has no value");
    }

    #[test]
    fn presets_quote_what_they_ask_for() {
        let preset = |preset, source: &str| LinkConfig {
            url: String::new(),
            preset: Some(preset),
            base: "https://h:3000/x/".to_owned(),
            source: source.to_owned(),
            ..config("")
        };
        let loki = href(preset(Preset::Loki, "loki")).expect("a link");
        assert!(loki.starts_with("https://h:3000/x/explore?schemaVersion=1&panes=%7B"), "{loki}");
        assert!(loki.contains(&encoded(r#"shop\\\"} |= \\\"'"#)), "quoted for LogQL and for JSON: {loki}");
        let elastic = href(preset(Preset::Elastic, "")).expect("a link");
        assert!(elastic.contains("trace.id") && elastic.contains("2025-12-31T23%3A55%3A00.500Z"), "{elastic}");
        for other in [Preset::Opensearch, Preset::Victorialogs, Preset::Pyroscope] {
            let link = href(preset(other, "")).expect("a link");
            assert!(link.starts_with("https://h:3000/x/") && !link.contains(['"', ' ', '<']), "{link}");
        }
        assert!(Links::new(&[preset(Preset::Grafana, "")]).expect_err("no source").contains("source is missing"));
    }

    #[test]
    fn what_cannot_work_is_said() {
        for (url, reason) in [
            ("", "expected either url, or preset and base"),
            ("javascript:alert({{trace_id}})", "must begin with http:// or https://"),
            ("//h/{{trace_id}}", "must begin with http:// or https://"),
            ("https://{{span.host}}/", "the host is written out"),
            ("https://h{{span.port}}", "the host is written out"),
            ("https://h/{{trace_id", "has no }}"),
            ("https://h/{{trace}}", "there is no variable \"trace\""),
            ("https://h/{{trace_id - 5m}}", "only times are shifted"),
            ("https://h/{{start_ms - soon}}", "\"soon\" is no duration"),
            ("https://h/ {{trace_id}}", "has a space"),
        ] {
            let error = check_links(&[config(url)]).expect_err(url);
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
