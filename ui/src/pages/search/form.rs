//! The search form: what the URL says, as typed.

use hoptrail_proto::model::{SpanKind, StatusCode};
use hoptrail_query::{Pipeline, SearchRequest, TimeRange, pairs, quoted, traceql};
use jiff::tz::TimeZone;

use super::attributes;
use super::field_error::FieldError;
use super::range::{self, Edge};
use crate::format;
use crate::url::{Params, href};

/// Most traces a page lists.
pub(super) const MOST: usize = 500;
const DEFAULT_LIMIT: &str = "20";
const DEFAULT_LOOKBACK: &str = "1h";
/// What Jaeger calls any service and any span name.
const ANY: &str = "all";
const SECOND: u64 = 1_000_000_000;

/// The fields as typed, but names without quotes and times with their offset; Jaeger's parameters count as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) service: String,
    pub(crate) name: String,
    /// Pairs or TraceQL.
    pub(crate) query: String,
    pub(crate) status: String,
    pub(crate) kind: String,
    pub(crate) min: String,
    pub(crate) max: String,
    pub(crate) lookback: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) limit: String,
    pub(crate) sort: String,
}

/// What the form asks the store.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) request: SearchRequest,
    /// The same question as TraceQL, where one filter says it.
    pub(crate) traceql: Option<String>,
}

impl Form {
    /// Reads the parameters; times of Jaeger's links (`start`, `end`, microseconds) are shown in `zone`.
    pub(crate) fn read(params: &Params, zone: &TimeZone) -> Self {
        let operation = Some(params.text("operation")).filter(|name| *name != ANY).unwrap_or_default().to_owned();
        let time = |edge, name| range::normal(params.text(name), zone, edge);
        let mut form = Self {
            service: read_name(params.text("service")),
            name: Some(read_name(params.text("name"))).filter(|name| !name.is_empty()).unwrap_or(operation),
            // A browser writes ends of lines its own way.
            query: params.text("q").replace("\r\n", "\n"),
            status: params.text("status").to_owned(),
            kind: params.text("kind").to_owned(),
            min: params.first(&["minDuration", "min"]).to_owned(),
            max: params.first(&["maxDuration", "max"]).to_owned(),
            lookback: text_or(params.text("lookback"), DEFAULT_LOOKBACK),
            from: time(Edge::From, "from"),
            to: time(Edge::To, "to"),
            limit: text_or(params.text("limit"), DEFAULT_LIMIT),
            sort: params.text("sort").to_owned(),
        };
        if form.query.is_empty() {
            let tags: Vec<String> = params.all("tags").chain(params.all("tag")).map(attributes::of_jaeger).collect();
            form.query = tags.join(" ");
        }
        form.read_micros(params, zone);
        form
    }

    fn read_micros(&mut self, params: &Params, zone: &TimeZone) {
        if !(self.from.is_empty() && self.to.is_empty()) {
            self.lookback = "custom".to_owned();
            return;
        }
        let micros = |name| params.text(name).parse::<u64>().ok().and_then(|micros| micros.checked_mul(1_000));
        let (start, end) = (micros("start"), micros("end"));
        if start.is_none() && end.is_none() {
            return;
        }
        self.lookback = "custom".to_owned();
        let whole = |time: u64| format::exact_time(time - time % SECOND, zone);
        self.from = start.map(whole).unwrap_or_default();
        // The last second counts to its end.
        self.to = end.map(|end| whole(end.saturating_add(SECOND - 1))).unwrap_or_default();
    }

    /// Whether the form restricts anything but time and number.
    pub(crate) fn is_restricted(&self) -> bool {
        [&self.service, &self.name, &self.query, &self.status, &self.kind, &self.min, &self.max]
            .iter()
            .any(|field| !field.is_empty())
    }

    /// The form's own URL with one field changed.
    pub(crate) fn with(&self, field: &str, value: &str) -> String {
        let (service, name) = (write_name(&self.service), write_name(&self.name));
        let all = [
            ("service", service.as_str()),
            ("name", &name),
            ("q", &self.query),
            ("status", &self.status),
            ("kind", &self.kind),
            ("minDuration", &self.min),
            ("maxDuration", &self.max),
            ("lookback", &self.lookback),
            ("from", &self.from),
            ("to", &self.to),
            ("limit", &self.limit),
            ("sort", &self.sort),
        ];
        // Another lookback replaces a custom range.
        let drops = |name: &str| field == "lookback" && (name == "from" || name == "to");
        href(
            "/search",
            all.into_iter().map(|(name, old)| match name {
                _ if name == field => (name, value),
                _ if drops(name) => (name, ""),
                _ => (name, old),
            }),
        )
    }

