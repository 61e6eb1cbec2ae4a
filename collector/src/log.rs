//! What the collector tells the log, and the pages, of those who send.

use std::fmt::Display;
use std::time::{Duration, Instant};

use hoptrail_proto::otlp::Signal;
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;
use crate::reports::Line;
use crate::sender::Sender;

/// How often it is looked for lines that are due.
const LOOK: Duration = Duration::from_secs(5);

/// The most senders that the pages name for a signal.
const NAMED: usize = 3;

impl Collector {
    /// Writes what is counted for the log when it is due, until `stop` is cancelled.
    pub async fn keep_reporting(self: std::sync::Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let now = Instant::now();
            self.refusals.due(now).iter().for_each(tell_refused);
            self.other_signals.due(now).iter().for_each(tell_dropped);
        }
        self.report_rest();
    }

    /// Writes what is counted and not yet written.
    pub fn report_rest(&self) {
        self.refusals.rest().iter().for_each(tell_refused);
        self.other_signals.rest().iter().for_each(tell_dropped);
    }

    /// Counts what is refused, and tells the log of a new sender or reason.
    pub(crate) fn report_refused(&self, sender: &Sender, reason: &'static str, spans: u32, said: &dyn Display) {
        let line = self.refusals.count(Instant::now(), sender, reason, spans, || said.to_string());
        line.iter().for_each(tell_refused);
    }

    /// Counts a request that is dropped, and tells the log of a new sender.
    pub(crate) fn report_dropped(&self, sender: &Sender, signal: Signal) {
        self.metrics.dropped(signal);
        let line = self.other_signals.count(Instant::now(), sender, signal.name(), 0, String::new);
        line.iter().for_each(tell_dropped);
    }

    /// What the pages say of signals that arrive and are dropped, a sentence for each. Nobody is named where there are tenants, who
    /// shall not hear of each other.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let lately = self.other_signals.lately();
        let sentence = |signal: Signal| {
            let mut senders: Vec<String> = Vec::new();
            let mut many = false;
            for (_, sender) in lately.iter().filter(|(reason, _)| *reason == signal.name()) {
                match sender {
                    Some(sender) if senders.len() < NAMED => senders.push(name(sender)),
                    _ => many = true,
                }
            }
            let from = match (self.config.multi_tenant, senders.join(", "), many) {
                (_, senders, _) if senders.is_empty() => return None,
                (true, ..) => String::new(),
                (false, senders, true) => format!(" from {senders} and others"),
                (false, senders, false) => format!(" from {senders}"),
            };
            let variable = match signal {
                Signal::Metrics => "; OTEL_METRICS_EXPORTER=none at the sender stops them",
                Signal::Logs => "; OTEL_LOGS_EXPORTER=none at the sender stops them",
                Signal::Profiles => "",
            };
            Some(format!(
                "Within the last hour {} arrived{from}. They are dropped: only traces are kept{variable}.",
                signal.name()
            ))
        };
        Signal::ALL.into_iter().filter_map(sentence).collect()
    }
}

fn name(sender: &Sender) -> String {
    let known = [sender.service.clone(), sender.address(), sender.user_agent.clone()];
    known.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "an unknown sender".to_owned())
}

// Values are given as text, which the log quotes: clients choose them.

fn tell_refused(line: &Line) {
    let Line { reason, requests, spans, example, .. } = line;
    let (service, address, user_agent) = (line.service(), line.address(), line.user_agent());
    let (address, example) = (address.as_str(), example.as_str());
    tracing::warn!(service, address, user_agent, reason, requests, spans, example, "refused what a client sent");
}

fn tell_dropped(line: &Line) {
    let Line { reason: signal, requests, .. } = line;
    let (service, address, user_agent) = (line.service(), line.address(), line.user_agent());
    let address = address.as_str();
    tracing::info!(
        signal,
        service,
        address,
        user_agent,
        requests,
        "dropped what is no trace, and answered success (collector.other_signals)"
    );
}
