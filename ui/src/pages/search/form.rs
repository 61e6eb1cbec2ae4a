//! The search form: what the URL says, as typed.

use hoptrail_query::{pairs, quoted, traceql};
use jiff::tz::TimeZone;

use super::attributes;
use super::range::{self, Edge};
use crate::format;
use crate::url::{Params, href};

/// The page.
pub(super) const SEARCH: &str = "/search";
const DEFAULT_LIMIT: &str = "20";
pub(super) const DEFAULT_LOOKBACK: &str = "1h";
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
    /// What a row is: `spans`, or traces when empty.
    pub(crate) rows: String,
    /// How rows are shown.
    pub(crate) view: String,
    /// Whether the overview of all matches is waited for, however long it takes: any text means yes.
    pub(crate) overview: String,
    /// An attribute whose values are counted in the overview besides the usual ones.
    pub(crate) facet: String,
    /// How numbers are drawn.
    pub(crate) plot: String,
    /// The length of an interval.
    pub(crate) step: String,
    /// Where the page begins in the order of answers.
    pub(crate) after: String,
    /// Whether new matches are shown as they arrive: any text means yes.
    pub(crate) live: String,
    /// Whether the page says how it was answered: any text means yes.
    pub(crate) explain: String,
    /// Whether nobody chose the time.
    pub(crate) any_time: bool,
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
            rows: params.text("rows").to_owned(),
            view: params.text("view").to_owned(),
            overview: params.text("overview").to_owned(),
            facet: params.text("facet").to_owned(),
            plot: params.text("plot").to_owned(),
            step: params.text("step").to_owned(),
            after: params.text("after").to_owned(),
            live: params.text("live").to_owned(),
            explain: params.text("explain").to_owned(),
            any_time: ["lookback", "from", "to", "start", "end"].iter().all(|name| params.text(name).is_empty()),
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
        self.link(SEARCH, &[(field, value)])
    }

    /// The URL of `path` for this form, with some fields changed.
    pub(crate) fn link(&self, path: &str, changes: &[(&str, &str)]) -> String {
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
            ("rows", &self.rows),
            ("view", &self.view),
            ("facet", &self.facet),
            ("plot", &self.plot),
            ("step", &self.step),
            ("after", ""),
            ("live", ""),
            ("overview", ""),
            ("explain", ""),
        ];
        // Another lookback replaces a custom range.
        let lookback = changes.iter().any(|(field, _)| *field == "lookback");
        let value = |name: &str, own| {
            let changed = changes.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
            let dropped = lookback && (name == "from" || name == "to");
            changed.unwrap_or(if dropped { "" } else { own })
        };
        href(path, all.into_iter().map(|(name, own)| (name, value(name, own))))
    }
}

fn text_or(text: &str, default: &str) -> String {
    if text.is_empty() { default } else { text }.to_owned()
}

/// A name from a field: in quotes it is that name, whatever it is; without them `all` is any name, as in Jaeger's links.
pub(crate) fn read_name(text: &str) -> String {
    if text == ANY { String::new() } else { pairs::read_name(text) }
}

/// A name for a field or a link.
pub(crate) fn write_name(name: &str) -> String {
    if name == ANY { quoted(name) } else { pairs::write_name(name) }
}

/// A duration as TraceQL writes it, or as pages show it: `1.5 s`, `2 min 5 s`.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let joined: String = text.split_whitespace().collect();
    traceql::parse_duration(&joined.replace("min", "m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(query: &str) -> Form {
        let uri = format!("/search?{query}").parse().expect("uri");
        Form::read(&Params::of(&uri), &TimeZone::UTC)
    }

    #[test]
    fn names_that_mean_something_else_are_in_quotes() {
        for name in ["all", "a ", " a", "a\tb", "a\r\nb", "\"a\"", "\"", "a\u{202e}b", "a\0", "плата", "a b"] {
            let asked = Form { service: name.into(), name: name.into(), lookback: "1h".into(), ..Form::default() };
            let link = asked.with("sort", "longest");
            let read = form(link.split_once('?').expect("query").1);
            assert_eq!((read.service.as_str(), read.name.as_str()), (name, name), "{link}");
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
        assert!(duration("1 5 parsecs").is_err() && duration("").is_err());
    }

    #[test]
    fn links_change_one_field() {
        let form = form("service=a+b&from=2025-10-09T08:53&limit=5");
        assert_eq!(form.with("lookback", "2d"), "/search?service=a+b&lookback=2d&limit=5");
        let plot = form.link("/search/csv", &[("q", "{ } | rate()"), ("plot", "bars"), ("limit", "")]);
        assert_eq!(
            plot,
            "/search/csv?service=a+b&q=%7B+%7D+%7C+rate%28%29&lookback=custom&from=2025-10-09T08:53:00%2B00:00&plot=bars"
        );
        let back = form.with("sort", "longest");
        assert_eq!(self::form(back.split_once('?').expect("query").1).sort, "longest");
    }
}
