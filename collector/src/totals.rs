//! What came in since the start, for people who look after the server.

use crate::collector::Collector;
use crate::reports::Line;

/// What came in since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Spans that are durable.
    pub spans: u64,
    /// Of these, how many were repaired.
    pub repaired: u64,
    /// Bytes of requests that are being received, checked or written.
    pub in_flight: u64,
    /// What was refused, by reason and sender.
    pub refused: Vec<Tallied>,
    /// Requests with other signals that were dropped, by signal and sender.
    pub dropped: Vec<Tallied>,
}

/// What one sender met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tallied {
    /// The reason, or the signal.
    pub reason: &'static str,
    /// `service.name`; empty when it is not known, and for all senders without a count of their own.
    pub service: String,
    /// Where the connection comes from.
    pub address: String,
    /// The program, as it names itself.
    pub user_agent: String,
    /// Requests.
    pub requests: u64,
    /// Spans of these.
    pub spans: u64,
    /// What was wrong with one of them.
    pub example: String,
}

impl Collector {
    /// What came in since the start. It names senders: who shows it must know that there is only one tenant.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            spans: self.metrics.stored(),
            repaired: self.metrics.repaired(),
            in_flight: u64::try_from(self.metrics.in_flight.get()).unwrap_or_default(),
            refused: self.refusals.totals().into_iter().map(tallied).collect(),
            dropped: self.other_signals.totals().into_iter().map(tallied).collect(),
        }
    }
}

fn tallied(line: Line) -> Tallied {
    let service = line.sender.as_ref().map(|sender| sender.service.clone()).unwrap_or_default();
    Tallied {
        reason: line.reason,
        service,
        address: line.address(),
        user_agent: line.user_agent().to_owned(),
        requests: line.requests,
        spans: line.spans,
        example: line.example,
    }
}
