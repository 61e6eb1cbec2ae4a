//! The search form: what the URL says, as typed.

use hoptrail_query::{Filter, SearchRequest, TimeRange, traceql};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::attributes;
use crate::format;
use crate::url::{Params, href};

/// Most traces a page lists.
const MOST: usize = 500;
const DEFAULT_LIMIT: &str = "20";
const DEFAULT_LOOKBACK: &str = "1h";

/// The fields as typed; Jaeger's parameters count as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) service: String,
    pub(crate) name: String,
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

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The field's name in the URL.
    pub(crate) field: &'static str,
    pub(crate) message: String,
    /// The query with carets under the place.
    pub(crate) caret: Option<String>,
}

impl FieldError {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), caret: None }
    }
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
        let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
        let any_service = |text: &str| if text == "all" { String::new() } else { text.to_owned() };
        let mut form = Self {
            service: any_service(params.text("service")),
            name: any_service(params.first(&["name", "operation"])),
            query: params.text("q").to_owned(),
            status: params.text("status").to_owned(),
            kind: params.text("kind").to_owned(),
            min: params.first(&["minDuration", "min"]).to_owned(),
            max: params.first(&["maxDuration", "max"]).to_owned(),
            lookback: or(params.text("lookback"), DEFAULT_LOOKBACK),
            from: params.text("from").to_owned(),
            to: params.text("to").to_owned(),
            limit: or(params.text("limit"), DEFAULT_LIMIT),
            sort: params.text("sort").to_owned(),
        };
        if form.query.is_empty() {
            let tags: Vec<String> =
                params.all("tags").chain(params.all("tag")).filter_map(attributes::from_jaeger).collect();
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
        self.from = start.map(|start| format::local_input(start, zone)).unwrap_or_default();
        // The last second counts to its end.
        self.to = end.map(|end| format::local_input(end.saturating_add(999_999_999), zone)).unwrap_or_default();
    }

    /// Whether the form restricts anything but time and number.
    pub(crate) fn is_restricted(&self) -> bool {
        [&self.service, &self.name, &self.query, &self.status, &self.kind, &self.min, &self.max]
            .iter()
            .any(|field| !field.is_empty())
    }

    /// The form's own URL with one field changed.
    pub(crate) fn with(&self, field: &str, value: &str) -> String {
        let all = [
            ("service", self.service.as_str()),
            ("name", &self.name),
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
        let (Ok((filter, traceql)), true) = (compiled, errors.is_empty()) else { return Err(errors) };
        let request = SearchRequest { filter, range, limit, spans_per_trace: 0, select: Vec::new() };
        Ok(Question { request, traceql })
    }

    /// The fields as conditions of TraceQL, and the query of the box when it is TraceQL.
    fn conditions(&self, errors: &mut Vec<FieldError>) -> Conditions {
        let mut own = Vec::new();
        if !self.service.is_empty() {
            own.push(format!("resource.service.name = {}", attributes::quoted(&self.service)));
        }
        if !self.name.is_empty() {
            own.push(format!("name = {}", attributes::quoted(&self.name)));
        }
        one_of("status", &self.status, &["error", "ok", "unset"], &mut own, errors);
        let kinds = ["server", "client", "producer", "consumer", "internal", "unspecified"];
        one_of("kind", &self.kind, &kinds, &mut own, errors);
        let bounds = [("minDuration", ">=", &self.min), ("maxDuration", "<=", &self.max)];
        for (field, op, text) in bounds.into_iter().filter(|(_, _, text)| !text.is_empty()) {
            match traceql::parse_duration(text) {
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
            "custom" => self.custom_range(zone).map(Some),
            text => match traceql::parse_duration(text) {
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

    fn custom_range(&self, zone: &TimeZone) -> Result<TimeRange, FieldError> {
        let start = if self.from.is_empty() { 0 } else { moment("from", &self.from, zone)? };
        let end = if self.to.is_empty() { u64::MAX } else { moment("to", &self.to, zone)? };
        if start < end {
            Ok(TimeRange { start, end })
        } else {
            Err(FieldError::new("to", "The end must lie after the start."))
        }
    }
}

/// What has to hold, as TraceQL.
struct Conditions {
    /// From the fields.
    own: Vec<String>,
    /// The query box.
    typed: Option<String>,
}

fn compile(conditions: &Conditions) -> Result<(Filter, Option<String>), FieldError> {
    let own = format!("{{ {} }}", conditions.own.join(" && "));
    let own_filter = traceql::compile(&own).map_err(|errors| caret("q", &own, &errors))?.filter;
    let Some(typed) = &conditions.typed else { return Ok((own_filter, Some(own))) };
    let typed_filter = traceql::compile(typed).map_err(|errors| caret("q", typed, &errors))?.filter;
    if conditions.own.is_empty() {
        return Ok((typed_filter, Some(typed.clone())));
    }
    Ok((Filter::And(vec![own_filter, typed_filter]), joined(&conditions.own, typed)))
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

pub(super) fn caret(field: &'static str, text: &str, errors: &[traceql::QueryError]) -> FieldError {
    let message = errors.first().map_or("The query is not valid.".to_owned(), |error| error.message.clone());
    FieldError { field, message, caret: Some(traceql::render_errors(text, errors)) }
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

/// A moment as `<input type="datetime-local">` sends it, in the visitor's zone; nanoseconds since 1970 UTC.
fn moment(field: &'static str, text: &str, zone: &TimeZone) -> Result<u64, FieldError> {
    let wrong = || FieldError::new(field, format!("{text:?} is no date and time. Write it like 2026-01-31T18:30."));
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    let time = local.to_zoned(zone.clone()).map_err(|_| wrong())?.timestamp();
    u64::try_from(time.as_nanosecond()).map_err(|_| wrong())
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
