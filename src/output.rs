//! What commands print for scripts and people.

use std::io::{self, Write};

/// Prints a line that scripts may wait for: at once, also into a pipe. A reader that has gone is no failure.
pub fn print_line(line: &str) -> anyhow::Result<()> {
    print_text(&format!("{line}\n"))
}

/// Prints a whole text at once. A reader that has gone is no failure.
pub fn print_text(text: &str) -> anyhow::Result<()> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Writes to stdout at once: someone may be reading along.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
