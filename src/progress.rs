//! The progress of a long command, on stderr: a bar with rate and time left on a terminal, a line now and then in a pipe.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use hoptrail_storage::clock;
use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressStyle};

use crate::output::print_line;

/// How often a line is printed where no terminal is.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress over bytes.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    label: String,
    total: u64,
    done: u64,
    started: Instant,
    last: Instant,
}

impl Progress {
    /// Begins; `label` is what the command does, for example `copying`.
    #[must_use]
    pub fn begin(label: &str, total: u64) -> Self {
        let template = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(total).with_style(style));
        if let Some(bar) = &bar {
            bar.set_message(label.to_owned());
        } else {
            eprintln!("{label}: {}", BinaryBytes(total));
        }
        let now = clock::instant();
        Self { bar, label: label.to_owned(), total, done: 0, started: now, last: now }
    }

    /// Adds bytes that are done.
    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        } else if self.last.elapsed() >= LINE_EVERY {
            self.last = clock::instant();
            eprintln!("{}", self.line());
        }
    }

    /// Prints a line to stdout, for scripts, without disturbing the bar.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print(line)),
            None => print(line),
        }
    }

    /// Ends it and says how long it took.
    pub fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {} in {:.1} s", self.label, BinaryBytes(self.done), self.started.elapsed().as_secs_f64());
    }

    fn line(&self) -> String {
        let rate = self.done as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let left = Duration::from_secs_f64(self.total.saturating_sub(self.done) as f64 / rate.max(1.0));
        let (done, total, rate) = (BinaryBytes(self.done), BinaryBytes(self.total), BinaryBytes(rate as u64));
        format!("{}: {done} of {total}, {rate}/s, {} left", self.label, HumanDuration(left))
    }
}

/// A reader that has gone is no failure.
fn print(line: &str) {
    _ = print_line(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_how_long() {
        let mut progress = Progress::begin("copying", 3 << 20);
        progress.add(1 << 20);
        progress.started -= Duration::from_secs(1);
        let line = progress.line();
        assert!(line.starts_with("copying: 1.00 MiB of 3.00 MiB, ") && line.ends_with(" seconds left"), "{line}");
    }
}
