//! What commands show to people: text of senders made harmless, numbers, times, tables, colours.

pub mod number;
pub mod table;
pub mod text;

use console::Term;

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paint {
    /// Not at all.
    #[default]
    Plain,
    /// A heading, or what matters less.
    Dim,
    /// The name of a service.
    Service,
    /// An error.
    Error,
    /// Something to look at.
    Warning,
}

/// Where output goes: how wide it is, and whether it takes colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Screen {
    /// Columns; none where nothing has to be cut.
    pub width: Option<usize>,
    /// Whether colours are shown.
    pub colours: bool,
}

impl Screen {
    /// That of stdout. Colours are off in a pipe and where `NO_COLOR` is set.
    #[must_use]
    pub fn of_stdout() -> Self {
        let term = Term::stdout();
        let width = term.is_term().then(|| term.size_checked()).flatten().map(|(_, columns)| usize::from(columns));
        Self { width: width.filter(|width| *width > 0), colours: console::colors_enabled() }
    }

    /// The text in its colour.
    #[must_use]
    pub fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            _ if !self.colours || text.is_empty() => return text.to_owned(),
            Paint::Plain => return text.to_owned(),
            Paint::Dim => "2",
            Paint::Service => "36",
            Paint::Error => "31",
            Paint::Warning => "33",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
