//! Why a server did not answer, in one line for people. What the server says is made harmless, as it may come from anywhere.

use std::io;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use super::Address;
use crate::terminal::text;

/// Most characters that are shown of what a server says.
const SHOWN: usize = 8_000;
/// The pause before the next attempt when the server names none.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that a server is granted.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection, or one that broke.
    #[error("cannot reach {address}: {reason}; is the server running there? (--address, HOPTRAIL_ADDRESS)")]
    Unreachable {
        /// Of the server.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// No answer in time.
    #[error("{address} did not answer within {seconds} s (--timeout)")]
    Late {
        /// Of the server.
        address: String,
        /// How long it had.
        seconds: f64,
    },
    /// The question is wrong. A TraceQL query is shown with carets below each fault.
    #[error("{0}")]
    Refused(String),
    /// The server wants to know who asks.
    #[error(
        "{address} wants to know who asks ({text}): give --tenant, --header Authorization=…, or http://NAME:PASSWORD@HOST"
    )]
    Unauthorized {
        /// Of the server.
        address: String,
        /// Its words.
        text: String,
    },
    /// The server has too much to do.
    #[error("{address} has too much to do ({text}); ask again in {} s", pause.as_secs())]
    Busy {
        /// Of the server.
        address: String,
        /// Its words.
        text: String,
        /// How long to wait.
        pause: Duration,
    },
    /// The server does not know the address.
    #[error(
        "{address} does not answer as Tempo does: {path} is not there (404){what}; the port of hoptrail's API is 3200"
    )]
    NotThere {
        /// Of the server.
        address: String,
        /// What was asked.
        path: String,
        /// What it sent instead.
        what: String,
    },
    /// The answer is not one of Tempo's API.
    #[error("{address} does not answer as Tempo does: {what}; the port of hoptrail's API is 3200")]
    NotTempo {
        /// Of the server.
        address: String,
        /// What it did.
        what: String,
    },
    /// Any other status.
    #[error("{address} failed with {status}: {text}")]
    Failed {
        /// Of the server.
        address: String,
        /// The status code.
        status: StatusCode,
        /// Its words.
        text: String,
    },
    /// The command cannot be carried out as it was given.
    #[error("{0}")]
    Mistake(String),
    /// What was found cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// Nobody reads the output any more. The command ends, and nobody needs to know.
    #[error("the reader of the output has gone")]
    ReaderGone,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::Output(error) }
    }
}

impl Failure {
    /// The server is no Tempo.
    pub(super) fn not_tempo(address: &Address, what: &str) -> Self {
        Self::NotTempo { address: address.to_string(), what: text::shown(what) }
    }

    /// The failure of an answer with another status than 200.
    pub(super) fn of_answer(
        address: &Address,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        let (text, address) = (words(status, headers, body), address.to_string());
        match status.as_u16() {
            400 | 422 => Self::Refused(text),
            401 | 403 | 407 => Self::Unauthorized { address, text },
            429 => Self::Busy { address, text, pause: pause(headers) },
            300..400 => {
                let target = headers.get(header::LOCATION).and_then(|target| target.to_str().ok()).unwrap_or("nowhere");
                Self::NotTempo { address, what: format!("it sends askers on to {}", text::shown(target)) }
            }
            404 | 405 => {
                let what = if body.is_empty() { String::new() } else { format!(" and it sent {text}") };
                Self::NotThere { address, path: text::shown(path), what }
            }
            _ => Self::Failed { address, status, text },
        }
    }

    /// How long to wait before another attempt, where one may help.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Self::Busy { pause, .. } => Some(*pause),
            Self::Unreachable { .. } | Self::Late { .. } => Some(PAUSE),
            Self::Failed { status, .. } if status.is_server_error() => Some(PAUSE),
            _ => None,
        }
    }
}

/// What the server says, with its lines.
fn words(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let words = String::from_utf8_lossy(body.get(..4 * SHOWN).unwrap_or(body));
    let words = words.trim();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if words.starts_with('<') || kind.contains("html") {
        return "a page of HTML".to_owned();
    }
    if words.is_empty() {
        return status.to_string();
    }
    words.chars().take(SHOWN).collect::<String>().lines().map(text::marked).collect::<Vec<_>>().join("\n")
}

fn pause(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs).clamp(Duration::from_millis(100), LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Failure {
        let pairs = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        let address = "http://h:1".parse().expect("an address");
        let status = StatusCode::from_u16(status).expect("a status");
        Failure::of_answer(&address, "/api/search", status, &pairs.collect(), body.as_bytes())
    }

    #[test]
    fn a_failure_says_what_to_do() {
        for (status, body, said) in [
            (401, "no org id", "--tenant"),
            (
                404,
                "<html>no</html>",
                "does not answer as Tempo does: /api/search is not there (404) and it sent a page of HTML",
            ),
            (404, "", "/api/search is not there (404);"),
            (429, "queue full", "(queue full); ask again in 7 s"),
            (308, "", "sends askers on to https://h/x"),
            (500, "", "failed with 500 Internal Server Error: 500"),
        ] {
            let text = failure(status, &[("retry-after", "7"), ("location", "https://h/x")], body).to_string();
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn lines_of_a_refusal_stay_and_escapes_do_not() {
        let refused = failure(400, &[], "invalid\n{ x }\n  ^ \u{1b}[31mno\u{202e}\n").to_string();
        assert_eq!(refused, "invalid\n{ x }\n  ^ [U+001B][31mno[U+202E]");
        assert!(failure(400, &[], &"x".repeat(100_000)).to_string().len() < 10_000);
    }

    #[test]
    fn waiting_helps_against_some() {
        assert_eq!(failure(429, &[("retry-after", "2")], "").pause(), Some(Duration::from_secs(2)));
        assert_eq!(failure(429, &[("retry-after", "999999")], "").pause(), Some(LONGEST_PAUSE));
        assert_eq!(failure(429, &[("retry-after", "Fri")], "").pause(), Some(PAUSE));
        assert_eq!(failure(503, &[], "").pause(), Some(PAUSE));
        assert_eq!(failure(400, &[], "").pause(), None);
    }
}
