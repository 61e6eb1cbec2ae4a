//! The command line of hoptrail.

fn main() {}
