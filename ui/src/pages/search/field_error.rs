//! What is wrong with a field of the search form.

use hoptrail_query::traceql::{QueryError, render_errors};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The field's name in the URL.
    pub(crate) field: &'static str,
    pub(crate) message: String,
    /// The query, with carets under what is wrong in it.
    pub(crate) caret: Option<String>,
}

impl FieldError {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), caret: None }
    }

    /// The errors of the query box, which holds `text`.
    pub(super) fn of_query(text: &str, errors: &[QueryError]) -> Self {
        let message = errors.first().map_or("The query is not valid.".to_owned(), |error| error.message.clone());
        Self { field: "q", message, caret: Some(render_errors(text, errors)) }
    }
}
