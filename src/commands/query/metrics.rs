//! Metrics: series of numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hoptrail_query::traceql::format_duration;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Flags;
use super::json::{attributes, list, number, text, whole};
use super::spark::sparkline;
use crate::client::{Client, Failure};
use crate::commands::remote::Format;
use crate::commands::times::{Range, last};
use crate::output::write;
use crate::terminal::number::{counted, machine, time_of_day, value, zone_name};
use crate::terminal::table::{Cell, Column, Table, csv_record};
use crate::terminal::text::{harmless_json, shown};
use crate::terminal::{Paint, Screen};

/// The range when none is given: that of Tempo.
const RANGE: Duration = Duration::from_secs(3_600);
/// Labels that get a column each. Series with more different ones, as `compare()` has, are named in one column.
const LABELS: usize = 4;
const MILLISECOND: u64 = 1_000_000;

/// A series: its labels, and numbers by time in milliseconds.
struct Series {
    labels: Vec<(String, String)>,
    samples: BTreeMap<u64, f64>,
    raw: Value,
}

/// What is sent.
pub(super) fn params(flags: &Flags, range: Option<Range>, now: u64) -> Vec<(&'static str, String)> {
    let (start, end) = range.unwrap_or_else(|| last(RANGE, now));
    let mut params = vec![("q", flags.q.clone()), ("start", start.to_string()), ("end", end.to_string())];
    params.extend(flags.step.map(|step| ("step", format_duration(i64::try_from(step.as_nanos()).unwrap_or(i64::MAX)))));
    params.extend(flags.limit.map(|limit| ("maxSeries", limit.to_string())));
    params
}

/// Asks, and prints the series. Whether there are any.
pub(super) async fn run(
    flags: &Flags,
    client: &Client,
    range: Option<Range>,
    now: u64,
    zone: TimeZone,
) -> Result<bool, Failure> {
    if flags.follow || flags.all {
        return Err(Failure::Mistake("--follow and --all are for traces, and this query asks for metrics".to_owned()));
    }
    let params = params(flags, range, now);
    let answer = client.get("/api/metrics/query_range", &params, "application/json").await?;
    let object = answer.json(client.address())?;
    let message = Some(text(&object, "message")).filter(|message| !message.is_empty());
    for note in message.into_iter().chain(answer.notice()) {
        eprintln!("{}", shown(note));
    }
    let mut series: Vec<Series> = list(&object, "series").iter().map(series).collect();
    let all = series.len();
    series.truncate(flags.limit.map_or(all, |limit| limit as usize));
    match flags.show.format() {
        Format::Json => write(&(harmless_json(answer.text().trim_end()) + "\n"))?,
        Format::Ndjson => {
            write(&series.iter().map(|one| harmless_json(&one.raw.to_string()) + "\n").collect::<String>())?
        }
        Format::Csv => write(&csv(&series))?,
        Format::Md if !series.is_empty() => {
            let table = table(&series, Screen::default());
            write(&(table.markdown_head() + &table.markdown_rows()))?;
        }
        Format::Table if !series.is_empty() => {
            let screen = flags.show.screen();
            write(&table(&series, screen).lines(screen))?;
            eprintln!("{}", summary(&series, all, &zone));
        }
        Format::Md | Format::Table => {}
    }
    Ok(!series.is_empty())
}

fn series(raw: &Value) -> Series {
    let sample = |sample: &Value| {
        // A zero is left out.
        Some((whole(sample, "timestampMs").unwrap_or_default(), number(sample, "value").unwrap_or_default()))
    };
    let samples = list(raw, "samples").iter().filter_map(sample).collect();
    Series { labels: attributes(raw, "labels"), samples, raw: raw.clone() }
}

/// The times of all series, ascending.
fn times(series: &[Series]) -> Vec<u64> {
    let times: BTreeSet<u64> = series.iter().flat_map(|one| one.samples.keys().copied()).collect();
    times.into_iter().collect()
}

/// Headings for the names of series, and the name of each under them.
fn names(series: &[Series]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in series.iter().flat_map(|one| &one.labels) {
        if !keys.contains(&key.as_str()) && keys.len() <= LABELS {
            keys.push(key);
        }
    }
    if keys.is_empty() || keys.len() > LABELS {
        return (vec!["series".to_owned()], series.iter().map(|one| vec![name(one)]).collect());
    }
    let value = |one: &Series, key: &str| {
        let found = one.labels.iter().find(|(label, _)| label == key);
        found.map(|(_, value)| shown(value)).unwrap_or_default()
    };
    let values = series.iter().map(|one| keys.iter().map(|key| value(one, key)).collect()).collect();
    (keys.iter().map(|key| shown(key)).collect(), values)
}

