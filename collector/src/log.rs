//! What the log and the web UI say of those who send.

use std::fmt::Display;
use std::time::Duration;

use hoptrail_proto::model::Tenancy;
use hoptrail_proto::otlp::Signal;
use hoptrail_storage::clock;
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;
use crate::reports::Line;
use crate::sender::Sender;

/// How often lines that are due are written.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// The most senders that the web UI names for a signal.
const NAMED: usize = 3;

impl Collector {
    /// Writes what is counted for the log when it is due, until `stop` is cancelled.
    pub async fn keep_reporting(self: std::sync::Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(WRITE_EVERY)).await.is_some() {
            let now = clock::instant();
            self.refusals.due(now).iter().for_each(log_refused);
            self.other_signals.due(now).iter().for_each(log_dropped);
        }
    }

    /// Writes what is counted and not yet written, before the end.
    pub fn report_rest(&self) {
        self.refusals.rest().iter().for_each(log_refused);
        self.other_signals.rest().iter().for_each(log_dropped);
    }

    /// Counts what is refused. A new sender or reason is logged at once.
    pub(crate) fn report_refused(&self, sender: &Sender, reason: &'static str, spans: u32, said: &dyn Display) {
        let line = self.refusals.count(clock::instant(), sender, reason, spans, || said.to_string());
        line.iter().for_each(log_refused);
    }

    /// Counts a request that is dropped. A new sender is logged at once.
    pub(crate) fn report_dropped(&self, sender: &Sender, signal: Signal) {
        self.metrics.dropped(signal);
        let line = self.other_signals.count(clock::instant(), sender, signal.name(), 0, String::new);
        line.iter().for_each(log_dropped);
    }

    /// What the web UI says of signals that arrive and are dropped, a sentence for each. Where there are tenants nobody is named: a
    /// tenant must not hear of another one.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let lately = self.other_signals.lately();
        let names_senders = self.config.tenancy == Tenancy::Single;
        Signal::ALL.into_iter().filter_map(|signal| notice(signal, &lately, names_senders)).collect()
    }
}

/// What the web UI says of one signal, if it has arrived lately.
fn notice(signal: Signal, lately: &[(&'static str, Option<Sender>)], names_senders: bool) -> Option<String> {
    let senders: Vec<_> = lately.iter().filter(|(name, _)| *name == signal.name()).collect();
    if senders.is_empty() {
        return None;
    }
    let mut names: Vec<String> = senders.iter().filter_map(|(_, sender)| Some(name(sender.as_ref()?))).collect();
    names.dedup();
    let from = match names.get(..NAMED) {
        _ if !names_senders || names.is_empty() => String::new(),
        Some(first) if names.len() > NAMED => format!(" from {} and others", first.join(", ")),
        _ => format!(" from {}", names.join(", ")),
    };
    let advice = match signal {
        Signal::Metrics => "; OTEL_METRICS_EXPORTER=none at the sender stops them",
        Signal::Logs => "; OTEL_LOGS_EXPORTER=none at the sender stops them",
        Signal::Profiles => "",
    };
    let signal = signal.name();
    Some(format!("Within the last hour {signal} arrived{from}. They are dropped: only traces are kept{advice}."))
}

fn name(sender: &Sender) -> String {
    let known = [sender.service.clone(), sender.address(), sender.user_agent.clone()];
    known.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "an unknown sender".to_owned())
}

// Values are given as text, which the log quotes, because clients choose them.

fn log_refused(line: &Line) {
    let Line { reason, requests, spans, example, .. } = line;
    let (service, address, user_agent) = (line.service(), line.address(), line.user_agent());
    let (address, example) = (address.as_str(), example.as_str());
    tracing::warn!(service, address, user_agent, reason, requests, spans, example, "refused what a client sent");
}

fn log_dropped(line: &Line) {
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

    fn collector(tenancy: Tenancy) -> Arc<Collector> {
        let config = Config { tenancy, ..Config::default() };
        Collector::new(&config, Arc::new(MemoryStore::default()), &mut Registry::default())
    }

    fn from(collector: &Collector, signal: Signal, service: &str, agent: &str) {
        let sender = Sender { service: service.to_owned(), user_agent: agent.to_owned(), ..Sender::default() };
        collector.report_dropped(&sender, signal);
    }

    #[test]
    fn the_web_ui_names_a_few_senders_once() {
        let collector = collector(Tenancy::Single);
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
    fn senders_that_are_counted_together_still_count() {
        let collector = collector(Tenancy::Single);
        (0..1000).for_each(|service| from(&collector, Signal::Metrics, &service.to_string(), ""));
        from(&collector, Signal::Logs, "cart", "");
        assert!(collector.notices()[1].contains("hour logs arrived. They"), "{:?}", collector.notices());
    }

    #[test]
    fn tenants_do_not_hear_of_each_other() {
        let collector = collector(Tenancy::Multi);
        from(&collector, Signal::Metrics, "secret", "secret");
        let [notice] = collector.notices().try_into().expect("one signal");
        assert!(notice.contains("hour metrics arrived. They") && !notice.contains("secret"), "{notice}");
    }
}
