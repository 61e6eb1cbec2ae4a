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
    }

    /// Writes what is counted and not yet written, before the end.
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
            let senders: Vec<_> = lately.iter().filter(|(reason, _)| *reason == signal.name()).collect();
            let mut names: Vec<String> =
                senders.iter().filter_map(|(_, sender)| Some(name(sender.as_ref()?))).collect();
            names.dedup();
            let from = match names.get(..NAMED) {
                _ if senders.is_empty() => return None,
                _ if self.config.multi_tenant || names.is_empty() => String::new(),
                Some(first) if names.len() > NAMED => format!(" from {} and others", first.join(", ")),
                _ => format!(" from {}", names.join(", ")),
            };
            let advice = match signal {
                Signal::Metrics => "; OTEL_METRICS_EXPORTER=none at the sender stops them",
                Signal::Logs => "; OTEL_LOGS_EXPORTER=none at the sender stops them",
                Signal::Profiles => "",
            };
            let signal = signal.name();
            Some(format!(
                "Within the last hour {signal} arrived{from}. They are dropped: only traces are kept{advice}."
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_storage::MemoryStore;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::Config;

    fn collector(multi_tenant: bool) -> Arc<Collector> {
        let config = Config { multi_tenant, ..Config::default() };
        Collector::new(&config, Arc::new(MemoryStore::default()), &mut Registry::default())
    }

    fn from(collector: &Collector, signal: Signal, service: &str, agent: &str) {
        let sender = Sender { service: service.to_owned(), user_agent: agent.to_owned(), ..Sender::default() };
        collector.report_dropped(&sender, signal);
    }

    #[test]
    fn the_pages_name_a_few_senders_once() {
        let collector = collector(false);
        assert_eq!(collector.notices(), Vec::<String>::new());
        for agent in ["", "a", "b"] {
            from(&collector, Signal::Logs, "cart", agent);
        }
        from(&collector, Signal::Logs, "", "agent/1");
        for service in ["a", "b", "c", "d"] {
            from(&collector, Signal::Metrics, service, "");
        }
        let [metrics, logs] = collector.notices().try_into().expect("two signals");
        assert!(metrics.contains(" metrics arrived from a, b, c and others."), "{metrics}");
        assert!(
            logs.contains(" logs arrived from agent/1, cart.") && logs.contains("OTEL_LOGS_EXPORTER=none"),
            "{logs}"
        );
    }

    #[test]
    fn who_is_not_told_apart_is_not_forgotten() {
        let collector = collector(false);
        (0..1000).for_each(|number| from(&collector, Signal::Metrics, &number.to_string(), ""));
        from(&collector, Signal::Logs, "cart", "");
        assert!(collector.notices()[1].contains("hour logs arrived. They"), "{:?}", collector.notices());
    }

    #[test]
    fn tenants_do_not_hear_of_each_other() {
        let collector = collector(true);
        from(&collector, Signal::Metrics, "secret", "secret");
        let [told] = collector.notices().try_into().expect("one signal");
        assert!(told.contains("hour metrics arrived. They") && !told.contains("secret"), "{told}");
    }
}