fn name(series: &Series) -> String {
    let labels = series.labels.iter().map(|(key, value)| format!("{}={}", shown(key), shown(value)));
    labels.collect::<Vec<_>>().join(", ")
}

fn table(series: &[Series], screen: Screen) -> Table {
    let (keys, names) = names(series);
    let times = times(series);
    let columns = screen.width.map_or(40, |width| (width / 3).clamp(10, 60));
    let mut table = Table { columns: keys.into_iter().map(Column::text).collect(), rows: Vec::new() };
    table.columns.push(Column::whole("TREND"));
    table.columns.extend(["LAST", "MIN", "MAX"].map(Column::number));
    for (one, name) in series.iter().zip(names) {
        let values: Vec<Option<f64>> = times.iter().map(|time| one.samples.get(time).copied()).collect();
        let known = || one.samples.values().copied().filter(|value| !value.is_nan());
        let mut row: Vec<Cell> = name.into_iter().map(|label| Cell::painted(label, Paint::Service)).collect();
        row.push(Cell::new(sparkline(&values, columns)));
        let last = one.samples.values().next_back().copied();
        let numbers = [last, known().reduce(f64::min), known().reduce(f64::max)];
        row.extend(numbers.map(|number| Cell::new(number.map(value).unwrap_or_default())));
        table.rows.push(row);
    }
    table
}

/// A record for each number.
fn csv(series: &[Series]) -> String {
    let (mut head, names) = names(series);
    head.insert(0, "time".to_owned());
    head.push("value".to_owned());
    let mut out = csv_record(&head);
    for (one, name) in series.iter().zip(names) {
        for (time, number) in &one.samples {
            let mut record = vec![machine(time.saturating_mul(MILLISECOND))];
            record.extend(name.iter().cloned());
            record.push(number.to_string());
            out += &csv_record(&record);
        }
    }
    out
}

/// How many series there are, and for which time.
fn summary(series: &[Series], all: usize, zone: &TimeZone) -> String {
    let times = times(series);
    let moment = |time: Option<&u64>| time_of_day(time.copied().unwrap_or_default().saturating_mul(MILLISECOND), zone);
    let step = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one).min().unwrap_or_default();
    let step = format_duration(i64::try_from(step.saturating_mul(MILLISECOND)).unwrap_or(i64::MAX));
    let shown = if series.len() < all { format!(" of {all}") } else { String::new() };
    format!(
        "{}{shown}, {} to {} ({}), step {step}",
        counted(series.len(), "series", "series"),
        moment(times.first()),
        moment(times.last()),
        zone_name(zone)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn two() -> Vec<Series> {
        let sample = |ms: u64, value: f64| json!({"timestampMs": ms.to_string(), "value": value});
        let labels = |name: &str, p: f64| json!([{"key": "service", "value": {"stringValue": name}}, {"key": "p", "value": {"doubleValue": p}}]);
        let first =
            json!({"labels": labels("a\u{1b}b", 0.5), "samples": [sample(1_000, 1.0), {"timestampMs": "2000"}]});
        let second = json!({"labels": labels("c", 0.9), "samples": [sample(2_000, 0.25), {"timestampMs": "3000", "value": "NaN"}]});
        [first, second].iter().map(series).collect()
    }

    #[test]
    fn labels_are_columns_and_numbers_are_told() {
        let text = table(&two(), Screen::default()).lines(Screen::default());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["service", "p", "TREND", "LAST", "MIN", "MAX"]);
        assert_eq!(lines[1], ["a[U+001B]b", "0.5", "█▁", "0", "0", "1"]);
        assert_eq!(lines[2], ["c", "0.9", "▁", "NaN", "0.25", "0.25"]);
        assert_eq!(summary(&two(), 5, &TimeZone::UTC), "2 series of 5, 00:00:01 to 00:00:03 (UTC), step 1s");
    }

    #[test]
    fn csv_has_a_record_for_each_number() {
        let text = csv(&two());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "time,service,p,value");
        assert_eq!(lines[1], "1970-01-01T00:00:01.000000000Z,a[U+001B]b,0.5,1");
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn many_labels_share_a_column() {
        let label = |key: String| json!({"key": key, "value": {"stringValue": "x"}});
        let raw: Vec<Value> = (0..20).map(|number| json!({"labels": [label(format!("k{number}"))]})).collect();
        let series: Vec<Series> = raw.iter().map(series).collect();
        let (keys, names) = names(&series);
        assert_eq!((keys, names[7].clone()), (vec!["series".to_owned()], vec!["k7=x".to_owned()]));
    }
}
