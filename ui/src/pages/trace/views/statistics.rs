//! The spans of a trace counted by any two fields.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use askama::Template;
use hoptrail_query::assemble::{Interval, TraceTree};
use hoptrail_query::conventions;

use super::super::head::Head;
use super::super::tools::fields;
use super::{Column, INTRINSICS, Sort, changed, field_of};
use crate::chrome::Chrome;
use crate::filters;
use crate::format;
use crate::pages::search::shown_service;
use crate::url::Params;
use crate::waterfall::{Tab, View};

/// Most rows of the page.
const MOST: usize = 500;
/// Most keys that are suggested, and the spans that are looked at for them.
const MOST_KEYS: usize = 300;
const LOOKED_AT: usize = 5_000;
/// Longer names of fields are refused.
const LONGEST: usize = 300;
/// What rows are sorted by, by column.
const SORTS: [&str; 11] =
    ["value", "value2", "count", "errors", "total", "average", "p50", "p95", "max", "self", "critical"];
const TITLES: [&str; 9] =
    ["Spans", "Errors", "Total", "Average", "p50", "p95", "Longest", "Self time", "Critical path"];

/// The page.
#[derive(Debug, Template)]
#[template(path = "trace_statistics.html")]
pub(in super::super) struct StatisticsPage {
    chrome: Chrome,
    head: Head,
    by: [String; 2],
    suggested: Vec<String>,
    hidden_fields: Vec<(&'static str, String)>,
    columns: Vec<Column>,
    rows: Vec<StatRow>,
    more: usize,
}

/// A row.
#[derive(Debug)]
struct StatRow {
    values: Vec<String>,
    href: String,
    count: String,
    errors: usize,
    /// Total, average, p50, p95, longest.
    times: [String; 5],
    self_time: String,
    /// Of all self time, percent.
    self_share: String,
    critical: String,
}

/// What was counted of spans with the same values.
#[derive(Debug, Default)]
struct Sum {
    errors: usize,
    durations: Vec<u64>,
    total: u64,
    self_nanos: u64,
    critical: u64,
}

impl Sum {
    fn quantile(&self, percent: usize) -> u64 {
        let rank = (self.durations.len() * percent).div_ceil(100).max(1) - 1;
        self.durations.get(rank).copied().unwrap_or_default()
    }

    fn average(&self) -> u64 {
        self.total / (self.durations.len() as u64).max(1)
    }

