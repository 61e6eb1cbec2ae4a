//! What the form asks the store.

use hoptrail_proto::model::{SpanKind, StatusCode};
use hoptrail_query::metrics::range_steps;
use hoptrail_query::traceql::{self, CompiledMetrics};
use hoptrail_query::{Field, Rows, SearchRequest, Steps, TimeRange, place_from_text, quoted};
use jiff::tz::TimeZone;

use super::attributes;
use super::field_error::FieldError;
use super::form::{Form, duration};
use super::order;
use super::range;
use super::text;
use crate::{format, plot};

/// Most traces a page lists.
const MOST: usize = 500;
/// About how many intervals a plot has.
const INTERVALS: u64 = 80;
/// Most intervals of a plot.
const MOST_INTERVALS: u64 = 400;
/// Spans of each spanset that are listed, when the query says what to list of them.
const SPANS: usize = 3;

/// What the form asks the store.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    Traces(Traces),
    Series(Series),
}

/// Traces, or spans.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    pub(crate) request: SearchRequest,
    /// The same question as TraceQL.
    pub(crate) traceql: String,
    /// The question without order and rows.
    pub(crate) matching: String,
    /// Whether the reader may choose order and rows: a query that says its own has those.
    pub(crate) is_free: bool,
}

/// Numbers over time.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) query: CompiledMetrics,
    pub(crate) steps: Steps,
    /// The same question as TraceQL.
    pub(crate) traceql: String,
}

impl Form {
    /// What to ask the store at the moment `now`.
    pub(crate) fn question(&self, now: u64, zone: &TimeZone) -> Result<Question, Vec<FieldError>> {
        let mut errors = order::check(self);
        let traceql = self.traceql(&mut errors);
        let question = match traceql {
            Some(traceql) if traceql::is_metrics(&traceql) => self.series(traceql, now, zone, &mut errors),
            traceql => self.traces(traceql, now, zone, &mut errors),
        };
        question.filter(|_| errors.is_empty()).ok_or(errors)
    }

    fn traces(
        &self,
        traceql: Option<String>,
        now: u64,
        zone: &TimeZone,
        errors: &mut Vec<FieldError>,
    ) -> Option<Question> {
        let range = self.range(now, zone).map_err(|error| errors.push(error));
        let limit = self.limit().map_err(|error| errors.push(error));
        let matching = traceql?;
        let mut compile = |traceql: &str| {
            traceql::compile(traceql).map_err(|faults| errors.push(FieldError::of_query(traceql, &faults))).ok()
        };
        let mut compiled = compile(&matching)?;
        let is_free = order::is_free(&compiled);
        let traceql = if is_free { order::with_stages(&matching, self) } else { matching.clone() };
        if traceql != matching {
            compiled = compile(&traceql)?;
        }
        let after = Some(self.after.as_str()).filter(|after| !after.is_empty());
        let after = after.map(|after| place_from_text(after, &compiled.order, compiled.rows)).transpose();
        let after = after
            .map_err(|_| {
                errors.push(FieldError::new("q", "This is no page of this search: begin with its first page."))
            })
            .ok()?;
        let spans_per_set = match compiled.rows {
            Rows::Spans => 1,
            Rows::Traces if text::selects(&traceql) => SPANS,
            Rows::Traces => 0,
        };
        let service =
            Some(Field::service()).filter(|service| compiled.rows == Rows::Spans && !compiled.select.contains(service));
        let request = SearchRequest {
            spans: compiled.spans,
            range: range.ok()?,
            limit: limit.ok()?,
            spans_per_set,
            select: compiled.select.into_iter().chain(service).collect(),
            order: compiled.order,
            rows: compiled.rows,
            after,
            traces: None,
        };
        Some(Question::Traces(Traces { request, traceql, matching, is_free }))
    }

    fn series(&self, traceql: String, now: u64, zone: &TimeZone, errors: &mut Vec<FieldError>) -> Option<Question> {
        let steps = self.steps(now, zone).map_err(|error| errors.push(error));
        let query = traceql::compile_metrics(&traceql);
        let query = query.map_err(|faults| errors.push(FieldError::of_query(&traceql, &faults)));
        Some(Question::Series(Series { query: query.ok()?, steps: steps.ok()?, traceql }))
    }

    /// Fields and box as one query.
    fn traceql(&self, errors: &mut Vec<FieldError>) -> Option<String> {
        let mut own = self.conditions(errors);
        let typed = Some(self.query.as_str()).filter(|typed| text::is_traceql(typed));
        if typed.is_none() && !self.query.is_empty() {
            own.extend(attributes::conditions(&self.query).map_err(|error| errors.push(error)).ok()?);
        }
        let Some(typed) = typed else { return Some(format!("{{ {} }}", own.join(" && "))) };
        // Faults stand where they are in the box.
        if let Err(faults) = text::check(typed) {
            errors.push(FieldError::of_query(typed, &faults));
            return None;
        }
        Some(if own.is_empty() { typed.to_owned() } else { text::joined(&own, typed) })
    }

    /// The fields as conditions.
    fn conditions(&self, errors: &mut Vec<FieldError>) -> Vec<String> {
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
        own
    }

