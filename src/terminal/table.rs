//! Tables: aligned for a terminal, as CSV, as Markdown.

use super::text::{fitted, width};
use super::{Paint, Screen};

/// Blanks between columns.
const GAP: &str = "  ";
/// The least that a column is narrowed to.
const NARROWEST: usize = 8;

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// Whether its cells stand on the right, as numbers do.
    pub right: bool,
    /// Whether its cells may be cut.
    pub cuts: bool,
}

impl Column {
    /// Texts that may be cut.
    #[must_use]
    pub fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), right: false, cuts: true }
    }

    /// Texts that are needed whole.
    #[must_use]
    pub fn whole(title: impl Into<String>) -> Self {
        Self { cuts: false, ..Self::text(title) }
    }

    /// Numbers.
    #[must_use]
    pub fn number(title: impl Into<String>) -> Self {
        Self { right: true, ..Self::whole(title) }
    }
}

/// A cell: harmless text, and how it stands out.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// How it stands out.
    pub paint: Paint,
}

impl Cell {
    /// A cell.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), paint: Paint::Plain }
    }

    /// The same, standing out.
    #[must_use]
    pub fn painted(text: impl Into<String>, paint: Paint) -> Self {
        Self { text: text.into(), paint }
    }
}

/// Rows under headings.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The cells, as many in each row as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// The widths of columns. They stay for rows that come later.
#[derive(Debug, Clone)]
pub struct Layout {
    columns: Vec<(Column, usize)>,
    screen: Screen,
}

impl Table {
    /// The widths that suit these rows and the screen. Columns that may be cut give way, the widest first.
    #[must_use]
    pub fn layout(&self, screen: Screen) -> Layout {
        let cells = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let widest = |(at, column): (usize, &Column)| {
            cells(at).map(|cell| width(&cell.text)).chain([width(&column.title)]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(widest).collect();
        let mut layout = Layout { columns: self.columns.iter().cloned().zip(widths).collect(), screen };
        layout.narrow();
        layout
    }

    /// All of it for a terminal, with headings.
    #[must_use]
    pub fn lines(&self, screen: Screen) -> String {
        let layout = self.layout(screen);
        self.rows.iter().fold(layout.head(), |text, row| text + &layout.line(row))
    }

    /// The first two lines in Markdown.
    #[must_use]
    pub fn markdown_head(&self) -> String {
        let titles = self.columns.iter().map(|column| literal(&column.title));
        let rules = self.columns.iter().map(|column| if column.right { "---:" } else { "---" }.to_owned());
        markdown_line(titles) + &markdown_line(rules)
    }

    /// The rows in Markdown.
    #[must_use]
    pub fn markdown_rows(&self) -> String {
        self.rows.iter().map(|row| markdown_line(row.iter().map(|cell| literal(&cell.text)))).collect()
    }
}

fn markdown_line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

impl Layout {
    /// How wide a line is.
    #[must_use]
    pub fn width(&self) -> usize {
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        self.columns.iter().map(|(_, width)| width).sum::<usize>() + gaps
    }

    /// Widens columns that may be cut, for rows that come later.
    #[must_use]
    pub fn at_least(mut self, columns: usize) -> Self {
        for (column, width) in &mut self.columns {
            if column.cuts {
                *width = (*width).max(columns);
            }
        }
        self.narrow();
        self
    }

    fn narrow(&mut self) {
        let Some(most) = self.screen.width else { return };
        let mut excess = self.width().saturating_sub(most);
        while excess > 0 {
            let cuttable = self.columns.iter_mut().filter(|(column, width)| column.cuts && *width > NARROWEST);
            let Some((_, widest)) = cuttable.max_by_key(|(_, width)| *width) else { return };
            *widest -= 1;
            excess -= 1;
        }
    }

    /// The line with the headings.
    #[must_use]
    pub fn head(&self) -> String {
        let titles: Vec<Cell> =
            self.columns.iter().map(|(column, _)| Cell::painted(column.title.clone(), Paint::Dim)).collect();
        self.line(&titles)
    }

    /// The line of a row.
    #[must_use]
    pub fn line(&self, row: &[Cell]) -> String {
        let last = self.columns.len().saturating_sub(1);
        let mut out = String::new();
        for (at, ((column, width), cell)) in self.columns.iter().zip(row).enumerate() {
            let mut text = fitted(&cell.text, *width, column.right);
            if at == last {
                text.truncate(text.trim_end().len());
            }
            out += &self.screen.paint(cell.paint, &text);
            out += if at == last { "" } else { GAP };
        }
        out.truncate(out.trim_end().len());
        out + "\n"
    }
}

/// Text that Markdown shows as it is: no link, no picture, no element, no new cell.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '#' | '!' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A record of CSV (RFC 4180). A text that a spreadsheet would take for a formula gets a quotation mark in front.
#[must_use]
pub fn csv_record(fields: &[String]) -> String {
    fields.iter().map(|field| csv_field(field)).collect::<Vec<_>>().join(",") + "\r\n"
}

fn csv_field(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@']) && field.parse::<f64>().is_err();
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = vec![Column::text("NAME"), Column::number("N"), Column::whole("ID")];
        let row = |name: &str, n: &str| vec![Cell::new(name), Cell::painted(n, Paint::Error), Cell::new("abcd")];
        Table { columns, rows: vec![row("a long name of a span", "1"), row("中", "1000")] }
    }

    #[test]
    fn columns_stand_in_line() {
        let text = table().lines(Screen::default());
        assert_eq!(
            text,
            "NAME                      N  ID\na long name of a span     1  abcd\n中                     1000  abcd\n"
        );
    }

    #[test]
    fn a_narrow_screen_cuts_what_may_be_cut() {
        let screen = Screen { width: Some(22), colours: false };
        assert_eq!(table().lines(screen), "NAME           N  ID\na long na…     1  abcd\n中          1000  abcd\n");
        let tiny = Screen { width: Some(3), colours: false };
        assert!(table().lines(tiny).contains("a long …     1  abcd"), "what must be whole is whole");
        assert_eq!(table().layout(screen).at_least(50).width(), 22);
    }

    #[test]
    fn colours_take_no_columns() {
        let text = table().lines(Screen { width: None, colours: true });
        assert!(text.contains("\u{1b}[31m   1\u{1b}[0m  abcd"), "{text:?}");
    }

    #[test]
    fn markdown_and_csv_show_text_as_it_is() {
        let mut table = table();
        table.rows = vec![vec![Cell::new("![x](http://e) | <b>"), Cell::new("1"), Cell::new("=a")]];
        let expected = "| NAME | N | ID |\n| --- | ---: | --- |\n| \\!\\[x\\](http://e) \\| \\<b\\> | 1 | =a |\n";
        assert_eq!(table.markdown_head() + &table.markdown_rows(), expected);
        let record = csv_record(&["a,b".into(), "say \"x\"".into(), "=1+1".into(), "-1.5".into(), "@x".into()]);
        assert_eq!(record, "\"a,b\",\"say \"\"x\"\"\",'=1+1,-1.5,'@x\r\n");
    }
}
