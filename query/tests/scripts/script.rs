//! Scripts: spans, and questions about them with their answers.
//!
//! ```text
//! # a comment
//! trace 1                          spans, in the notation of `notation.rs`
//!   a - shop "GET /" 0ms 1ms
//! ? { name = "GET /" }             a question
//! = a                              the ids of the spans it finds, in any order
//! ? { foo }
//! ! 2..5 unknown word              or the bytes at fault and a part of the message, one line for each error
//! ? { } | by(name) | count() > 0
//! > a | by(name)="GET /" count()=1 or its spansets in their order: spans, how many there are if not all are listed, attributes
//! @ limit=1 spss=1 fields          options of the questions that follow, until the next such line
//! ? { span.x > 1 }
//! > a [span.x=2] of 3              with `fields`, the values that an answer lists for each span
//! +                                there is a next page, which follows
//! > b [span.x=5]
//! @ steps=0s..2s/1s
//! ? { } | rate() by (name)
//! ~ name="GET /" | 1 -             or series: labels, and a number or nothing for each interval; `~` alone when there are none
//! then                             more spans, sent in another batch
//!   b - shop "GET /" 5ms 1ms
//! ```
//! Options: `limit`, `spss` (spans listed for each spanset), `range=0ms..5ms`, `fields`, `steps=from..to/step`, which makes it a metrics
//! query, and `exemplars`, which lists the spans of each series after a `*`.

use std::ops::Range;
use std::path::Path;

use hoptrail_proto::model::{TraceId, TraceSpan};
use hoptrail_query::traceql::parse_duration;
use hoptrail_query::{Steps, TimeRange};

use crate::notation::{EPOCH, read_line};

/// What a script does, batch after batch.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) batches: Vec<Batch>,
}

/// Spans that are sent together, and what is asked then.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) spans: Vec<TraceSpan>,
    pub(crate) cases: Vec<Case>,
}

/// A question with its answer.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) line: usize,
    pub(crate) query: String,
    pub(crate) options: Options,
    pub(crate) expected: Vec<String>,
}

/// How a question is asked, and what is shown of its answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) limit: Option<usize>,
    pub(crate) spans_per_set: Option<usize>,
    pub(crate) range: Option<TimeRange>,
    pub(crate) shows_fields: bool,
    pub(crate) steps: Option<Steps>,
    pub(crate) exemplars: usize,
}

pub(crate) fn read(path: &Path) -> Script {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut script = Script { batches: vec![Batch::default()] };
    let (mut trace, mut options) = (TraceId::default(), Options::default());
    for (at, line) in text.lines().map(str::trim).enumerate() {
        script
            .take(line, at + 1, &mut trace, &mut options)
            .unwrap_or_else(|reason| panic!("{}:{}: {reason}", path.display(), at + 1));
    }
    script
}

impl Script {
    fn take(&mut self, line: &str, at: usize, trace: &mut TraceId, options: &mut Options) -> Result<(), String> {
        let batch = self.batches.last_mut().ok_or("no batch")?;
        match line.split_once(' ').unwrap_or((line, "")) {
            ("" | "#", _) => {}
            ("then", _) => self.batches.push(Batch::default()),
            ("@", words) => *options = words.split_whitespace().try_fold(Options::default(), Options::with)?,
            ("?", query) => {
                let (query, options) = (query.to_owned(), options.clone());
                batch.cases.push(Case { line: at, query, options, expected: Vec::new() });
            }
            ("=" | "!" | ">" | "+" | "~", _) => {
                batch.cases.last_mut().ok_or("an answer without a query")?.expected.push(line.to_owned());
            }
            _ if batch.cases.is_empty() => read_line(line, trace, &mut batch.spans)?,
            _ => return Err("spans after a question begin with `then`".into()),
        }
        Ok(())
    }
}

impl Options {
    fn with(mut self, word: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
        match word.split_once('=').unwrap_or((word, "")) {
            ("limit", text) => self.limit = Some(number(text)?),
            ("spss", text) => self.spans_per_set = Some(number(text)?),
            ("exemplars", text) => self.exemplars = number(text)?,
            ("fields", "") => self.shows_fields = true,
            ("range", text) => self.range = Some(times(text).map(|Range { start, end }| TimeRange { start, end })?),
            ("steps", text) => {
                let (range, step) = text.split_once('/').ok_or("steps need a length: 0s..3s/1s")?;
                let (Range { start, end }, step) = (times(range)?, parse_duration(step)?.unsigned_abs());
                self.steps = Some(Steps { start, step, count: ((end - start) / step) as usize });
            }
            _ => return Err(format!("{word}: unknown option")),
        }
        Ok(self)
    }
}

fn times(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or_else(|| format!("{text}: no range"))?;
    let time = |text: &str| Ok::<_, String>(EPOCH + parse_duration(text)?.unsigned_abs());
    Ok(time(start)?..time(end)?)
}
