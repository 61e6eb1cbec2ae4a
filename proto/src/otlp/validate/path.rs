//! Where a walk is inside a message, for people.

use crate::otlp::schema::Field;

/// How many parts of a path are shown; the path of a deeply nested value would be as long as it is deep.
const SHOWN: usize = 10;

/// The fields from the outermost message to here, each with its index in a repeated one.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<(&'static Field, usize)>);

impl Path {
    /// Goes into a field.
    pub(crate) fn push(&mut self, field: &'static Field, index: usize) {
        self.0.push((field, index));
    }

    /// Leaves it.
    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// The names of the first fields, outermost first.
    pub(crate) fn first<const N: usize>(&self) -> [&'static str; N] {
        std::array::from_fn(|at| self.0.get(at).map_or("", |(field, _)| field.name))
    }

    /// How many fields there are from the outermost message to here.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// For example `events[2].attributes[0].value`.
    pub(crate) fn text(&self) -> String {
        self.text_from(0)
    }

    /// The same without so many outer fields.
    pub(crate) fn text_from(&self, outer: usize) -> String {
        let mut text = String::new();
        let shown = self.0.get(outer..).unwrap_or_default();
        for (field, index) in shown.iter().take(SHOWN) {
            if !text.is_empty() {
                text.push('.');
            }
            text += field.name;
            if field.repeated {
                text += &format!("[{index}]");
            }
        }
        if shown.len() > SHOWN { text + "..." } else { text }
    }
}
