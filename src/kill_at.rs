//! For tests: ends the process without warning at a named step of the store, as a crash would. A release build does not have it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hoptrail_storage::{Step, Watch};
use rustix::process::{Signal, getpid, kill_process};

use crate::config::Error;

/// The environment variable. Its value is a step and a count: `seal.ingested:3` is the third time that a sealed segment was ingested.
pub const VARIABLE: &str = "HOPTRAIL_KILL_AT";

/// What the variable asks for. Without it nothing watches the store.
pub fn from_environment() -> Result<Arc<dyn Watch>, Error> {
    match std::env::var_os(VARIABLE) {
        None => Ok(Arc::new(())),
        Some(value) => Ok(Arc::new(KillAt::parse(&value.to_string_lossy())?)),
    }
}

/// Sends this process SIGKILL when the step is reached for the last of `left` times.
#[derive(Debug)]
struct KillAt {
    step: Step,
    left: AtomicU64,
}

impl KillAt {
    fn parse(text: &str) -> Result<Self, Error> {
        let (name, time) = text.split_once(':').unwrap_or((text, "1"));
        match (Step::named(name), time.parse::<NonZeroU64>()) {
            (Some(step), Ok(time)) => Ok(Self { step, left: AtomicU64::new(time.get()) }),
            _ => {
                let message = format!("{text:?} is not STEP or STEP:TIME with one of the steps {:?}", Step::ALL);
                Err(Error::Value { origin: VARIABLE.to_owned(), message })
            }
        }
    }
}

impl Watch for KillAt {
    fn reached(&self, step: Step) {
        if step == self.step
            && self.left.fetch_sub(1, Ordering::Relaxed) == 1
            && let Err(error) = kill_process(getpid(), Signal::KILL)
        {
            tracing::error!(%error, "this process cannot kill itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_step_is_refused_with_the_list_of_steps() {
        for wrong in ["seal", "seal.logged", "seal.ingested:", "seal.ingested:0", "seal.ingested:x", ""] {
            let error = KillAt::parse(wrong).expect_err(wrong).to_string();
            assert!(error.starts_with("HOPTRAIL_KILL_AT: ") && error.contains("commit.logged, "), "{error}");
        }
        let armed = KillAt::parse("seal.ingested:3").expect("a step");
        assert_eq!((armed.step.to_string().as_str(), armed.left.into_inner()), ("seal.ingested", 3));
    }
}
