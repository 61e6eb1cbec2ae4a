//! The searches that a browser made last, in its own cookie: the server keeps none.

use std::fmt;

use crate::url::local_path;

/// The cookie.
pub(crate) const COOKIE: &str = "recent";
/// Most searches.
const MOST: usize = 8;
/// Longest search, and most bytes of all. Browsers keep cookies up to 4 KB.
const LONGEST: usize = 1_000;
const MOST_BYTES: usize = 3_000;
/// What stands between searches; addresses have none.
const BETWEEN: char = '|';

/// Addresses of searches, the last one first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recent(Vec<String>);

impl Recent {
    /// Reads the cookie; what is no search is left out.
    pub(crate) fn read(cookie: Option<&str>) -> Self {
        let all = cookie.unwrap_or_default().split(BETWEEN).filter(|text| is_search(text));
        Self(all.take(MOST).map(str::to_owned).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// With one search more, which comes first. `None` when that changes nothing.
    pub(crate) fn with(&self, search: &str) -> Option<Self> {
        // A cookie may have no comma.
        let search = search.replace(',', "%2C");
        if !is_search(&search) || self.0.first() == Some(&search) {
            return None;
        }
        let others = self.0.iter().filter(|known| **known != search).cloned();
        let mut all: Vec<String> = std::iter::once(search.clone()).chain(others).take(MOST).collect();
        while all.iter().map(|text| text.len() + 1).sum::<usize>() > MOST_BYTES {
            all.pop();
        }
        Some(Self(all))
    }
}

impl fmt::Display for Recent {
    /// As the cookie has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(&BETWEEN.to_string()))
    }
}

fn is_search(text: &str) -> bool {
    let unusual = |c: char| ";,\"\\|".contains(c);
    text.len() <= LONGEST && text.starts_with("/search?") && local_path(text).is_some() && !text.contains(unusual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_search_comes_first_and_once() {
        let mut recent = Recent::default();
        for number in 0..12 {
            recent = recent.with(&format!("/search?q=a,{number}")).expect("new");
        }
        assert_eq!((recent.0.len(), recent.0[0].as_str()), (MOST, "/search?q=a%2C11"));
        assert_eq!(recent.with("/search?q=a,11"), None, "it is the first already");
        let again = recent.with("/search?q=a,9").expect("moved");
        assert_eq!((again.0[0].as_str(), again.0.len()), ("/search?q=a%2C9", MOST));
        assert_eq!(Recent::read(Some(&again.to_string())), again);
    }

    #[test]
    fn nothing_else_is_kept() {
        let long = format!("/search?q={}", "x".repeat(LONGEST));
        for text in ["", "/trace/1", "//evil/search?q=x", "/search?q=a|b", "/search?q=a;b", "/search?q=a b", &long] {
            assert_eq!(Recent::default().with(text), None, "{text}");
        }
        assert_eq!(Recent::read(Some("javascript:x|/search?q=1|//x|/search?q=2")).0, ["/search?q=1", "/search?q=2"]);
        let mut full = Recent::default();
        for number in 0..8 {
            full = full.with(&format!("/search?q={number}{}", "x".repeat(900))).expect("new");
        }
        assert!(full.to_string().len() <= MOST_BYTES && full.0.len() == 3);
    }
}
