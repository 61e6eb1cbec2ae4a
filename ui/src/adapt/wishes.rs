//! What one request wishes of its page.

use axum::http::{HeaderMap, Uri};

use crate::context::cookie;
use crate::url::Params;

/// The cookie with the theme that the reader chose.
pub(crate) const THEME: &str = "theme";

/// Parameters of Jaeger's embedded pages that leave something out, and the class of a page without it.
const LEFT_OUT: [(&str, &str); 4] = [
    ("uiSearchHideGraph", "without-plot"),
    ("uiTimelineHideMinimap", "without-minimap"),
    ("uiTimelineHideSummary", "without-facts"),
    ("uiTimelineCollapseTitle", "without-facts"),
];

/// What a page shall be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    /// The path below which pages stand; empty for the root.
    pub(super) base: String,
    /// Classes of the body.
    pub(super) classes: Vec<&'static str>,
    /// Parameters that links pass on.
    pub(super) kept: Vec<(&'static str, &'static str)>,
    /// `light` or `dark`; empty for that of the system.
    pub(super) theme: &'static str,
    /// For a page in a frame: the address of the same page in a window of its own.
    pub(super) window: Option<String>,
}

impl Wishes {
    /// None when the page is right as it is.
    pub(super) fn of(base: &str, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let params = Params::of(uri);
        let mut wishes = Self { base: base.to_owned(), ..Self::default() };
        wishes.theme = theme(cookie(headers, THEME).unwrap_or_default());
        if let named @ ("light" | "dark") = theme(params.text("uiTheme")) {
            wishes.theme = named;
            wishes.kept.push(("uiTheme", named));
        }
        if params.text("uiEmbed") == "v0" {
            wishes.classes.push("embed");
            wishes.kept.push(("uiEmbed", "v0"));
            for (name, class) in LEFT_OUT.into_iter().filter(|(name, _)| params.text(name) == "1") {
                wishes.classes.push(class);
                wishes.kept.push((name, "1"));
            }
            wishes.window = Some(window(uri));
        }
        let changes = !wishes.base.is_empty() || !wishes.theme.is_empty() || wishes.window.is_some();
        changes.then_some(wishes)
    }

    /// A local address as a browser has to ask for it; `and` stands between its parameters.
    pub(super) fn address(&self, local: &str, and: &str) -> String {
        let (address, mark) = local.split_at(mark_at(local));
        let mut address = format!("{}{address}", self.base);
        for (name, value) in self.kept.iter().filter(|_| !local.starts_with("/assets/")) {
            let separator = if address.contains('?') { and } else { "?" };
            address.extend([separator, name, "=", value]);
        }
        address + mark
    }
}

/// Where the `#` of an address stands. One after `&` is part of an escaped character.
fn mark_at(address: &str) -> usize {
    let is_mark = |at: &usize| !address.get(..*at).is_some_and(|before| before.ends_with('&'));
    address.match_indices('#').map(|(at, _)| at).find(is_mark).unwrap_or(address.len())
}

fn theme(text: &str) -> &'static str {
    match text {
        "light" => "light",
        "dark" => "dark",
        _ => "",
    }
}

/// The address without what makes it embedded.
fn window(uri: &Uri) -> String {
    let ours = |pair: &&str| !pair.starts_with("uiEmbed=") && !LEFT_OUT.iter().any(|(name, _)| pair.starts_with(name));
    let pairs: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(ours).collect();
    let query = pairs.join("&");
    if query.is_empty() { uri.path().to_owned() } else { format!("{}?{query}", uri.path()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base: &str, uri: &str, cookie: &str) -> Option<Wishes> {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", cookie.parse().expect("a header"));
        Wishes::of(base, &uri.parse().expect("a URI"), &headers)
    }

    #[test]
    fn most_pages_are_right_as_they_are() {
        for uri in ["/search?q=x", "/search?uiEmbed=v1", "/search?uiTheme=pink&uiTimelineHideMinimap=1"] {
            assert_eq!(of("", uri, "theme=pink"), None, "{uri}");
        }
    }

    #[test]
    fn links_stay_below_the_base_and_in_the_frame() {
        let base = of("/hop", "/search", "").expect("wishes");
        assert_eq!(
            (base.address("/trace/1#x", "&").as_str(), base.address("/", "&").as_str()),
            ("/hop/trace/1#x", "/hop/")
        );
        let embedded = of("", "/trace/1?find=a&uiEmbed=v0&uiTimelineHideMinimap=1&uiTheme=dark", "").expect("wishes");
        let kept = "uiTheme=dark&uiEmbed=v0&uiTimelineHideMinimap=1";
        assert_eq!(embedded.address("/trace/1?span=2&#38;a=b#s2", "&"), format!("/trace/1?span=2&#38;a=b&{kept}#s2"));
        assert_eq!(embedded.address("/search", "&"), format!("/search?{kept}"));
        assert_eq!(embedded.address("/assets/1/x.css", "&"), "/assets/1/x.css");
        assert_eq!(embedded.window.as_deref(), Some("/trace/1?find=a&uiTheme=dark"));
        assert_eq!((embedded.theme, embedded.classes), ("dark", vec!["embed", "without-minimap"]));
    }

    #[test]
    fn a_theme_is_chosen_once_or_for_one_link() {
        let themes = |uri: &str, cookie: &str| of("", uri, cookie).map(|wishes| (wishes.theme, wishes.kept.len()));
        assert_eq!(themes("/search", "theme=dark"), Some(("dark", 0)));
        assert_eq!(themes("/search?uiTheme=light", "theme=dark"), Some(("light", 1)));
        assert_eq!(themes("/search", "theme=\"><script>"), None);
    }
}