    fn limit(&self) -> Result<usize, FieldError> {
        match self.limit.parse::<usize>() {
            Ok(limit @ 1..=MOST) => Ok(limit),
            // Jaeger allows more than a page should hold.
            Ok(limit) if limit > MOST => Ok(MOST),
            _ => Err(FieldError::new("limit", format!("Write a number from 1 to {MOST}."))),
        }
    }

    pub(crate) fn range(&self, now: u64, zone: &TimeZone) -> Result<Option<TimeRange>, FieldError> {
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

    /// The intervals of a plot. The one in which `now` lies is the last.
    fn steps(&self, now: u64, zone: &TimeZone) -> Result<Steps, FieldError> {
        let Some(range) = self.range(now, zone)? else {
            return Err(FieldError::new("lookback", "A plot needs a time range: choose one, or write from when."));
        };
        if range.start == 0 {
            return Err(FieldError::new("from", "A plot needs a start: write from when."));
        }
        let end = if self.lookback == "custom" { range.end } else { now };
        let end = if end == u64::MAX { now.max(range.start.saturating_add(1)) } else { end };
        let length = end - range.start;
        let step = match self.step.as_str() {
            "" => plot::round_up((length / INTERVALS).max(1)),
            text => match duration(text).map(u64::try_from) {
                Ok(Ok(step @ 1..)) => step,
                _ => return Err(FieldError::new("step", format!("{text:?} is no step. Write it like 30s or 5m."))),
            },
        };
        let least = plot::round_up(length.div_ceil(MOST_INTERVALS));
        if length.div_ceil(step) > MOST_INTERVALS {
            let message =
                format!("That makes more than {MOST_INTERVALS} intervals. Use {} or more.", format::duration(least));
            return Err(FieldError::new("step", message));
        }
        range_steps(range.start, end, Some(step), u64::MAX).map_err(|error| FieldError::new("step", error.to_string()))
    }
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
    use crate::url::Params;

    const NOW: u64 = 1_760_000_000_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    fn form(query: &str) -> Form {
        let uri = format!("/search?{query}").parse().expect("uri");
        Form::read(&Params::of(&uri), &TimeZone::UTC)
    }

    fn traces(form: &Form, zone: &TimeZone) -> Traces {
        match form.question(NOW, zone) {
            Ok(Question::Traces(traces)) => traces,
            other => panic!("{form:?}: {other:?}"),
        }
    }

    fn ask(query: &str) -> Traces {
        traces(&form(query), &TimeZone::UTC)
    }

    fn plotted(query: &str) -> Series {
        match form(query).question(NOW, &TimeZone::UTC) {
            Ok(Question::Series(series)) => series,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn a_metrics_query_asks_for_intervals() {
        let hour = plotted("q=%7B%7D+|+rate()&service=a");
        assert_eq!(hour.traceql, r#"{ resource.service.name = "a" } | {} | rate()"#);
        assert_eq!((hour.steps.step, hour.steps.step * hour.steps.count as u64 / SECOND / 60), (60 * SECOND, 62));
        assert_eq!(plotted("q=%7B%7D|rate()&step=5m").steps.step, 300 * SECOND);
        let day = plotted("q=%7B%7D|rate()&from=2025-10-08T00:00&to=2025-10-09T00:00").steps;
        assert_eq!((day.step, day.count), (1_200 * SECOND, 73));
        assert!(plotted("q=%7B%7D|rate()&from=2025-10-09T08:53:20Z").steps.count <= 3, "from now on");
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
            ("minDuration=1.5+s", "{ duration >= 1500000000ns }"),
            ("service=all", "{  }"),
            ("service=%22all%22", r#"{ resource.service.name = "all" }"#),
        ];
        for (query, traceql) in cases {
            assert_eq!(ask(query).traceql, traceql, "{query}");
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
        let question = traces(&form, &TimeZone::UTC);
        let range = question.request.range.expect("range");
        assert_eq!((range.start, range.end), (NOW, NOW + 2_000_000_000));
        assert_eq!(question.request.limit, 500);
    }

    #[test]
    fn times_mean_the_same_in_every_zone() {
        let berlin = TimeZone::get("Europe/Berlin").expect("zone");
        let uri = "/search?from=2026-10-25T02:30:00%2B01:00&to=2026-10-25T02:30:00Z".parse().expect("uri");
        let here = Form::read(&Params::of(&uri), &berlin);
        let link = here.with("sort", "longest");
        let range = |form: &Form, zone| traces(form, zone).request.range;
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
            ("q=%7B%7D|rate()&lookback=all", "lookback"),
            ("q=%7B%7D|rate()&to=2025-10-09T08:53", "from"),
            ("q=%7B%7D|rate()&step=soon", "step"),
            ("q=%7B%7D|rate()&step=1ms", "step"),
            ("q=%7B%7D|rate()&step=-1s", "step"),
        ];
        for (query, field) in cases {
            let errors = form(query).question(NOW, &TimeZone::UTC).expect_err(query);
            assert_eq!(errors.iter().map(|error| error.field).collect::<Vec<_>>(), [field], "{query}");
        }
        let both = form("q=%7B+.a+%3D+%7D&limit=x").question(NOW, &TimeZone::UTC).expect_err("both");
        assert_eq!(both.len(), 2, "all errors at once");
        let errors = form("q=%7B+.a+%3D+%7D").question(NOW, &TimeZone::UTC).expect_err("caret");
        assert!(errors[0].faults[0].wide.carets.contains('^'));
    }
}
