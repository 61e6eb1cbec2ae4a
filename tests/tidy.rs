//! Rules of the house, held by tests: which crate may name what, file lengths, documents that follow the code.