    /// What to ask the store at the moment `now`.
    pub(crate) fn question(&self, now: u64, zone: &TimeZone) -> Result<Question, Vec<FieldError>> {
        let mut errors = Vec::new();
        let conditions = self.conditions(&mut errors);
        let range = self.range(now, zone).map_err(|error| errors.push(error)).unwrap_or_default();
        let limit = self.limit().map_err(|error| errors.push(error)).unwrap_or_default();
        let compiled = compile(&conditions);
        errors.extend(compiled.as_ref().err().cloned());
        let (Ok((spans, traceql)), true) = (compiled, errors.is_empty()) else { return Err(errors) };
        let request = SearchRequest { spans, range, limit, spans_per_set: 0, ..SearchRequest::default() };
        Ok(Question { request, traceql })
    }

    /// The fields as conditions of TraceQL, and the query of the box when it is TraceQL.
    fn conditions(&self, errors: &mut Vec<FieldError>) -> Conditions {
        let mut own = Vec::new();
        if !self.service.is_empty() {
            own.push(format!("resource.service.name = {}", quoted(&self.service)));
        }
        if !self.name.is_empty() {
            own.push(format!("name = {}", quoted(&self.name)));
        }
        one_of("status", &self.status, &StatusCode::ALL.map(StatusCode::name), &mut own, errors);
        one_of("kind", &self.kind, &SpanKind::ALL.map(SpanKind::name), &mut own, errors);
        let bounds = [("minDuration", ">=", &self.min), ("maxDuration", "<=", &self.max)];
        for (field, op, text) in bounds.into_iter().filter(|(_, _, text)| !text.is_empty()) {
            match duration(text) {
                Ok(nanos) if nanos >= 0 => own.push(format!("duration {op} {nanos}ns")),
                Ok(_) => errors.push(FieldError::new(field, "A duration cannot be negative.")),
                Err(reason) => errors.push(FieldError::new(field, format!("{reason}. Write it like 250ms or 1.5s."))),
            }
        }
        let typed = self.query.starts_with('{').then(|| self.query.clone());
        if typed.is_none() && !self.query.is_empty() {
            match attributes::conditions(&self.query) {
                Ok(more) => own.extend(more),
                Err(error) => errors.push(error),
            }
        }
        Conditions { own, typed }
    }

    fn limit(&self) -> Result<usize, FieldError> {
        match self.limit.parse::<usize>() {
            Ok(limit @ 1..=MOST) => Ok(limit),
            // Jaeger allows more than a page should hold.
            Ok(limit) if limit > MOST => Ok(MOST),
            _ => Err(FieldError::new("limit", format!("Write a number from 1 to {MOST}."))),
        }
    }

    fn range(&self, now: u64, zone: &TimeZone) -> Result<Option<TimeRange>, FieldError> {
        match self.lookback.as_str() {
            "all" => Ok(None),
            "custom" => range::between(&self.from, &self.to, zone).map(Some),
            text => match duration(text) {
                Ok(nanos) if nanos > 0 => {
                    // Spans from clocks a little ahead of ours are recent, too.
                    let start = now.saturating_sub(nanos.unsigned_abs());
                    Ok(Some(TimeRange { start, end: now.saturating_add(60_000_000_000) }))
                }
                _ => {
                    Err(FieldError::new("lookback", format!("{text:?} is no time range. Write it like 15m, 2h or 7d.")))
                }
            },
        }
    }
}

fn text_or(text: &str, default: &str) -> String {
    if text.is_empty() { default } else { text }.to_owned()
}

/// A name from a field: in quotes it is that name, whatever it is; without them `all` is any name, as in Jaeger's links.
fn read_name(text: &str) -> String {
    if text == ANY { String::new() } else { pairs::read_name(text) }
}

/// A name for a field or a link.
pub(super) fn write_name(name: &str) -> String {
    if name == ANY { quoted(name) } else { pairs::write_name(name) }
}

/// A duration as TraceQL writes it, or as pages show it: `1.5 s`, `2 min 5 s`.
fn duration(text: &str) -> Result<i64, String> {
    let joined: String = text.split_whitespace().collect();
    traceql::parse_duration(&joined.replace("min", "m"))
}

