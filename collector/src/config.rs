//! Settings of the collector.

use serde::{Deserialize, Serialize};

/// How spans are received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most bytes of one request after decompression; larger ones are refused for good. Default 16 MiB.
    pub max_request_bytes: usize,
    /// Most bytes of all requests that are being received, checked or written; what comes on top is asked to retry.
    /// At least twice `max_request_bytes` is granted. Default 256 MiB.
    pub max_in_flight_bytes: usize,
    /// Whether every request must name its tenant in `X-Scope-OrgID`. Off, that header is ignored and all spans belong to one
    /// tenant. Default off.
    pub multi_tenant: bool,
    /// Origins of web pages that may send spans (CORS), for example `https://shop.example`; `*` allows every origin.
    /// Default `*`.
    pub cors_origins: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_request_bytes: 16 << 20,
            max_in_flight_bytes: 256 << 20,
            multi_tenant: false,
            cors_origins: vec!["*".to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_default_and_unknown_keys_are_errors() {
        let config: Config = serde_json::from_str(r#"{"multi_tenant": true}"#).expect("config");
        assert_eq!(config, Config { multi_tenant: true, ..Config::default() });
        let error = serde_json::from_str::<Config>(r#"{"multi_tenants": true}"#).expect_err("unknown key");
        assert!(error.to_string().contains("multi_tenants"), "{error}");
    }
}
