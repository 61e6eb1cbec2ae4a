//! How far a stage is: a bar with rate and time left on a terminal, a plain line every ten seconds in a pipe.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines in a pipe.
const PAUSE: Duration = Duration::from_secs(10);

/// A stage of the bench.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    bar: ProgressBar,
    label: String,
    started: Instant,
    /// Lines written, when this is not a terminal.
    lines: Option<Arc<AtomicU64>>,
}

impl Stage {
    /// Begins; `length` in what `label` counts, 0 when nobody knows.
    #[must_use]
    pub(crate) fn begin(label: &str, length: u64) -> Self {
        let bar = if length == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(length) };
        let template = "{msg:32} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";
        if let Some(style) = (length > 0).then(|| ProgressStyle::with_template(template).ok()).flatten() {
            bar.set_style(style);
        }
        bar.set_message(label.to_owned());
        let lines = (!std::io::stderr().is_terminal()).then(Arc::default);
        if lines.is_some() {
            eprintln!("bench: {label}");
        }
        Self { bar, label: label.to_owned(), started: Instant::now(), lines }
    }

    /// So many more are done.
    pub(crate) fn add(&self, done: u64) {
        self.bar.inc(done);
        let Some(lines) = &self.lines else { return };
        let elapsed = self.started.elapsed();
        let due = elapsed.as_secs() / PAUSE.as_secs();
        if lines.fetch_max(due, Ordering::Relaxed) < due {
            let (position, length) = (self.bar.position(), self.bar.length().unwrap_or(0));
            eprintln!("bench: {}: {}", self.label, so_far(position, length, elapsed));
        }
    }

    /// The end of the stage.
    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
        eprintln!("bench: {}: {:.1} s", self.label, self.started.elapsed().as_secs_f64());
    }
}

fn so_far(position: u64, length: u64, elapsed: Duration) -> String {
    let rate = position as f64 / elapsed.as_secs_f64().max(1e-3);
    let left = length.saturating_sub(position) as f64 / rate.max(1e-3);
    format!("{position} of {length}, {rate:.0} a second, {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_the_rate_and_the_time_left() {
        assert_eq!(so_far(200, 1_000, Duration::from_secs(10)), "200 of 1000, 20 a second, 40 s left");
        assert!(so_far(0, 10, Duration::ZERO).starts_with("0 of 10"));
    }
}
