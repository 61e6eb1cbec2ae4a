//! Settings that cannot be together, and those that do something else than they seem to.
//!
//! What is impossible is an error, and nothing starts. What is questionable is a warning in the log. Settings that contradict what is
//! stored, or the disk, are found where the store is opened.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use hoptrail_proto::model::{Tenancy, TenantId};
use hoptrail_proto::units::{Size, Time};
use hoptrail_storage::MOST_REQUEST_BYTES;

use super::{Config, Error};

/// About 31 years: a time that can still be added to the clock's.
const MOST_TIME: Duration = Duration::from_secs(1_000_000_000);
/// More than any machine has, of anything.
const MOST: u64 = 1 << 40;
const MIB: u64 = 1 << 20;
/// Less would lose series between two scrapes.
const LEAST_ACTIVE: Duration = Duration::from_secs(300);
/// The most tenants that are named.
const NAMED: usize = 3;

/// A value that has a least and a most.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Value {
    Count(u64),
    Size(Size),
    Time(Time),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// What one key may be.
struct Bound {
    key: &'static str,
    value: Value,
    least: Value,
    most: Value,
    /// What a smaller value would do.
    below: &'static str,
}

impl Bound {
    fn count(key: &'static str, value: usize, least: u64, below: &'static str) -> Self {
        let [value, least, most] = [value as u64, least, MOST].map(Value::Count);
        Self { key, value, least, most, below }
    }

    fn size(key: &'static str, value: usize, least: u64, below: &'static str) -> Self {
        let [value, least, most] = [value as u64, least, MOST].map(|bytes| Value::Size(Size(bytes)));
        Self { key, value, least, most, below }
    }

    fn time(key: &'static str, value: Duration) -> Self {
        let [value, least, most] = [value, Duration::ZERO, MOST_TIME].map(|time| Value::Time(Time(time)));
        Self { key, value, least, most, below: "" }
    }

    fn check(&self) -> Result<(), Error> {
        let Self { key, value, least, most, below } = self;
        if value < least {
            return Err(impossible(key, format!("is {value}: {below}; set it to {least} or more")));
        }
        if value > most {
            return Err(impossible(key, format!("is {value}: the most is {most}")));
        }
        Ok(())
    }
}

fn impossible(key: &str, message: String) -> Error {
    Error::Value { origin: key.to_owned(), message }
}

/// Fails when the settings cannot work.
pub(super) fn contradictions(config: &Config) -> Result<(), Error> {
    bounds(config).iter().try_for_each(Bound::check)?;
    if let Some([(one, address), (two, same)]) = config.listen.collision() {
        let message = format!(
            "is {address}, and listen.{} is {same}: two cannot listen on one port; change one of them",
            two.key
        );
        return Err(impossible(&format!("listen.{}", one.key), message));
    }
    let ui = &config.ui;
    hoptrail_ui::check_base_path(&ui.base_path).map_err(|reason| impossible("ui.base_path", reason))?;
    hoptrail_ui::check_frame_ancestors(&ui.frame_ancestors)
        .map_err(|reason| impossible("ui.frame_ancestors", reason))?;
    hoptrail_ui::check_links(&ui.links).map_err(|reason| impossible("ui.links", reason))?;
    hoptrail_ui::check_prices(&ui.ai_prices).map_err(|reason| impossible("ui.ai_prices", reason))?;
    let mut folders = BTreeSet::new();
    for target in &config.remote_write {
        target.check().map_err(|reason| impossible("remote_write", reason))?;
        if !folders.insert(target.folder()) {
            let twice = format!("{} is there twice for tenant {} and one version", target.url, target.tenant);
            return Err(impossible("remote_write", twice));
        }
    }
    Ok(())
}

