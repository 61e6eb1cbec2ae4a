//! Settings that cannot be together, and those that do something else than they seem to.
//!
//! What is impossible is a mistake, and nothing starts. What is questionable is said in the log. Settings that contradict what is
//! stored, or the disk, are told where the store is opened.

use hoptrail_proto::model::TenantId;
use hoptrail_storage::MOST_REQUEST_BYTES;

use super::{Config, Error};

/// About 31 years: a time that can still be added to the clock's.
const MOST_SECONDS: u64 = 1_000_000_000;
/// More than any machine has, of anything.
const MOST: u64 = 1 << 40;
const MB: u64 = 1 << 20;
/// The most tenants that are named.
const NAMED: usize = 3;

/// What one key may be.
struct Bound {
    key: &'static str,
    value: u64,
    least: u64,
    most: u64,
    /// What a smaller value would do.
    below: &'static str,
}

/// Fails when the settings cannot work.
pub(super) fn contradictions(config: &Config) -> Result<(), Error> {
    let wrong = |origin: &str, message: String| Err(Error::Value { origin: origin.to_owned(), message });
    for Bound { key, value, least, most, below } in bounds(config) {
        if value < least {
            return wrong(key, format!("is {value}: {below}; set it to {least} or more"));
        }
        if value > most {
            return wrong(key, format!("is {value}: the most is {most}"));
        }
    }
    if let Some(((key, address), (other, same))) = colliding(config) {
        return wrong(
            key,
            format!("is {address}, and {other} is {same}: two cannot listen on one port; change one of them"),
        );
    }
    if config.collector.multi_tenant != config.query.multi_tenant {
        let (is, other) = (config.collector.multi_tenant, config.query.multi_tenant);
        let message = format!(
            "is {is} and differs from query.multi_tenant, which is {other}: spans would be kept for a tenant whom nobody can ask; set both"
        );
        return wrong("collector.multi_tenant", message);
    }
    Ok(())
}

fn bounds(config: &Config) -> Vec<Bound> {
    let Config { listen, collector, storage, query, .. } = config;
    let bound = |key, value: usize, least, below| Bound { key, value: value as u64, least, most: MOST, below };
    let seconds = |key, value| Bound { key, value, least: 0, most: MOST_SECONDS, below: "" };
    vec![
        seconds("shutdown_grace_seconds", config.shutdown_grace_seconds),
        bound("listen.max_connections", listen.max_connections, 1, "every connection would be closed at once"),
        seconds("listen.idle_seconds", listen.idle_seconds),
        Bound {
            most: MOST_REQUEST_BYTES as u64,
            ..bound("collector.max_request_bytes", collector.max_request_bytes, 1, "every request would be too large")
        },
        bound("collector.max_in_flight_bytes", collector.max_in_flight_bytes, 0, ""),
        bound("storage.head_spans", storage.head_spans, 1, "there would be no room for a span in memory"),
        bound("storage.head_mb", storage.head_mb, 1, "there would be no room for a span in memory"),
        bound("storage.queue_mb", storage.queue_mb, 0, ""),
        bound("storage.cache_mb", storage.cache_mb, 0, ""),
        seconds("query.timeout_seconds", query.timeout_seconds),
        bound("query.memory_mb", query.memory_mb, 1, "every query would need more"),
        bound("query.concurrency", query.concurrency, 1, "no query would ever run"),
        bound("query.max_limit", query.max_limit, 1, "every search would ask for too much"),
    ]
}

/// An address and who listens there.
type Named<'a> = (&'static str, &'a super::Address);

fn colliding(config: &Config) -> Option<(Named<'_>, Named<'_>)> {
    let listen = &config.listen;
    let all = [
        ("listen.otlp_grpc", &listen.otlp_grpc),
        ("listen.otlp_http", &listen.otlp_http),
        ("listen.tempo", &listen.tempo),
        ("listen.ui", &listen.ui),
    ];
    let mut pairs =
        all.iter().enumerate().flat_map(|(at, one)| all.iter().skip(at + 1).map(move |other| (*one, *other)));
    pairs.find(|(one, other)| one.1.collides(other.1))
}

