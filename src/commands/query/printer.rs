//! Prints what a search found, also when it comes in pieces.

use hoptrail_query::traceql::Kind;
use jiff::tz::TimeZone;

use super::rows::{Page, Row};
use crate::client::Failure;
use crate::commands::remote::{Format, ShowFlags};
use crate::output::write;
use crate::terminal::number::{duration, machine, moment, time_of_day, zone_name};
use crate::terminal::table::{Cell, Column, Layout, Table, csv_record};
use crate::terminal::text::{harmless_json, shown};
use crate::terminal::{Paint, Screen};

/// The least columns for names when rows come in pieces, and wider ones may follow.
const NAMES: usize = 24;

const MILLISECOND: u64 = 1_000_000;

/// Prints rows of one search in one form.
#[derive(Debug)]
pub(super) struct Printer {
    format: Format,
    screen: Screen,
    kind: Kind,
    zone: TimeZone,
    in_pieces: bool,
    /// The widths of the table, and whether it is a compact one; from the first rows on.
    layout: Option<(Layout, bool)>,
    begun: bool,
}

impl Printer {
    pub(super) fn new(show: &ShowFlags, kind: Kind, zone: TimeZone, in_pieces: bool) -> Self {
        Self { format: show.format(), screen: show.screen(), kind, zone, in_pieces, layout: None, begun: false }
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Prints a page: as it came, when that is the form.
    pub(super) fn page(&mut self, page: &Page) -> Result<(), Failure> {
        if self.format == Format::Json {
            return Ok(write(&(harmless_json(page.text.trim_end()) + "\n"))?);
        }
        self.rows(&page.rows)
    }

    /// Prints rows.
    pub(super) fn rows(&mut self, rows: &[Row]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let begins = !std::mem::replace(&mut self.begun, true);
        let text = match self.format {
            Format::Table => self.lines(rows),
            Format::Json | Format::Ndjson => {
                rows.iter().map(|row| harmless_json(&row.raw.to_string()) + "\n").collect()
            }
            Format::Csv => {
                let head = if begins { self.csv_head() } else { String::new() };
                rows.iter().fold(head, |text, row| text + &self.csv_line(row))
            }
            Format::Md => {
                let table = self.table(rows, false);
                let head = if begins { table.markdown_head() } else { String::new() };
                head + &table.markdown_rows()
            }
        };
        Ok(write(&text)?)
    }

    fn lines(&mut self, rows: &[Row]) -> String {
        let mut out = String::new();
        let (layout, table) = match self.layout.take() {
            Some((layout, compact)) => {
                let table = self.table(rows, compact);
                ((layout, compact), table)
            }
            None => {
                let (layout, compact, table) = self.begin(rows);
                out += &layout.head();
                ((layout, compact), table)
            }
        };
        out.extend(table.rows.iter().map(|row| layout.0.line(row)));
        self.layout = Some(layout);
        out
    }

    /// The table of the first rows: a compact one, when the whole one is too wide for the screen.
    fn begin(&self, rows: &[Row]) -> (Layout, bool, Table) {
        let whole = self.table(rows, false);
        let layout = self.widths(&whole);
        if self.screen.width.is_none_or(|width| layout.width() <= width) {
            return (layout, false, whole);
        }
        let compact = self.table(rows, true);
        (self.widths(&compact), true, compact)
    }

    fn widths(&self, table: &Table) -> Layout {
        let layout = table.layout(self.screen);
        if self.in_pieces { layout.at_least(NAMES) } else { layout }
    }

    fn table(&self, rows: &[Row], compact: bool) -> Table {
        let columns = self.columns(compact);
        let rows = rows.iter().map(|row| self.cells(row, compact)).collect();
        Table { columns, rows }
    }

    fn columns(&self, compact: bool) -> Vec<Column> {
        let time = if compact { "TIME".to_owned() } else { format!("TIME ({})", zone_name(&self.zone)) };
        let mut columns = vec![Column::whole(time), Column::number("DURATION")];
        match (self.kind, compact) {
            (Kind::Spans, false) => columns.extend(["SPAN", "ATTRIBUTES", "ROOT SERVICE"].map(Column::text)),
            (Kind::Spans, true) => columns.push(Column::text("SPAN")),
            (_, false) => columns.extend(["ROOT SERVICE", "ROOT SPAN"].map(Column::text)),
            (_, true) => columns.push(Column::text("ROOT")),
        }
        match (self.kind, compact) {
            (Kind::Spans, _) => columns.push(Column::whole("SPAN ID")),
            (_, false) => columns.extend(["SPANS", "ERRORS"].map(Column::number)),
            (_, true) => columns.push(Column::number("ERR")),
        }
        columns.push(Column::whole("TRACE ID"));
        columns
    }

    fn cells(&self, row: &Row, compact: bool) -> Vec<Cell> {
        let name = |text: &str| Cell::new(shown(text));
        let service = |text: &str| Cell::painted(shown(text), Paint::Service);
        let time = |start| Cell::new(if compact { time_of_day(start, &self.zone) } else { moment(start, &self.zone) });
        let id = Cell::painted(shown(&row.trace_id), Paint::Dim);
        if self.kind == Kind::Spans {
            let span = &row.span;
            let mut cells = vec![time(span.start), Cell::new(duration(span.nanos)), name(&span.name)];
            if !compact {
                cells.extend([name(&attributes(row)), service(&row.service)]);
            }
            cells.extend([name(&span.id), id]);
            return cells;
        }
        let mut cells = vec![time(row.start), Cell::new(trace_duration(row))];
        let errors = row.counts.map_or_else(Cell::default, |(_, errors)| {
            Cell::painted(errors.to_string(), if errors > 0 { Paint::Error } else { Paint::Dim })
        });
        if compact {
            cells.extend([name(format!("{} {}", row.service, row.name).trim()), errors]);
        } else {
            let spans = row.counts.map(|(spans, _)| spans.to_string()).unwrap_or_default();
            cells.extend([service(&row.service), name(&row.name), Cell::new(spans), errors]);
        }
        cells.push(id);
        cells
    }

    fn csv_head(&self) -> String {
        let names: &[&str] = match self.kind {
            Kind::Spans => &["trace_id", "span_id", "start", "duration_ns", "name", "root_service", "attributes"],
            _ => &["trace_id", "start", "duration_ms", "root_service", "root_name", "spans", "errors"],
        };
        csv_record(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    fn csv_line(&self, row: &Row) -> String {
        let (id, service) = (shown(&row.trace_id), shown(&row.service));
        if self.kind == Kind::Spans {
            let span = &row.span;
            let (start, nanos) = (machine(span.start), span.nanos.to_string());
            return csv_record(&[
                id,
                shown(&span.id),
                start,
                nanos,
                shown(&span.name),
                service,
                shown(&attributes(row)),
            ]);
        }
        let (spans, errors) =
            row.counts.map(|(spans, errors)| (spans.to_string(), errors.to_string())).unwrap_or_default();
        csv_record(&[id, machine(row.start), row.duration_ms.to_string(), service, shown(&row.name), spans, errors])
    }
}

/// The API counts whole milliseconds.
fn trace_duration(row: &Row) -> String {
    if row.duration_ms == 0 { "<1 ms".to_owned() } else { duration(row.duration_ms.saturating_mul(MILLISECOND)) }
}

fn attributes(row: &Row) -> String {
    row.span.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}