fn bounds(config: &Config) -> Vec<Bound> {
    let Config { listen, collector, storage, query, metrics, .. } = config;
    vec![
        Bound::time("shutdown_grace", config.shutdown_grace),
        Bound::count("listen.max_connections", listen.max_connections, 1, "every connection would be closed at once"),
        Bound::time("listen.idle_timeout", listen.idle_timeout),
        Bound {
            most: Value::Size(Size(MOST_REQUEST_BYTES as u64)),
            ..Bound::size(
                "collector.max_request_size",
                collector.max_request_size,
                1,
                "every request would be too large",
            )
        },
        Bound::size("collector.max_in_flight", collector.max_in_flight, 0, ""),
        Bound::count("storage.head_spans", storage.head_spans, 1, "there would be no room for a span in memory"),
        Bound::size("storage.head_size", storage.head_size, MIB, "there would be no room for spans in memory"),
        Bound::size("storage.queue_size", storage.queue_size, 0, ""),
        Bound::size("storage.cache_size", storage.cache_size, 0, ""),
        Bound::time("query.timeout", query.timeout),
        Bound::size("query.memory", query.memory, MIB, "every query would need more"),
        Bound::count("query.concurrency", query.concurrency, 1, "no query would ever run"),
        Bound::count("query.max_limit", query.max_limit, 1, "every search would ask for too much"),
        Bound::count("metrics.max_series", metrics.max_series, 1000, "most would be counted together"),
        Bound {
            least: Value::Time(Time(LEAST_ACTIVE)),
            below: "series would come and go with each span",
            ..Bound::time("metrics.active_for", metrics.active_for)
        },
    ]
}

/// What is questionable, a sentence for each that says what will happen. `memory`: the bytes that the process may take, where known.
#[must_use]
pub fn warnings(config: &Config, memory: Option<u64>) -> Vec<String> {
    [of_storage(config), of_requests(config), memory.and_then(|bytes| of_memory(config, bytes)).into_iter().collect()]
        .concat()
}

fn of_storage(config: &Config) -> Vec<String> {
    let storage = &config.storage;
    let (seal, keep_time) = (storage.seal_after, storage.retention);
    let (keep_size, head) = (storage.retention_size, storage.head_size as u64);
    let (merge, spans) = (storage.merge_spans, storage.head_spans);
    let mut warnings = Vec::new();
    if keep_size > 0 && keep_size < head {
        warnings.push(format!(
            "storage.retention_size is {}, less than storage.head_size, which is {}: of what does not compress only the segment sealed \
             last is kept",
            Size(keep_size),
            Size(head)
        ));
    }
    if merge < spans {
        warnings.push(format!(
            "storage.merge_spans is {merge}, less than storage.head_spans, which is {spans}: segments stay small and many, and queries \
             take longer"
        ));
    }
    if seal < Duration::from_secs(1) {
        warnings.push(format!(
            "storage.seal_after is {}: each second makes a segment of its own, and queries take longer",
            Time(seal)
        ));
    }
    if !keep_time.is_zero() && seal > keep_time {
        warnings.push(format!(
            "storage.seal_after is {}, longer than storage.retention, which is {}: spans are kept until they are sealed and dropped \
             right then",
            Time(seal),
            Time(keep_time)
        ));
    }
    if storage.cache_size == 0 {
        warnings.push("storage.cache_size is 0: every query reads its pages from the disk again".to_owned());
    }
    warnings
}

fn of_requests(config: &Config) -> Vec<String> {
    let (largest, in_flight) = (config.collector.max_request_size, config.collector.max_in_flight);
    let (queue, timeout) = (config.storage.queue_size, config.query.timeout);
    let idle = config.listen.idle_timeout.max(Duration::from_secs(1));
    let mut warnings = Vec::new();
    let granted = config.collector.least_in_flight();
    if in_flight < granted {
        warnings.push(format!(
            "collector.max_in_flight is {}, less than a request in JSON of collector.max_request_size, which is {}, takes: {granted} \
             bytes are granted",
            size(in_flight),
            size(largest)
        ));
    }
    if queue < largest {
        warnings.push(format!(
            "storage.queue_size is {}, less than collector.max_request_size, which is {}: a larger request is taken only while no other \
             waits, and asked to retry otherwise",
            size(queue),
            size(largest)
        ));
    }
    if timeout.is_zero() {
        warnings.push("query.timeout is 0: every query ends at once with an error".to_owned());
    }
    if idle < timeout {
        warnings.push(format!(
            "listen.idle_timeout is {}, less than query.timeout, which is {}: the connection of a query that takes longer may be closed \
             before its answer",
            Time(idle),
            Time(timeout)
        ));
    }
    warnings
}

fn size(bytes: usize) -> Size {
    Size(bytes as u64)
}

