//! Asks the store for numbers of rollups.

use hoptrail_query::rollups::{MINUTE, RollupRequest, RollupSteps, Rollups};

use super::times::seconds;
use crate::context::Visit;
use crate::error::PageError;
use crate::url::Params;

/// What the store said.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// An answer to each request, with the steps it is for.
    pub(crate) answers: Vec<(RollupSteps, Rollups)>,
    /// What the answer is without.
    pub(crate) damage: Option<String>,
}

impl Asked {
    /// How long the steps of an answer are together, up to an end.
    pub(crate) fn seconds(&self, answer: usize, end: u64) -> f64 {
        self.answers.get(answer).map_or(1.0, |(steps, _)| seconds(steps, end))
    }
}

/// Asks for each of these. Old numbers are kept by longer steps: then the answer is for the steps around those that were asked for.
pub(crate) async fn ask(visit: &Visit, requests: Vec<RollupRequest>) -> Result<Asked, PageError> {
    let first = visit.service().rollups(&visit.tenant, requests.clone()).await?;
    let resolutions: Vec<u64> = first.value.iter().map(|rollups| rollups.resolution).collect();
    let is_coarse = requests.iter().zip(&resolutions).any(|(request, resolution)| !fits(&request.steps, *resolution));
    if !is_coarse {
        let steps = requests.iter().map(|request| request.steps);
        return Ok(Asked { damage: first.notice(), answers: steps.zip(first.value).collect() });
    }
    let again: Vec<RollupRequest> = requests
        .into_iter()
        .zip(&resolutions)
        .map(|(request, resolution)| RollupRequest { steps: around(&request.steps, *resolution), ..request })
        .collect();
    let second = visit.service().rollups(&visit.tenant, again.clone()).await?;
    let steps = again.iter().map(|request| request.steps);
    Ok(Asked { damage: second.notice(), answers: steps.zip(second.value).collect() })
}

/// Whether numbers of so long steps can be told apart by these.
fn fits(steps: &RollupSteps, resolution: u64) -> bool {
    let resolution = resolution.max(MINUTE);
    steps.start.is_multiple_of(resolution) && steps.step.is_multiple_of(resolution) || resolution == MINUTE
}

/// Steps around these that are multiples of `resolution`; one stays one.
fn around(steps: &RollupSteps, resolution: u64) -> RollupSteps {
    if fits(steps, resolution) {
        return *steps;
    }
    let range = steps.range();
    let start = range.start / resolution * resolution;
    let length = range.end.saturating_sub(start).div_ceil(resolution).max(1) * resolution;
    if steps.count == 1 {
        return RollupSteps { start, step: length, count: 1 };
    }
    let step = steps.step.div_ceil(resolution) * resolution;
    let start = range.start / step * step;
    let count = range.end.saturating_sub(start).div_ceil(step).max(1);
    RollupSteps { start, step, count: usize::try_from(count).unwrap_or(usize::MAX) }
}

/// Whether the numbers are asked for as JSON.
pub(crate) fn is_json(params: &Params) -> Result<bool, PageError> {
    match params.text("format") {
        "" | "html" => Ok(false),
        "json" => Ok(true),
        other => Err(PageError::BadParameter(format!("format {other:?} is unknown: it is json, or left out"))),
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_query::rollups::HOUR;

    use super::*;

    #[test]
    fn steps_grow_to_what_is_kept() {
        let quarter = RollupSteps { start: 10 * HOUR + 15 * MINUTE, step: 15 * MINUTE, count: 1 };
        assert_eq!(around(&quarter, MINUTE), quarter);
        assert_eq!(around(&quarter, 0), quarter);
        assert_eq!(around(&quarter, HOUR), RollupSteps { start: 10 * HOUR, step: HOUR, count: 1 });
        let many = RollupSteps { start: 10 * HOUR + 30 * MINUTE, step: 30 * MINUTE, count: 4 };
        assert_eq!(around(&many, HOUR), RollupSteps { start: 10 * HOUR, step: HOUR, count: 3 });
        let late = RollupSteps { start: 10 * HOUR + 59 * MINUTE, step: 2 * MINUTE, count: 1 };
        assert_eq!(around(&late, HOUR), RollupSteps { start: 10 * HOUR, step: 2 * HOUR, count: 1 });
    }
}