/// What has to hold, as TraceQL.
struct Conditions {
    /// From the fields.
    own: Vec<String>,
    /// The query box.
    typed: Option<String>,
}

fn compile(conditions: &Conditions) -> Result<(Pipeline, Option<String>), FieldError> {
    let own = format!("{{ {} }}", conditions.own.join(" && "));
    let own_spans = traceql::compile(&own).map_err(|errors| FieldError::of_query(&own, &errors))?.spans;
    let Some(typed) = &conditions.typed else { return Ok((own_spans, Some(own))) };
    let typed_spans = traceql::compile(typed).map_err(|errors| FieldError::of_query(typed, &errors))?.spans;
    if conditions.own.is_empty() {
        return Ok((typed_spans, Some(typed.clone())));
    }
    let both = own_spans.stages.into_iter().chain(typed_spans.stages).collect();
    Ok((Pipeline { stages: both }, joined(&conditions.own, typed)))
}

/// Fields and query as one filter, when the query is one filter.
fn joined(own: &[String], typed: &str) -> Option<String> {
    let inner = typed.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    if inner.is_empty() {
        return Some(format!("{{ {} }}", own.join(" && ")));
    }
    let text = format!("{{ {} && ({inner}) }}", own.join(" && "));
    traceql::compile(&text).is_ok().then_some(text)
}

