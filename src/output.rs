//! What commands print for scripts.

use std::io::{self, Write};

/// Prints a line that scripts may wait for: at once, also into a pipe. A reader that has gone is no failure.
pub fn print_line(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}