/// What is questionable, a sentence for each that says what will happen. `memory`: the bytes that the process may take, where known.
#[must_use]
pub fn doubts(config: &Config, memory: Option<u64>) -> Vec<String> {
    [of_storage(config), of_requests(config), memory.and_then(|bytes| of_memory(config, bytes)).into_iter().collect()]
        .concat()
}

fn of_storage(config: &Config) -> Vec<String> {
    let storage = &config.storage;
    let (seal, hours) = (storage.seal_after_seconds, storage.retention_hours);
    let (keep, head) = (storage.retention_mb, storage.head_mb as u64);
    let (merge, spans) = (storage.merge_spans, storage.head_spans);
    let mut told = Vec::new();
    if keep > 0 && keep < head {
        told.push(format!(
            "storage.retention_mb is {keep}, less than storage.head_mb, which is {head}: of what does not compress only the segment \
             sealed last is kept"
        ));
    }
    if merge < spans {
        told.push(format!(
            "storage.merge_spans is {merge}, less than storage.head_spans, which is {spans}: segments stay small and many, and queries \
             take longer"
        ));
    }
    if seal == 0 {
        told.push(
            "storage.seal_after_seconds is 0: each second makes a segment of its own, and queries take longer"
                .to_owned(),
        );
    }
    if hours > 0 && seal > hours.saturating_mul(3600) {
        told.push(format!(
            "storage.seal_after_seconds is {seal}, longer than storage.retention_hours, which is {hours}: spans are kept until they are \
             sealed and dropped right then"
        ));
    }
    if storage.cache_mb == 0 {
        told.push("storage.cache_mb is 0: every query reads its pages from the disk again".to_owned());
    }
    told
}

fn of_requests(config: &Config) -> Vec<String> {
    let (largest, in_flight) = (config.collector.max_request_bytes, config.collector.max_in_flight_bytes);
    let (queue, timeout, idle) =
        (config.storage.queue_mb, config.query.timeout_seconds, config.listen.idle_seconds.max(1));
    let mut told = Vec::new();
    let granted = config.collector.least_in_flight_bytes();
    if in_flight < granted {
        told.push(format!(
            "collector.max_in_flight_bytes is {in_flight}, less than a request in JSON of collector.max_request_bytes, which is {largest}, takes: {granted} \
             bytes are granted"
        ));
    }
    if (queue as u64).saturating_mul(MB) < largest as u64 {
        told.push(format!(
            "storage.queue_mb is {queue}, less than collector.max_request_bytes, which is {largest}: a larger request is taken only while \
             no other waits, and asked to retry otherwise"
        ));
    }
    if timeout == 0 {
        told.push("query.timeout_seconds is 0: every query ends at once with an error".to_owned());
    }
    if idle < timeout {
        told.push(format!(
            "listen.idle_seconds is {idle}, less than query.timeout_seconds, which is {timeout}: the connection of a query that takes \
             longer may be closed before its answer"
        ));
    }
    told
}

/// What ingest fills and one query takes; all that adds up stands in `docs/configuration.md`.
fn of_memory(config: &Config, memory: u64) -> Option<String> {
    let Config { collector, storage, query, .. } = config;
    let in_flight = collector.max_in_flight_bytes.max(collector.least_in_flight_bytes()) as u64 / MB;
    let (head, cache, one) = (storage.head_mb as u64, storage.cache_mb as u64, query.memory_mb as u64);
    // Each is at most 2 to the 40th.
    let (all, there) = (in_flight + 4 * head + cache + cache / 4 + one, memory / MB);
    (all > there).then(|| {
        format!(
            "these settings may take {all} MB of memory and there are {there} MB, so the system may end hoptrail: \
             collector.max_in_flight_bytes is {in_flight} MB, storage.head_mb is {head} and counts four times, storage.cache_mb is \
             {cache} and a quarter more, query.memory_mb is {one} for one query; lower them as the section on 256 MB in \
             docs/configuration.md does"
        )
    })
}

