//! What was repaired in a message.

use std::collections::HashMap;

/// How many repairs are named; the others are counted.
const NAMED: usize = 4;

/// The repairs of one span, resource or scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    named: Vec<String>,
    more: usize,
}

impl Notes {
    /// Notes a repair.
    pub(crate) fn add(&mut self, text: impl FnOnce() -> String) {
        if self.named.len() < NAMED {
            self.named.push(text());
        } else {
            self.more += 1;
        }
    }

    /// Notes those of others after its own.
    pub(crate) fn extend(&mut self, other: Self) {
        let Self { named, more } = other;
        self.more += more;
        named.into_iter().for_each(|text| self.add(|| text));
    }

    /// Whether nothing was repaired.
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// All of them as one text, when there are any.
    pub(crate) fn text(&self) -> Option<String> {
        let more = if self.more > 0 { format!("; and {} more", self.more) } else { String::new() };
        (!self.is_empty()).then(|| self.named.join("; ") + &more)
    }
}

/// Repairs made by whoever wrote the request, by the index of each message in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repairs {
    /// Of resources: by the `ResourceSpans`.
    pub(crate) resources: HashMap<usize, Notes>,
    /// Of scopes: by the `ScopeSpans`.
    pub(crate) scopes: HashMap<usize, Notes>,
    /// Of spans.
    pub(crate) spans: HashMap<usize, Notes>,
}

impl Repairs {
    /// Whether nothing was repaired.
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.scopes.is_empty() && self.spans.is_empty()
    }
}
