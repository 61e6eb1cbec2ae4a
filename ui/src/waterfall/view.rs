//! What of a trace the reader looks at: all of it in the URL, so that a link shows the same to others.

use std::fmt;

use hoptrail_query::assemble::{Clocks, Interval, NodeKey};

use crate::format::shortened;
use crate::url::{Params, href};

/// Most nodes that a URL names as opened or shut; older ones are forgotten.
const MOST_NAMED: usize = 60;
/// Longer names of services cannot be hidden.
const LONGEST_NAME: usize = 300;

/// Which of a node's children are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Children skipped.
    pub(crate) start: usize,
    /// Most children shown.
    pub(crate) len: usize,
}

/// What a page shows of a trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tab {
    #[default]
    Waterfall,
    Flame,
    Statistics,
    Spans,
    Graph,
    Events,
    Messages,
}

impl Tab {
    /// All, in the order in which they stand on the page.
    pub(crate) const ALL: [Self; 7] =
        [Self::Waterfall, Self::Flame, Self::Statistics, Self::Spans, Self::Graph, Self::Events, Self::Messages];

    /// The word of the URL; empty for the waterfall.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waterfall => "",
            Self::Flame => "flame",
            Self::Statistics => "statistics",
            Self::Spans => "spans",
            Self::Graph => "graph",
            Self::Events => "events",
            Self::Messages => "messages",
        }
    }
}

/// Names a row: that of a node, or the one that stands for siblings like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RowKey {
    pub(crate) node: NodeKey,
    pub(crate) is_group: bool,
}

#[cfg(test)]
impl RowKey {
    pub(crate) fn of(node: NodeKey) -> Self {
        Self { node, is_group: false }
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.node, if self.is_group { GROUP } else { "" })
    }
}

/// Marks the key of a row that stands for siblings.
const GROUP: &str = "~all";

/// What is left out of the waterfall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reduce {
    /// Everything but what was found, and what is above it.
    pub(crate) only: bool,
    /// Spans of these services. What is below them moves up.
    pub(crate) hide: Vec<String>,
    /// Spans that take less than so many thousandths of a percent of the trace.
    pub(crate) least: u64,
    /// Equal siblings have a row each.
    pub(crate) each: bool,
}

impl Reduce {
    /// The least share of the trace, in percent.
    pub(crate) fn percent(&self) -> String {
        if self.least == 0 { String::new() } else { (self.least as f64 / 1_000.0).to_string() }
    }
}

/// The reader's view of a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Only the subtree of this node.
    pub(crate) root: Option<NodeKey>,
    /// The span whose detail is open.
    pub(crate) span: Option<NodeKey>,
    /// The words looked for.
    pub(crate) find: String,
    pub(crate) clocks: Clocks,
    /// Levels opened; all when `None`.
    pub(crate) level: Option<usize>,
    /// Rows opened by hand.
    pub(crate) open: Vec<RowKey>,
    /// Rows shut by hand.
    pub(crate) shut: Vec<RowKey>,
    /// Children shown of rows with many; `None` stands for the roots.
    pub(crate) windows: Vec<(Option<RowKey>, Window)>,
    pub(crate) tab: Tab,
    pub(crate) reduce: Reduce,
    /// Events have rows.
    pub(crate) events: bool,
    /// Detail is shown beside the rows, not below its own.
    pub(crate) side: bool,
    /// Start and end of the time shown, nanoseconds after the start of the trace.
    pub(crate) zoom: Option<(u64, u64)>,
}

impl View {
    /// Reads the parameters; what cannot be read counts as absent, as a link may be cut or of another version.
    pub(crate) fn read(params: &Params) -> Self {
        // Jaeger's links name a span or words in `uiFind`.
        let jaeger = params.text("uiFind");
        let jaeger_span = key(jaeger).filter(|_| jaeger.len() == 16);
        let find = params.text("find");
        Self {
            root: key(params.text("root")),
            span: key(params.text("span")).or(jaeger_span),
            find: if find.is_empty() && jaeger_span.is_none() { jaeger } else { find }.to_owned(),
            clocks: if params.text("clocks") == "corrected" { Clocks::Corrected } else { Clocks::AsSent },
            level: params.text("level").parse().ok(),
            open: keys(params.text("open")),
            shut: keys(params.text("shut")),
            windows: params.text("at").split(',').filter_map(window).take(MOST_NAMED).collect(),
            zoom: zoom(params.text("zoom")),
            tab: Tab::ALL.into_iter().find(|tab| tab.word() == params.text("view")).unwrap_or_default(),
            reduce: Reduce {
                only: params.text("only") == "1",
                hide: params
                    .all("hide")
                    .filter(|name| name.len() <= LONGEST_NAME)
                    .take(MOST_NAMED)
                    .map(str::to_owned)
                    .collect(),
                least: least(params.text("min")).unwrap_or_default(),
                each: params.text("each") == "1",
            },
            events: params.text("events") == "1",
            side: params.text("panel") == "side",
        }
    }

