//! The rules a well-formed query must also keep: types inside braces, and which stage may follow which.

mod field;
mod pipeline;

use super::QueryError;
use super::ast::{FieldExpr, Query, TextRange};

/// Every breach of the rules, in the order of the text.
pub(super) fn check(query: &Query) -> Vec<QueryError> {
    let mut checker = Checker::default();
    checker.query(query);
    checker.into_errors()
}

/// Every breach of the rules by the condition of a filter.
pub(super) fn check_condition(condition: &FieldExpr) -> Vec<QueryError> {
    let mut checker = Checker::default();
    checker.condition(condition);
    checker.into_errors()
}

#[derive(Debug, Default)]
struct Checker {
    errors: Vec<QueryError>,
    metrics_calls: usize,
    /// How many pipelines are around the one here.
    depth: usize,
}

impl Checker {
    fn error(&mut self, range: TextRange, message: impl Into<String>) {
        self.errors.push(QueryError::new(range.bytes(), message));
    }

    fn into_errors(mut self) -> Vec<QueryError> {
        self.errors.sort_by_key(|error| error.range.start);
        self.errors
    }
}

#[cfg(test)]
mod tests;
