//! When to try again.

use std::time::Duration;

use hoptrail_proto::model::TraceSpan;
use hoptrail_proto::otlp::PartialSuccess;

use super::Exporter;

/// Longest that one attempt may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why an export did not succeed.
#[derive(Debug, Clone)]
pub enum Failure {
    /// Worth another attempt.
    Temporary {
        /// For people.
        reason: String,
        /// The pause that the server asks for.
        pause: Option<Duration>,
    },
    /// Sending the same again is pointless.
    Final {
        /// For people.
        reason: String,
    },
}

impl Failure {
    /// For people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Temporary { reason, .. } | Self::Final { reason } => reason,
        }
    }
}

/// Tries until it works, it is pointless, or `patience` is over.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Time after which spans are given up.
    pub patience: Duration,
}

impl Retry {
    /// Exports with as many attempts as it takes; `failed` hears of each failure that is tried again.
    pub async fn export(
        self,
        exporter: &Exporter,
        spans: &[TraceSpan],
        mut failed: impl FnMut(&Failure),
    ) -> Result<PartialSuccess, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut left = self.patience;
        loop {
            let failure = match exporter.export(spans).await {
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