    fn number(&self, column: usize) -> u64 {
        match column {
            2 => self.durations.len() as u64,
            3 => self.errors as u64,
            4 => self.total,
            5 => self.average(),
            6 => self.quantile(50),
            7 => self.quantile(95),
            8 => self.quantile(100),
            9 => self.self_nanos,
            _ => self.critical,
        }
    }
}

pub(in super::super) fn page(
    tree: &TraceTree<'_>,
    view: &View,
    params: &Params,
    head: Head,
) -> Result<StatisticsPage, String> {
    let by = [asked(params, "by", "service")?, asked(params, "by2", "name")?];
    let sort = Sort::read(params, &SORTS, Sort { by: 9, up: false })?;
    let mut sums: Vec<_> = sums(tree, &by).into_iter().collect();
    sums.sort_by(|a, b| {
        let order = match sort.by {
            0 => a.0.cmp(&b.0),
            1 => (&a.0[1], &a.0[0]).cmp(&(&b.0[1], &b.0[0])),
            column => a.1.number(column).cmp(&b.1.number(column)),
        };
        (if sort.up { order } else { order.reverse() }).then_with(|| a.0.cmp(&b.0))
    });
    let all_self: u64 = sums.iter().map(|(_, sum)| sum.self_nanos).fold(0, u64::saturating_add);
    let more = sums.len().saturating_sub(MOST);
    let id = head.id.clone();
    let two = !by[1].is_empty();
    let row = |(values, sum): ([Cow<'_, str>; 2], Sum)| row(&values, &sum, &by, view, &id, all_self);
    let rows = sums.into_iter().take(MOST).map(row).collect();
    let mut kept = fields(view, &[]);
    kept.extend([("by", by[0].clone()), ("by2", if two { by[1].clone() } else { "none".to_owned() })]);
    let names: Vec<String> = by.iter().cloned().chain(TITLES.map(str::to_owned)).collect();
    let column = |(at, name): (usize, String)| {
        let up = if sort.by == at { !sort.up } else { at < 2 };
        Column {
            href: changed(&id, &kept, &[("sort", SORTS[at]), ("order", if up { "asc" } else { "desc" })]),
            sorted: match (sort.by == at, sort.up) {
                (true, true) => "ascending",
                (true, false) => "descending",
                (false, _) => "",
            },
            number: at > 1,
            name,
        }
    };
    let columns = names.into_iter().enumerate().filter(|(at, _)| two || *at != 1).map(column).collect();
    Ok(StatisticsPage {
        chrome: Chrome::new(),
        suggested: suggested(tree),
        hidden_fields: fields(view, &[]),
        columns,
        rows,
        more,
        by,
        head,
    })
}

/// A field that was asked for. `none` is the second one left out.
fn asked(params: &Params, name: &str, default: &str) -> Result<String, String> {
    match params.text(name) {
        "" => Ok(default.to_owned()),
        "none" if name == "by2" => Ok(String::new()),
        text if text.len() > LONGEST => {
            Err(format!("{name} has {} bytes: it is the name of a field, of {LONGEST} bytes at most", text.len()))
        }
        text => Ok(text.to_owned()),
    }
}

fn sums<'t>(tree: &TraceTree<'t>, by: &[String; 2]) -> HashMap<[Cow<'t, str>; 2], Sum> {
    let mut sums: HashMap<[Cow<'t, str>; 2], Sum> = HashMap::new();
    for node in &tree.nodes {
        let Some(span) = node.span() else { continue };
        let second = if by[1].is_empty() { "".into() } else { field_of(span, &by[1]) };
        let sum = sums.entry([field_of(span, &by[0]), second]).or_default();
        let nanos = node.interval.nanos();
        sum.errors += usize::from(node.is_error());
        sum.durations.push(nanos);
        sum.total = sum.total.saturating_add(nanos);
        sum.self_nanos = sum.self_nanos.saturating_add(node.self_nanos);
        sum.critical += node.critical.iter().map(Interval::nanos).sum::<u64>();
    }
    sums.values_mut().for_each(|sum| sum.durations.sort_unstable());
    sums
}

fn row(values: &[Cow<'_, str>; 2], sum: &Sum, by: &[String; 2], view: &View, id: &str, all_self: u64) -> StatRow {
    let words = values.iter().map(AsRef::as_ref).filter(|text: &&str| !text.is_empty()).collect::<Vec<_>>().join(" ");
    let find = format::shortened(&words, 300);
    let shown = |(value, field): (&Cow<'_, str>, &String)| match value.as_ref() {
        text if field == "service" => shown_service(text),
        "" => "(none)".to_owned(),
        text => format::shortened(text, 160),
    };
    let times = [4, 5, 6, 7, 8].map(|column| format::duration(sum.number(column)));
    StatRow {
        values: values.iter().zip(by).filter(|(_, field)| !field.is_empty()).map(shown).collect(),
        href: View { tab: Tab::Spans, find, span: None, ..view.clone() }.href(id, ""),
        count: format::count(sum.durations.len() as u64),
        errors: sum.errors,
        times,
        self_time: format::duration(sum.self_nanos),
        self_share: format!("{:.2}", 100.0 * sum.self_nanos as f64 / all_self.max(1) as f64),
        critical: format::duration(sum.critical),
    }
}

/// Fields that the trace has, by their current names.
fn suggested(tree: &TraceTree<'_>) -> Vec<String> {
    let mut keys: BTreeSet<String> = BTreeSet::new();
    for span in tree.nodes.iter().filter_map(|node| node.span()).take(LOOKED_AT) {
        let own = span.span.attributes.iter().map(|attribute| conventions::current(&attribute.key).to_owned());
        let resource = span.resource.attributes.iter().map(|attribute| format!("resource.{}", attribute.key));
        for key in own.chain(resource).filter(|key| key.len() <= LONGEST) {
            if keys.len() < MOST_KEYS {
                keys.insert(key);
            }
        }
    }
    INTRINSICS.iter().map(|name| (*name).to_owned()).chain(keys).collect()
}
