//! The shop as an endless source of traces: it has a seed, and neither a clock nor a network.

mod backends;
mod cluster;
mod dice;
mod flows;
mod http;
mod incidents;
mod people;
mod story;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use hoptrail_proto::model::TraceSpan;

use self::backends::Message;
use self::cluster::Cluster;
use self::dice::{Dice, SECOND};
use self::flows::FLOWS;
pub use self::incidents::{Incident, incidents};
use self::incidents::{incident, traffic};
use self::people::Person;
use self::story::{LOST, Story};

/// Messages that one batch of the analytics takes.
const BATCH: usize = 40;

/// Makes one trace after the other, each a little later than the one before.
#[derive(Debug)]
pub struct Shop {
    cluster: Cluster,
    dice: Dice,
    /// When the next trace begins, in nanoseconds since 1970.
    next: u64,
    spans_per_second: f64,
    /// What the analytics have not counted yet.
    uncounted: VecDeque<Message>,
}

impl Shop {
    /// A shop that opens at `start_unix_nano` and makes about `spans_per_second` (at least one in a hundred seconds). The same
    /// arguments make the same traces.
    #[must_use]
    pub fn new(seed: u64, start_unix_nano: u64, spans_per_second: f64) -> Self {
        let mut dice = Dice::new(seed);
        let cluster = Cluster::new(&mut dice);
        let spans_per_second = spans_per_second.max(0.01);
        Self { cluster, dice, next: start_unix_nano, spans_per_second, uncounted: VecDeque::new() }
    }

    /// When the next trace begins, in nanoseconds since 1970.
    #[must_use]
    pub fn next_start(&self) -> u64 {
        self.next
    }

    /// The next trace's spans, as those who took part report them: never empty, from 1 to a few hundred.
    pub fn next_trace(&mut self) -> Vec<TraceSpan> {
        let now = self.next;
        let person = Person::random(&mut self.dice);
        let flow = FLOWS[self.dice.weighted(&FLOWS.map(|(_, weight)| weight))].0;
        let mut story = Story::new(&self.cluster, &mut self.dice, incident(now), person, now);
        if self.uncounted.len() >= BATCH {
            let batch: Vec<Message> = self.uncounted.drain(..BATCH).collect();
            let sent = batch.iter().map(|message| message.sent).max().unwrap_or_default();
            story.now = now.max(sent);
            flows::analytics_batch(&mut story, &batch);
        } else {
            self.uncounted.extend(flows::play(flow, &mut story));
        }
        let mut spans = story.into_spans();
        spans.retain(|span| span.span.end_unix_nano != LOST);
        self.advance(spans.len());
        spans
    }

    /// Moves on so that the rate comes out right on average.
    fn advance(&mut self, spans: usize) {
        let rate = self.spans_per_second * traffic(self.next);
        let mean = spans as f64 / rate * SECOND as f64;
        self.next += self.dice.waiting_time(mean as u64).max(1);
    }
}
