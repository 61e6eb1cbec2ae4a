//! Settings of one receiver.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hoptrail_proto::units;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use serde::{Deserialize, Serialize};

/// Shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);
/// Least room of a queue.
const LEAST_QUEUE: usize = 1 << 20;
/// Longest part of an address in the name of a folder.
const MOST_NAME: usize = 150;
/// Headers that the protocol sets.
const OWN_HEADERS: [&str; 6] =
    ["content-type", "content-encoding", "content-length", "host", "user-agent", "x-prometheus-remote-write-version"];

/// Where span metrics are written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The address of the receiver.
    pub url: String,
    /// The protocol.
    #[serde(default)]
    pub version: Version,
    /// Which buckets durations have.
    #[serde(default)]
    pub histograms: Histograms,
    /// How often.
    #[serde(default = "every", with = "units::duration")]
    pub interval: Duration,
    /// Whose spans.
    #[serde(default = "single")]
    pub tenant: String,
    /// Sent with each request. Shown with the settings, so no place for secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A file with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<PathBuf>,
    /// Name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Room on the disk for what waits.
    #[serde(default = "room", with = "units::size")]
    pub queue_size: usize,
}

/// Name and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// The name.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
}

/// Versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Version {
    /// What every receiver takes.
    #[default]
    #[serde(rename = "1.0")]
    One,
    /// Smaller; with metadata.
    #[serde(rename = "2.0")]
    Two,
}

/// Which buckets durations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Histograms {
    /// A series for each bucket.
    #[default]
    Classic,
    /// One series with all buckets.
    Native,
    /// Both.
    Both,
}

impl Histograms {
    /// Whether there are classic buckets.
    #[must_use]
    pub fn has_classic(self) -> bool {
        self != Self::Native
    }

    /// Whether there are native histograms.
    #[must_use]
    pub fn has_native(self) -> bool {
        self != Self::Classic
    }
}

fn every() -> Duration {
    Duration::from_secs(15)
}

fn single() -> String {
    hoptrail_proto::model::TenantId::single().to_string()
}

fn room() -> usize {
    1 << 30
}

impl Target {
    /// Says what cannot work.
    pub fn check(&self) -> Result<(), String> {
        self.uri()?;
        self.headers()?;
        hoptrail_proto::model::TenantId::new(&self.tenant).map_err(|error| format!("tenant: {error}"))?;
        if self.interval < SHORTEST {
            return Err("interval: at least 1s".to_owned());
        }
        if self.queue_size < LEAST_QUEUE {
            return Err("queue_size: at least 1MiB".to_owned());
        }
        if self.bearer_token_file.is_some() && self.basic_auth.is_some() {
            return Err("bearer_token_file and basic_auth: take one of them".to_owned());
        }
        Ok(())
    }

    /// The address.
    pub fn uri(&self) -> Result<Uri, String> {
        let uri: Uri = self.url.parse().map_err(|error| format!("url {:?}: {error}", self.url))?;
        let authority = uri.authority().ok_or_else(|| format!("url {:?}: it names no host", self.url))?;
        if authority.as_str().contains('@') {
            return Err("url: name and password belong in basic_auth".to_owned());
        }
        match uri.scheme_str() {
            Some("http") => Ok(uri),
            Some("https") => Err(format!(
                "url {:?}: hoptrail has no TLS yet; write to an agent or a proxy beside it that has",
                self.url
            )),
            _ => Err(format!("url {:?}: it must begin with http://", self.url)),
        }
    }

    /// The headers of the settings.
    pub fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            let invalid = || format!("headers: {name:?} cannot be sent");
            if OWN_HEADERS.contains(&lower.as_str()) {
                return Err(format!("headers: {name} is set by hoptrail"));
            }
            let name = HeaderName::try_from(lower).map_err(|_| invalid())?;
            headers.insert(name, HeaderValue::try_from(value).map_err(|_| invalid())?);
        }
        Ok(headers)
    }

    /// The header that says who writes. The files are read each time, so that they may change.
    pub fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path);
            text.map(|text| text.trim().to_owned()).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let text = match (&self.bearer_token_file, &self.basic_auth) {
            (Some(file), _) => format!("Bearer {}", read(file)?),
            (None, Some(BasicAuth { username, password_file })) => {
                format!("Basic {}", STANDARD.encode(format!("{username}:{}", read(password_file)?)))
            }
            (None, None) => return Ok(None),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| format!("{} has signs in it that cannot be sent", header::AUTHORIZATION))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The receiver in logs and metrics.
    #[must_use]
    pub fn name(&self) -> String {
        self.uri().ok().and_then(|uri| Some(uri.authority()?.to_string())).unwrap_or_default()
    }

    /// The folder of its queue: what waits there is written for this receiver, tenant and version.
    #[must_use]
    pub fn folder(&self) -> String {
        let version = if self.version == Version::Two { "2" } else { "1" };
        let part = |text: &str| {
            let escape = |byte: u8| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => char::from(byte).to_string(),
                _ => format!("_{byte:02x}"),
            };
            text.bytes().map(escape).collect::<String>()
        };
        let address = part(self.url.trim_start_matches("http://"));
        let start = address.get(..MOST_NAME).unwrap_or(&address);
        format!("{start}~{}~{version}", part(&self.tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(yaml: &str) -> Target {
        serde_saphyr::from_str(yaml).expect("a target")
    }

    #[test]
    fn only_the_address_is_needed() {
        let target = target("url: http://prometheus:9090/api/v1/write");
        assert_eq!((target.check(), target.interval, target.version), (Ok(()), Duration::from_secs(15), Version::One));
        assert_eq!((target.name().as_str(), target.tenant.as_str()), ("prometheus:9090", "single-tenant"));
        assert_eq!(target.folder(), "prometheus_3a9090_2fapi_2fv1_2fwrite~single-tenant~1");
    }

    #[test]
    fn what_cannot_work_is_said() {
        for (more, reason) in [
            ("interval: 10ms", "at least 1s"),
            ("queue_size: 1KiB", "at least 1MiB"),
            ("tenant: a/b", "tenant"),
            ("headers: {Host: x}", "Host is set by hoptrail"),
            ("headers: {\"a b\": x}", "cannot be sent"),
            ("bearer_token_file: t\nbasic_auth: {username: a, password_file: p}", "take one of them"),
        ] {
            let error = target(&format!("url: http://h/w\n{more}")).check().expect_err(more);
            assert!(error.contains(reason), "{more}: {error}");
        }
        for (url, reason) in [
            ("https://h/w", "no TLS yet"),
            ("ftp://h", "must begin with http://"),
            ("h", "must begin with http://"),
            ("/w", "names no host"),
            ("http://a:b@h/", "belong in basic_auth"),
        ] {
            let error = target(&format!("url: {url:?}")).check().expect_err(url);
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
