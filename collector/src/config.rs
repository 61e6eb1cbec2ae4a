//! Settings of the collector.

use hoptrail_proto::model::Tenancy;
use hoptrail_proto::units;
use serde::{Deserialize, Serialize};

use crate::admission::BASE;
use crate::origins;

/// How spans are received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most bytes of one request after decompression. Larger ones are refused for good. Default 64 MiB, as OTLP 1.11 recommends.
    #[serde(with = "units::size")]
    pub max_request_size: usize,
    /// Most bytes of all requests that are being received, checked or written. What comes on top is asked to retry. Twice
    /// `max_request_size` is always granted, so that one of the largest in JSON has room. Default 256 MiB.
    #[serde(with = "units::size")]
    pub max_in_flight: usize,
    /// Whether there are tenants. Not a setting of this section: collector and queries must agree.
    #[serde(skip)]
    pub tenancy: Tenancy,
    /// Origins of web pages that may send spans (CORS), for example `https://shop.example`; `*` allows every origin.
    /// Default `*`.
    #[serde(deserialize_with = "origins::read")]
    pub cors_origins: Vec<String>,
    /// What becomes of metrics, logs and profiles. Default `accept_and_drop`.
    pub other_signals: OtherSignals,
}

/// What becomes of metrics, logs and profiles, which are not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherSignals {
    /// They are answered with success and dropped: agents that send them unasked have nothing to complain about.
    #[default]
    AcceptAndDrop,
    /// Their addresses are not there.
    Reject,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_request_size: 64 << 20,
            max_in_flight: 256 << 20,
            tenancy: Tenancy::Single,
            cors_origins: vec!["*".to_owned()],
            other_signals: OtherSignals::default(),
        }
    }
}

impl Config {
    /// Bytes of requests that are granted whatever `max_in_flight` says: the largest request in JSON holds its bytes twice.
    #[must_use]
    pub fn least_in_flight(&self) -> usize {
        self.max_request_size.saturating_mul(2).saturating_add(BASE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_default_and_unknown_keys_are_errors() {
        let config: Config = serde_json::from_str(r#"{"max_request_size": "1MiB"}"#).expect("config");
        assert_eq!(config, Config { max_request_size: 1 << 20, ..Config::default() });
        let error = serde_json::from_str::<Config>(r#"{"tenancy": "multi"}"#).expect_err("unknown key");
        assert!(error.to_string().contains("tenancy"), "{error}");
    }
}