    /// Says what is wrong with what a person may have typed.
    pub(crate) fn check(params: &Params) -> Result<(), String> {
        let (tab, min) = (params.text("view"), params.text("min"));
        if Tab::ALL.iter().all(|known| known.word() != tab) {
            let words: Vec<&str> = Tab::ALL.iter().map(|tab| tab.word()).filter(|word| !word.is_empty()).collect();
            let tab = shortened(tab, 60);
            return Err(format!("view {tab:?} is unknown: it is one of {}, or left out", words.join(", ")));
        }
        if !min.is_empty() && least(min).is_none() {
            let min = shortened(min, 60);
            return Err(format!("min {min:?} is no share of the trace: it is a number of percent from 0 to 100"));
        }
        Ok(())
    }

    /// URL of the trace in this view, with the part of the page to go to.
    pub(crate) fn href(&self, trace: &str, fragment: &str) -> String {
        let windows: Vec<String> = self
            .windows
            .iter()
            .map(|(key, window)| format!("{}:{}-{}", written(*key), window.start, window.len))
            .collect();
        let flag = |on: bool| if on { "1" } else { "" };
        let hidden = self.reduce.hide.iter().map(|service| ("hide", service.as_str()));
        let mut url = href(
            &format!("/trace/{trace}"),
            [
                ("view", self.tab.word()),
                ("root", &written(self.root)),
                ("span", &written(self.span)),
                ("find", &self.find),
                ("clocks", if self.clocks == Clocks::Corrected { "corrected" } else { "" }),
                ("level", &self.level.map(|level| level.to_string()).unwrap_or_default()),
                ("open", &joined(&self.open)),
                ("shut", &joined(&self.shut)),
                ("at", &windows.join(",")),
                ("zoom", &self.zoom.map(|(from, to)| format!("{from}-{to}")).unwrap_or_default()),
                ("only", flag(self.reduce.only)),
                ("min", &self.reduce.percent()),
                ("each", flag(self.reduce.each)),
                ("events", flag(self.events)),
                ("panel", if self.side { "side" } else { "" }),
            ]
            .into_iter()
            .chain(hidden),
        );
        if !fragment.is_empty() {
            url.push('#');
            url.push_str(fragment);
        }
        url
    }

    /// The view after a click on the node's fold mark.
    pub(crate) fn toggled(&self, key: RowKey, is_open: bool) -> Self {
        let mut view = self.clone();
        view.open.retain(|one| *one != key);
        view.shut.retain(|one| *one != key);
        let named = if is_open { &mut view.shut } else { &mut view.open };
        named.push(key);
        let surplus = named.len().saturating_sub(MOST_NAMED);
        named.drain(..surplus);
        view
    }

    /// The view with other children of a row.
    pub(crate) fn windowed(&self, key: Option<RowKey>, window: Window) -> Self {
        let mut view = self.clone();
        view.windows.retain(|(one, _)| *one != key);
        view.windows.push((key, window));
        view
    }

    /// The view of one subtree.
    pub(crate) fn rooted(&self, root: Option<NodeKey>) -> Self {
        Self { root, level: None, zoom: None, ..self.clone() }
    }

    /// The view with a span's detail open, or none.
    pub(crate) fn selecting(&self, span: Option<NodeKey>) -> Self {
        Self { span, ..self.clone() }
    }

    /// The view with something else left out.
    pub(crate) fn reduced(&self, change: impl FnOnce(&mut Reduce)) -> Self {
        let mut view = self.clone();
        change(&mut view.reduce);
        view
    }

    /// The view of another part of the time, in nanoseconds from the start of the trace. All of it ends the zoom.
    pub(crate) fn zoomed(&self, from: u64, to: u64, total: u64) -> Self {
        let to = to.min(total);
        let zoom = (from < to && (from, to) != (0, total)).then_some((from, to));
        Self { zoom, ..self.clone() }
    }

    /// The time shown of a trace.
    pub(crate) fn range(&self, trace: Interval) -> Interval {
        let Some((from, to)) = self.zoom else { return trace };
        let at = |offset: u64| trace.start.saturating_add(offset).min(trace.end);
        let zoomed = Interval { start: at(from), end: at(to) };
        if zoomed.start < zoomed.end { zoomed } else { trace }
    }
}

fn keys(text: &str) -> Vec<RowKey> {
    text.split(',').filter_map(row_key).take(MOST_NAMED).collect()
}

fn row_key(text: &str) -> Option<RowKey> {
    let node = text.strip_suffix(GROUP);
    Some(RowKey { node: key(node.unwrap_or(text))?, is_group: node.is_some() })
}

/// Thousandths of a percent.
fn least(text: &str) -> Option<u64> {
    let percent: f64 = text.replace(',', ".").parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100,000")]
    (0.0..=100.0).contains(&percent).then(|| (percent * 1_000.0).round() as u64)
}

