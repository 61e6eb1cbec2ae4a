//! When to try again.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use hoptrail_proto::otlp::PartialSuccess;

use super::Exporter;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why an export did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Worth another attempt.
    #[error("{reason}")]
    Temporary {
        /// For people.
        reason: String,
        /// The pause that the server asks for.
        pause: Option<Duration>,
    },
    /// Sending the same again is pointless.
    #[error("{reason}")]
    Final {
        /// For people.
        reason: String,
    },
}

impl Failure {
    /// A failure after which the server asks for no pause.
    pub(super) fn temporary(reason: impl Into<String>) -> Self {
        Self::Temporary { reason: reason.into(), pause: None }
    }

    /// The server answered success, and then something else than OTLP.
    pub(super) fn not_otlp(error: &dyn Error) -> Self {
        Self::Final { reason: format!("the answer is not OTLP: {error}") }
    }
}

/// The error with its causes: hyper's own text says only that sending failed.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Tries again until it works, is pointless, or the time is over.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Sum of the pauses after which spans are given up.
    pub timeout: Duration,
}

impl Retry {
    /// Exports with as many attempts as it takes. `failed` is called for each failure that is followed by another attempt.
    pub async fn export(
        self,
        exporter: &Exporter,
        request: &Bytes,
        mut failed: impl FnMut(&Failure),
    ) -> Result<PartialSuccess, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut left = self.timeout;
        loop {
            let failure = match exporter.export(request.clone()).await {
                Ok(partial) => return Ok(partial),
                Err(failure) => failure,
            };
            let Failure::Temporary { pause: asked, .. } = &failure else { return Err(failure) };
            let wait = asked.unwrap_or(pause);
            if wait > left {
                return Err(failure);
            }
            failed(&failure);
            tokio::time::sleep(wait).await;
            left -= wait;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