/// What is stored for tenants whom no query names as the settings are now. `stored`: each tenant with its spans.
#[must_use]
pub fn out_of_reach(config: &Config, stored: &[(TenantId, u64)]) -> Option<String> {
    let single = TenantId::single();
    let (of_nobody, of_tenants): (Vec<_>, Vec<_>) = stored.iter().partition(|(tenant, _)| *tenant == single);
    let hidden = if config.query.multi_tenant { of_nobody } else { of_tenants };
    let spans: u64 = hidden.iter().map(|(_, spans)| spans).sum();
    if spans == 0 {
        return None;
    }
    if config.query.multi_tenant {
        return Some(format!(
            "{spans} spans are stored that came while collector.multi_tenant was false; now that it is true, only queries with the header \
             X-Scope-OrgID: {single} find them"
        ));
    }
    let names: Vec<_> = hidden.iter().take(NAMED).map(|(tenant, _)| tenant.as_str()).collect();
    let more = if hidden.len() > NAMED { " and others" } else { "" };
    Some(format!(
        "{spans} spans are stored for the tenants {}{more}, and no query finds them while collector.multi_tenant and query.multi_tenant \
         are false",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and values.
    type Pairs<'a> = &'a [(&'a str, &'a str)];

    /// The defaults with one key changed after the other.
    fn with(pairs: Pairs) -> Config {
        let flags =
            pairs.iter().map(|(key, value)| ("--set".to_owned(), (*key).to_owned(), (*value).to_owned())).collect();
        crate::config::load::layered(&crate::config::Sources { flags, ..Default::default() })
            .expect("values that fit")
            .0
    }

    #[test]
    fn the_defaults_are_neither_impossible_nor_questionable() {
        assert!(contradictions(&Config::default()).is_ok());
        assert_eq!(doubts(&Config::default(), Some(2 << 30)), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_work_is_an_error_that_names_keys_and_values() {
        let huge = u64::MAX.to_string();
        let cases: [(Pairs, &[&str]); 18] = [
            (&[("listen.ui", "127.0.0.1:3200")], &["listen.tempo: is 127.0.0.1:3200, and listen.ui is 127.0.0.1:3200"]),
            (&[("listen.otlp_http", ":4317")], &["listen.otlp_grpc", "listen.otlp_http is [::]:4317"]),
            (
                &[("query.multi_tenant", "true")],
                &["collector.multi_tenant: is false", "query.multi_tenant, which is true"],
            ),
            (&[("listen.max_connections", "0")], &["listen.max_connections: is 0", "1 or more"]),
            (&[("collector.max_request_bytes", "0")], &["collector.max_request_bytes: is 0"]),
            (&[("collector.max_request_bytes", "268435456")], &["the most is 268435455"]),
            (&[("collector.max_in_flight_bytes", &huge)], &["collector.max_in_flight_bytes: is 18446744073709551615"]),
            (&[("storage.head_spans", "0")], &["storage.head_spans: is 0"]),
            (&[("storage.head_mb", "0")], &["storage.head_mb: is 0"]),
            (&[("storage.queue_mb", &huge)], &["storage.queue_mb", "the most is"]),
            (&[("storage.cache_mb", &huge)], &["storage.cache_mb", "the most is"]),
            (&[("query.memory_mb", "0")], &["query.memory_mb: is 0"]),
            (&[("query.concurrency", "0")], &["query.concurrency: is 0: no query would ever run"]),
            (&[("query.concurrency", &huge)], &["query.concurrency", "the most is"]),
            (&[("query.max_limit", "0")], &["query.max_limit: is 0"]),
            (&[("query.timeout_seconds", &huge)], &["query.timeout_seconds", "the most is 1000000000"]),
            (&[("shutdown_grace_seconds", &huge)], &["shutdown_grace_seconds"]),
            (&[("listen.idle_seconds", &huge)], &["listen.idle_seconds"]),
        ];
        for (pairs, parts) in cases {
            let error = contradictions(&with(pairs)).expect_err(pairs[0].0).to_string();
            parts.iter().for_each(|part| assert!(error.contains(part), "{part:?} is not in {error:?}"));
        }
        assert!(contradictions(&with(&[("listen.tempo", ":0"), ("listen.ui", ":0")])).is_ok(), "two free ports");
    }

    #[test]
    fn what_is_questionable_is_told_with_what_will_happen() {
        let cases: [(Pairs, &[&str]); 11] = [
            (
                &[("storage.retention_mb", "127")],
                &["storage.retention_mb is 127", "storage.head_mb, which is 128", "sealed last"],
            ),
            (
                &[("storage.merge_spans", "1000")],
                &["storage.merge_spans is 1000", "which is 262144", "queries take longer"],
            ),
            (&[("storage.seal_after_seconds", "0")], &["storage.seal_after_seconds is 0"]),
            (
                &[("storage.retention_hours", "1"), ("storage.seal_after_seconds", "3601")],
                &["storage.seal_after_seconds is 3601", "storage.retention_hours, which is 1", "dropped right then"],
            ),
            (&[("storage.cache_mb", "0")], &["storage.cache_mb is 0"]),
            (&[("collector.max_in_flight_bytes", "0")], &["max_in_flight_bytes is 0", "134221824 bytes are granted"]),
            (
                &[("storage.queue_mb", "63")],
                &["storage.queue_mb is 63", "collector.max_request_bytes, which is 67108864"],
            ),
            (&[("query.timeout_seconds", "0")], &["query.timeout_seconds is 0"]),
            (&[("listen.idle_seconds", "29")], &["listen.idle_seconds is 29", "query.timeout_seconds, which is 30"]),
            (&[("query.memory_mb", "1121")], &["2049 MB of memory and there are 2048 MB", "query.memory_mb is 1121"]),
            (&[("storage.head_mb", "1024")], &["storage.head_mb is 1024 and counts four times"]),
        ];
        for (pairs, parts) in cases {
            let told = doubts(&with(pairs), Some(2 << 30));
            assert_eq!(told.len(), 1, "{told:#?}");
            parts.iter().for_each(|part| assert!(told[0].contains(part), "{part:?} is not in {told:?}"));
        }
        for fits in [("storage.queue_mb", "64"), ("storage.retention_mb", "128"), ("listen.idle_seconds", "30")] {
            assert_eq!(doubts(&with(&[fits]), None), Vec::<String>::new(), "{fits:?}");
        }
        assert_eq!(
            doubts(&with(&[("storage.retention_hours", "0"), ("storage.seal_after_seconds", "9999")]), None).len(),
            0
        );
    }

    #[test]
    fn spans_of_tenants_whom_nobody_can_ask_are_told() {
        let stored = |names: &[(&str, u64)]| -> Vec<_> {
            names.iter().map(|(name, spans)| (TenantId::new(name).expect("a tenant"), *spans)).collect()
        };
        let one = Config::default();
        let many = with(&[("query.multi_tenant", "true"), ("collector.multi_tenant", "true")]);
        let tenants = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
        assert_eq!(out_of_reach(&one, &stored(&[("single-tenant", 5)])), None);
        assert_eq!(out_of_reach(&many, &stored(&tenants)), None);
        let told = out_of_reach(&one, &stored(&tenants)).expect("hidden");
        assert!(
            told.starts_with("10 spans are stored for the tenants a, b, c and others, and no query finds them"),
            "{told}"
        );
        let told = out_of_reach(&many, &stored(&[("a", 1), ("single-tenant", 5)])).expect("hidden");
        assert!(told.starts_with("5 spans") && told.contains("X-Scope-OrgID: single-tenant"), "{told}");
    }
}
