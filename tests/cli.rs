//! The command line: what it prints, what it refuses, how it ends.