/// What ingest fills and one query takes. `docs/configuration.md` says all that adds up.
fn of_memory(config: &Config, memory: u64) -> Option<String> {
    let Config { collector, storage, query, .. } = config;
    let in_flight = collector.max_in_flight.max(collector.least_in_flight()) as u64;
    let (head, cache, one) = (storage.head_size as u64, storage.cache_size as u64, query.memory as u64);
    // Each is at most 2 to the 40th.
    let all = in_flight + 4 * head + cache + cache / 4 + one;
    (all > memory).then(|| {
        let [head, cache, one] = [head, cache, one].map(Size);
        let (all, in_flight, there) = (all / MIB, in_flight / MIB, memory / MIB);
        format!(
            "these settings may take {all} MiB of memory and there are {there} MiB, so the system may end hoptrail: \
             collector.max_in_flight is {in_flight} MiB, storage.head_size is {head} and counts four times, storage.cache_size is \
             {cache} and a quarter more, query.memory is {one} for one query; lower them as the section on 256 MB in \
             docs/configuration.md does"
        )
    })
}

/// What is stored for tenants whom no query names as the settings are now. `stored`: each tenant with its spans.
#[must_use]
pub fn hidden_spans(config: &Config, stored: &[(TenantId, u64)]) -> Option<String> {
    let single = TenantId::single();
    let (of_nobody, of_tenants): (Vec<_>, Vec<_>) = stored.iter().partition(|(tenant, _)| *tenant == single);
    let hidden = match config.tenancy.mode {
        Tenancy::Single => of_tenants,
        Tenancy::Multi => of_nobody,
    };
    let spans: u64 = hidden.iter().map(|(_, spans)| spans).sum();
    if spans == 0 {
        return None;
    }
    if config.tenancy.mode == Tenancy::Multi {
        return Some(format!(
            "{spans} spans are stored that came while tenancy.mode was single; now that it is multi, only queries with the header \
             X-Scope-OrgID: {single} find them"
        ));
    }
    let names: Vec<_> = hidden.iter().take(NAMED).map(|(tenant, _)| tenant.as_str()).collect();
    let more = if hidden.len() > NAMED { " and others" } else { "" };
    Some(format!(
        "{spans} spans are stored for the tenants {}{more}, and no query finds them while tenancy.mode is single",
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
        assert_eq!(warnings(&Config::default(), Some(2 << 30)), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_work_is_an_error_that_names_keys_and_values() {
        let (huge, huge_size, huge_time) = (u64::MAX.to_string(), "2TiB", "20000d");
        let cases: [(Pairs, &[&str]); 23] = [
            (&[("listen.ui", "127.0.0.1:3200")], &["listen.tempo: is 127.0.0.1:3200, and listen.ui is 127.0.0.1:3200"]),
            (&[("listen.otlp_http", ":4317")], &["listen.otlp_grpc", "listen.otlp_http is [::]:4317"]),
            (&[("listen.max_connections", "0")], &["listen.max_connections: is 0", "1 or more"]),
            (&[("collector.max_request_size", "0")], &["collector.max_request_size: is 0"]),
            (&[("collector.max_request_size", "256MiB")], &["is 256MiB: the most is 268435455B"]),
            (&[("collector.max_in_flight", huge_size)], &["collector.max_in_flight: is 2TiB"]),
            (&[("storage.head_spans", "0")], &["storage.head_spans: is 0"]),
            (&[("storage.head_size", "0")], &["storage.head_size: is 0", "set it to 1MiB or more"]),
            (&[("storage.head_size", "128B")], &["storage.head_size: is 128B"]),
            (&[("storage.queue_size", huge_size)], &["storage.queue_size", "the most is"]),
            (&[("storage.cache_size", huge_size)], &["storage.cache_size", "the most is"]),
            (&[("query.memory", "0")], &["query.memory: is 0"]),
            (&[("query.concurrency", "0")], &["query.concurrency: is 0: no query would ever run"]),
            (&[("query.concurrency", &huge)], &["query.concurrency", "the most is"]),
            (&[("query.max_limit", "0")], &["query.max_limit: is 0"]),
            (&[("query.timeout", huge_time)], &["query.timeout: is 20000d", "the most is 1000000000s"]),
            (&[("shutdown_grace", huge_time)], &["shutdown_grace"]),
            (&[("listen.idle_timeout", huge_time)], &["listen.idle_timeout"]),
            (&[("metrics.active_for", "1m")], &["metrics.active_for: is 1m", "come and go"]),
            (&[("metrics.max_series", "10")], &["metrics.max_series: is 10"]),
            (&[("remote_write", "[{\"url\": \"https://h/w\"}]")], &["remote_write: url", "no TLS yet"]),
            (&[("ui.links", "[{\"name\": \"a\"}]")], &["ui.links: the link \"a\"", "either url, or preset"]),
            (
                &[("ui.ai_prices", "[{\"model\": \"m\", \"input\": -1, \"output\": 2}]")],
                &["ui.ai_prices: the prices of \"m\"", "from 0 on"],
            ),
        ];
        for (pairs, texts) in cases {
            let error = contradictions(&with(pairs)).expect_err(pairs[0].0).to_string();
            texts.iter().for_each(|text| assert!(error.contains(text), "{text:?} is not in {error:?}"));
        }
        assert!(contradictions(&with(&[("listen.tempo", ":0"), ("listen.ui", ":0")])).is_ok(), "two free ports");
    }

    #[test]
    fn what_is_questionable_is_a_warning_that_says_what_will_happen() {
        let cases: [(Pairs, &[&str]); 11] = [
            (
                &[("storage.retention_size", "127MiB")],
                &["storage.retention_size is 127MiB", "storage.head_size, which is 128MiB", "sealed last"],
            ),
            (
                &[("storage.merge_spans", "1000")],
                &["storage.merge_spans is 1000", "which is 262144", "queries take longer"],
            ),
            (&[("storage.seal_after", "0")], &["storage.seal_after is 0"]),
            (
                &[("storage.retention", "1h"), ("storage.seal_after", "3601s")],
                &["storage.seal_after is 3601s", "storage.retention, which is 1h", "dropped right then"],
            ),
            (&[("storage.cache_size", "0")], &["storage.cache_size is 0"]),
            (&[("collector.max_in_flight", "0")], &["max_in_flight is 0", "134221824 bytes are granted"]),
            (
                &[("storage.queue_size", "63MiB")],
                &["storage.queue_size is 63MiB", "collector.max_request_size, which is 64MiB"],
            ),
            (&[("query.timeout", "0")], &["query.timeout is 0"]),
            (&[("listen.idle_timeout", "29s")], &["listen.idle_timeout is 29s", "query.timeout, which is 30s"]),
            (&[("query.memory", "1121MiB")], &["2049 MiB of memory and there are 2048 MiB", "query.memory is 1121MiB"]),
            (&[("storage.head_size", "1GiB")], &["storage.head_size is 1GiB and counts four times"]),
        ];
        for (pairs, texts) in cases {
            let found = warnings(&with(pairs), Some(2 << 30));
            assert_eq!(found.len(), 1, "{found:#?}");
            texts.iter().for_each(|text| assert!(found[0].contains(text), "{text:?} is not in {found:?}"));
        }
        for fits in
            [("storage.queue_size", "64MiB"), ("storage.retention_size", "128MiB"), ("listen.idle_timeout", "30s")]
        {
            assert_eq!(warnings(&with(&[fits]), None), Vec::<String>::new(), "{fits:?}");
        }
        assert_eq!(warnings(&with(&[("storage.retention", "0"), ("storage.seal_after", "9999s")]), None).len(), 0);
    }

    #[test]
    fn spans_of_tenants_that_no_query_reaches_are_a_warning() {
        let stored = |names: &[(&str, u64)]| -> Vec<_> {
            names.iter().map(|(name, spans)| (TenantId::new(name).expect("a tenant"), *spans)).collect()
        };
        let one = Config::default();
        let many = with(&[("tenancy.mode", "multi")]);
        let tenants = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
        assert_eq!(hidden_spans(&one, &stored(&[("single-tenant", 5)])), None);
        assert_eq!(hidden_spans(&many, &stored(&tenants)), None);
        let warning = hidden_spans(&one, &stored(&tenants)).expect("hidden");
        assert!(
            warning.starts_with("10 spans are stored for the tenants a, b, c and others, and no query finds them"),
            "{warning}"
        );
        let warning = hidden_spans(&many, &stored(&[("a", 1), ("single-tenant", 5)])).expect("hidden");
        assert!(warning.starts_with("5 spans") && warning.contains("X-Scope-OrgID: single-tenant"), "{warning}");
    }
}
