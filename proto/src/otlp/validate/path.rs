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

    /// For example `events[2].attributes[0].value`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (field, index) in self.0.iter().take(SHOWN) {
            if !text.is_empty() {
                text.push('.');
            }
            text += field.name;
            if field.repeated {
                text += &format!("[{index}]");
            }
        }
        if self.0.len() > SHOWN { text + "..." } else { text }
    }
}