fn joined(keys: &[RowKey]) -> String {
    keys.iter().map(RowKey::to_string).collect::<Vec<_>>().join(",")
}

/// A key of the URL; `None` for a text that is none.
fn key(text: &str) -> Option<NodeKey> {
    text.parse().ok()
}

/// A key for the URL; empty when there is none.
fn written(key: Option<impl fmt::Display>) -> String {
    key.map(|key| key.to_string()).unwrap_or_default()
}

/// `KEY:START-LEN`.
fn window(text: &str) -> Option<(Option<RowKey>, Window)> {
    let (key, window) = text.split_once(':')?;
    let (start, len) = window.split_once('-')?;
    let key = if key.is_empty() { None } else { Some(row_key(key)?) };
    Some((key, Window { start: start.parse().ok()?, len: len.parse().ok().filter(|len| *len > 0)? }))
}

/// `FROM-TO`.
fn zoom(text: &str) -> Option<(u64, u64)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> View {
        View::read(&Params::of(&format!("/trace/1?{query}").parse().expect("uri")))
    }

    #[test]
    fn a_views_link_shows_the_same_view() {
        let key = |text: &str| text.parse::<NodeKey>().expect("key");
        let row = |text: &str| row_key(text).expect("key");
        let view = View {
            root: Some(key("000000000000000a")),
            span: Some(key("000000000000000b~2~peer")),
            find: "a b&c".into(),
            clocks: Clocks::Corrected,
            level: Some(2),
            open: vec![row("1"), row("2~3~all")],
            shut: vec![row("3")],
            windows: vec![(None, Window { start: 20, len: 200 }), (Some(row("4")), Window { start: 0, len: 5 })],
            zoom: Some((5, 900)),
            tab: Tab::Statistics,
            reduce: Reduce { only: true, hide: vec!["a&b".into(), "c d".into()], least: 1_500, each: true },
            events: true,
            side: true,
        };
        let url = view.href("7", "s-1");
        let query = url.strip_prefix("/trace/7?").and_then(|rest| rest.strip_suffix("#s-1")).expect("form");
        assert_eq!(read(query), view);
        assert_eq!(View::default().href("7", ""), "/trace/7");
    }

    #[test]
    fn nonsense_counts_as_absent() {
        let bad = "root=x&span=zz&level=-1&open=,,x&shut=~&at=1:2,3:-,4:0-0,:a-b&zoom=9-3&clocks=maybe";
        assert_eq!(read(bad), View::default());
    }

    #[test]
    fn what_a_person_types_is_checked() {
        let check = |query: &str| View::check(&Params::of(&format!("/trace/1?{query}").parse().expect("uri")));
        assert_eq!(check("view=flame&min=0.5"), Ok(()));
        assert_eq!((read("min=0.5").reduce.least, read("min=2,5").reduce.percent().as_str()), (500, "2.5"));
        for (query, part) in
            [("view=x", "flame, statistics"), ("min=-1", "\"-1\""), ("min=101", "0 to 100"), ("min=NaN", "NaN")]
        {
            assert!(check(query).is_err_and(|text| text.contains(part)), "{query}");
        }
    }

    #[test]
    fn all_of_the_time_is_no_zoom() {
        let zoomed = |from, to| View::default().zoomed(from, to, 100).zoom;
        assert_eq!((zoomed(0, 900), zoomed(10, 900), zoomed(50, 50)), (None, Some((10, 100)), None));
    }

    #[test]
    fn jaegers_links_open_a_span_or_find_words() {
        assert_eq!(read("uiFind=00f067aa0ba902b7").span, "00f067aa0ba902b7".parse().ok());
        assert_eq!(read("uiFind=checkout").find, "checkout");
    }

    #[test]
    fn hands_win_over_earlier_hands_and_the_url_stays_short() {
        let key = row_key("5").expect("key");
        let shut = View::default().toggled(key, true);
        assert_eq!((shut.shut.as_slice(), shut.open.len()), ([key].as_slice(), 0));
        let open = shut.toggled(key, false);
        assert_eq!((open.open.as_slice(), open.shut.len()), ([key].as_slice(), 0));
        let many = (1..500_u32)
            .fold(View::default(), |view, number| view.toggled(row_key(&format!("{number:x}")).expect("key"), false));
        assert_eq!(many.open.len(), MOST_NAMED);
    }

    #[test]
    fn zoom_stays_inside_of_the_trace() {
        let trace = Interval { start: 1_000, end: 2_000 };
        let zoomed = |zoom| View { zoom, ..View::default() }.range(trace);
        assert_eq!(zoomed(Some((100, 300))), Interval { start: 1_100, end: 1_300 });
        assert_eq!(zoomed(Some((500, u64::MAX))), Interval { start: 1_500, end: 2_000 });
        assert_eq!(zoomed(Some((5_000, 6_000))), trace);
        assert_eq!(zoomed(None), trace);
    }
}
