//! How far a stage is: a bar with rate and time left on a terminal, one line before and after in a pipe.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

/// A stage of the bench.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    bar: ProgressBar,
    label: String,
    started: Instant,
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
        if !std::io::stderr().is_terminal() {
            eprintln!("bench: {label}");
        }
        Self { bar, label: label.to_owned(), started: Instant::now() }
    }

    /// So many more are done.
    pub(crate) fn add(&self, done: u64) {
        self.bar.inc(done);
    }

    /// The end of the stage.
    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
        eprintln!("bench: {}: {:.1} s", self.label, self.started.elapsed().as_secs_f64());
    }
}
