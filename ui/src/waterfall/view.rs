//! What of a trace the reader looks at: all of it in the URL, so that a link shows the same to others.

use hoptrail_query::assemble::{Clocks, Interval, NodeKey};

use crate::url::{Params, href};

/// Most nodes that a URL names as opened or shut; older ones are forgotten.
const MOST_NAMED: usize = 60;

/// Which of a node's children are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Children skipped.
    pub(crate) start: usize,
    /// Most children shown.
    pub(crate) len: usize,
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
    /// Nodes opened by hand.
    pub(crate) open: Vec<NodeKey>,
    /// Nodes shut by hand.
    pub(crate) shut: Vec<NodeKey>,
    /// Children shown of nodes with many; `None` stands for the roots.
    pub(crate) windows: Vec<(Option<NodeKey>, Window)>,
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
        }
    }

    /// URL of the trace in this view, with the part of the page to go to.
    pub(crate) fn href(&self, trace: &str, fragment: &str) -> String {
        let windows: Vec<String> = self
            .windows
            .iter()
            .map(|(key, window)| format!("{}:{}-{}", written(*key), window.start, window.len))
            .collect();
        let mut url = href(
            &format!("/trace/{trace}"),
            [
                ("root", written(self.root).as_str()),
                ("span", &written(self.span)),
                ("find", &self.find),
                ("clocks", if self.clocks == Clocks::Corrected { "corrected" } else { "" }),
                ("level", &self.level.map(|level| level.to_string()).unwrap_or_default()),
                ("open", &joined(&self.open)),
                ("shut", &joined(&self.shut)),
                ("at", &windows.join(",")),
                ("zoom", &self.zoom.map(|(from, to)| format!("{from}-{to}")).unwrap_or_default()),
            ],
        );
        if !fragment.is_empty() {
            url.push('#');
            url.push_str(fragment);
        }
        url
    }

    /// The view after a click on the node's fold mark.
    pub(crate) fn toggled(&self, key: NodeKey, is_open: bool) -> Self {
        let mut view = self.clone();
        view.open.retain(|one| *one != key);
        view.shut.retain(|one| *one != key);
        let named = if is_open { &mut view.shut } else { &mut view.open };
        named.push(key);
        let surplus = named.len().saturating_sub(MOST_NAMED);
        named.drain(..surplus);
        view
    }

    /// The view with other children of a node.
    pub(crate) fn windowed(&self, key: Option<NodeKey>, window: Window) -> Self {
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

    /// The time shown of a trace.
    pub(crate) fn range(&self, trace: Interval) -> Interval {
        let Some((from, to)) = self.zoom else { return trace };
        let at = |offset: u64| trace.start.saturating_add(offset).min(trace.end);
        let zoomed = Interval { start: at(from), end: at(to) };
        if zoomed.start < zoomed.end { zoomed } else { trace }
    }
}

fn keys(text: &str) -> Vec<NodeKey> {
    text.split(',').filter_map(|key| key.parse().ok()).take(MOST_NAMED).collect()
}

fn joined(keys: &[NodeKey]) -> String {
    keys.iter().map(NodeKey::to_string).collect::<Vec<_>>().join(",")
}

/// A key of the URL; `None` for a text that is none.
fn key(text: &str) -> Option<NodeKey> {
    text.parse().ok()
}

/// A key for the URL; empty when there is none.
fn written(key: Option<NodeKey>) -> String {
    key.map(|key| key.to_string()).unwrap_or_default()
}

/// `KEY:START-LEN`.
fn window(text: &str) -> Option<(Option<NodeKey>, Window)> {
    let (key, window) = text.split_once(':')?;
    let (start, len) = window.split_once('-')?;
    let key = if key.is_empty() { None } else { Some(key.parse().ok()?) };
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
        let view = View {
            root: Some(key("000000000000000a")),
            span: Some(key("000000000000000b~2~peer")),
            find: "a b&c".into(),
            clocks: Clocks::Corrected,
            level: Some(2),
            open: vec![key("1"), key("2~3")],
            shut: vec![key("3")],
            windows: vec![(None, Window { start: 20, len: 200 }), (Some(key("4")), Window { start: 0, len: 5 })],
            zoom: Some((5, 900)),
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
    fn jaegers_links_open_a_span_or_find_words() {
        assert_eq!(read("uiFind=00f067aa0ba902b7").span, "00f067aa0ba902b7".parse().ok());
        assert_eq!(read("uiFind=checkout").find, "checkout");
    }

    #[test]
    fn hands_win_over_earlier_hands_and_the_url_stays_short() {
        let key: NodeKey = "5".parse().expect("key");
        let shut = View::default().toggled(key, true);
        assert_eq!((shut.shut.as_slice(), shut.open.len()), ([key].as_slice(), 0));
        let open = shut.toggled(key, false);
        assert_eq!((open.open.as_slice(), open.shut.len()), ([key].as_slice(), 0));
        let many = (1..500_u32)
            .fold(View::default(), |view, number| view.toggled(format!("{number:x}").parse().expect("key"), false));
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