fn one_of(
    field: &'static str,
    value: &str,
    allowed: &[&str],
    conditions: &mut Vec<String>,
    errors: &mut Vec<FieldError>,
) {
    if allowed.contains(&value) {
        conditions.push(format!("{field} = {value}"));
    } else if !value.is_empty() {
        errors.push(FieldError::new(field, format!("{value:?} is none of {}.", allowed.join(", "))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_760_000_000_000_000_000;

    fn form(query: &str) -> Form {
        let uri = format!("/search?{query}").parse().expect("uri");
        Form::read(&Params::of(&uri), &TimeZone::UTC)
    }

    fn ask(query: &str) -> Question {
        form(query).question(NOW, &TimeZone::UTC).unwrap_or_else(|errors| panic!("{query}: {errors:?}"))
    }

    #[test]
    fn fields_become_one_query() {
        let cases = [
            ("", "{  }"),
            ("service=cart&status=error", r#"{ resource.service.name = "cart" && status = error }"#),
            ("name=GET+%22x%22&kind=server", r#"{ name = "GET \"x\"" && kind = server }"#),
            ("minDuration=1.5ms&maxDuration=2s", "{ duration >= 1500000ns && duration <= 2000000000ns }"),
            ("q=%7B+.a+%3D+1+%7D", "{ .a = 1 }"),
            ("service=c&q=%7B+.a+%3D+1+||+.b+%3D+2+%7D", r#"{ resource.service.name = "c" && (.a = 1 || .b = 2) }"#),
            ("service=c&q=%7B%7D", r#"{ resource.service.name = "c" }"#),
            ("q=http.method%3DGET", r#"{ .http.method = "GET" }"#),
        ];
        for (query, traceql) in cases {
            assert_eq!(ask(query).traceql.as_deref(), Some(traceql), "{query}");
        }
    }

    #[test]
    fn jaegers_parameters_keep_working() {
        let form = form(
            "service=all&operation=GET&tags=%7B%22error%22%3A%22true%22%2C%22k%22%3A%22v+w%22%7D&limit=1500\
             &lookback=1h&start=1760000000000000&end=1760000001500000&minDuration=&maxDuration=3s",
        );
        assert_eq!((form.service.as_str(), form.name.as_str(), form.max.as_str()), ("", "GET", "3s"));
        assert_eq!(form.query, r#"error=true k="v w""#);
        let question = form.question(NOW, &TimeZone::UTC).expect("question");
        let range = question.request.range.expect("range");
        assert_eq!((range.start, range.end), (NOW, NOW + 2_000_000_000));
        assert_eq!(question.request.limit, 500);
    }

    #[test]
    fn names_that_mean_something_else_are_in_quotes() {
        for name in ["all", "a ", " a", "a\tb", "a\r\nb", "\"a\"", "\"", "a\u{202e}b", "a\0", "плата", "a b"] {
            let asked = Form { service: name.into(), name: name.into(), lookback: "1h".into(), ..Form::default() };
            let link = asked.with("sort", "longest");
            let read = form(link.split_once('?').expect("query").1);
            assert_eq!((read.service.as_str(), read.name.as_str()), (name, name), "{link}");
            let condition = format!("resource.service.name = {}", quoted(name));
            assert!(
                ask(link.split_once('?').expect("query").1).traceql.is_some_and(|query| query.contains(&condition))
            );
        }
        assert_eq!(
            (form("service=all&operation=all").service, form("operation=all&name=all").name),
            ("".into(), "".into())
        );
        assert_eq!((form("operation=%22x%22").name, form("name=%22x%22").name), ("\"x\"".into(), "x".into()));
    }

    #[test]
    fn durations_read_as_pages_show_them() {
        for nanos in [
            0,
            1,
            999,
            1_500,
            250_000,
            1_500_000_000,
            60_000_000_000,
            125_000_000_000,
            7_380_000_000_000,
            273_600_000_000_000,
        ] {
            assert_eq!(duration(&format::duration(nanos)), Ok(nanos as i64), "{}", format::duration(nanos));
        }
        assert_eq!(ask("minDuration=1.5+s&lookback=2+h").traceql.as_deref(), Some("{ duration >= 1500000000ns }"));
        assert!(duration("1 5 parsecs").is_err() && duration("").is_err());
    }

    #[test]
    fn times_mean_the_same_in_every_zone() {
        let berlin = TimeZone::get("Europe/Berlin").expect("zone");
        let uri = "/search?from=2026-10-25T02:30:00%2B01:00&to=2026-10-25T02:30:00Z".parse().expect("uri");
        let here = Form::read(&Params::of(&uri), &berlin);
        let link = here.with("sort", "longest");
        let range = |form: &Form, zone| form.question(NOW, zone).expect("question").request.range;
        let there = Form::read(&Params::of(&link.parse().expect("uri")), &TimeZone::UTC);
        let expected = Some(TimeRange { start: 1_792_891_800 * SECOND, end: 1_792_895_400 * SECOND });
        assert_eq!((range(&here, &berlin), range(&there, &TimeZone::UTC)), (expected, expected));
        assert_eq!(here.to, "2026-10-25T03:30:00+01:00");
    }

    #[test]
    fn ranges() {
        let range = |query: &str| ask(query).request.range.map(|range| (range.start, range.end));
        let minute = 60_000_000_000;
        assert_eq!(range(""), Some((NOW - 60 * minute, NOW + minute)));
        assert_eq!(range("lookback=15m"), Some((NOW - 15 * minute, NOW + minute)));
        assert_eq!(range("lookback=all"), None);
        assert_eq!(range("from=2025-10-09T08:53:20&to=2025-10-09T08:54"), Some((NOW, NOW + 40_000_000_000)));
        assert_eq!(range("lookback=custom&from=2025-10-09T08:53:20"), Some((NOW, u64::MAX)));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let cases = [
            ("status=bad", "status"),
            ("kind=bad", "kind"),
            ("minDuration=soon", "minDuration"),
            ("maxDuration=-1s", "maxDuration"),
            ("lookback=yesterday", "lookback"),
            ("from=now", "from"),
            ("from=2025-10-09T08:53&to=2025-10-09T08:53", "to"),
            ("from=1900-01-01T00:00", "from"),
            ("limit=many", "limit"),
            ("limit=0", "limit"),
            ("q=%7B+.a+%3D+%7D", "q"),
            ("q=novalue", "q"),
        ];
        for (query, field) in cases {
            let errors = form(query).question(NOW, &TimeZone::UTC).expect_err(query);
            assert_eq!(errors.iter().map(|error| error.field).collect::<Vec<_>>(), [field], "{query}");
        }
        let both = form("q=%7B+.a+%3D+%7D&limit=x").question(NOW, &TimeZone::UTC).expect_err("both");
        assert_eq!(both.len(), 2, "all errors at once");
        let errors = form("q=%7B+.a+%3D+%7D").question(NOW, &TimeZone::UTC).expect_err("caret");
        assert!(errors[0].caret.as_deref().is_some_and(|text| text.contains('^')));
    }

    #[test]
    fn links_change_one_field() {
        let form = form("service=a+b&from=2025-10-09T08:53&limit=5");
        assert_eq!(form.with("lookback", "2d"), "/search?service=a+b&lookback=2d&limit=5");
        let back = form.with("sort", "longest");
        assert_eq!(self::form(back.split_once('?').expect("query").1).sort, "longest");
    }
}
