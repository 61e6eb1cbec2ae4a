//! A time in which something is, when nobody chose one and the usual one is empty.

use std::time::Duration;

use hoptrail_query::{Rows, SearchRequest, TimeRange};

use super::form::{DEFAULT_LOOKBACK, Form, duration};
use crate::context::Visit;
use crate::format;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;
/// Lookbacks to choose from, the shortest first, and what they are called.
const LOOKBACKS: [(&str, &str); 4] =
    [("6h", "the last 6 hours"), ("24h", "the last 24 hours"), ("2d", "the last 2 days"), ("7d", "the last 7 days")];
/// How long the search for the newest answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A time that has an answer.
pub(super) struct Quiet {
    pub(super) range: TimeRange,
    /// Why the page shows it.
    pub(super) notice: String,
}

/// The shortest of the usual times that has the newest answer, which the form then has; before them, the hour that ends with it. `None`
/// when somebody chose the time, or there is no answer.
pub(super) async fn wider(visit: &Visit, form: &mut Form, request: &SearchRequest) -> Option<Quiet> {
    if !form.any_time || form.lookback != DEFAULT_LOOKBACK {
        return None;
    }
    let newest = SearchRequest {
        spans: request.spans.clone(),
        limit: 1,
        spans_per_set: 0,
        rows: Rows::Traces,
        ..SearchRequest::default()
    };
    let search = visit.service().search(&visit.tenant, newest);
    let answer = tokio::time::timeout(TIMEOUT, search).await.ok()?.ok()?;
    let hit = answer.value.hits.into_iter().next()?;
    let age = format::age(hit.start_unix_nano, visit.now);
    let shows = match usual(hit.start_unix_nano, visit.now) {
        Some((lookback, name)) => {
            form.lookback = lookback.to_owned();
            format!("this shows {name}")
        }
        None => {
            let start = hit.start_unix_nano - hit.start_unix_nano % SECOND;
            let end = hit.start_unix_nano.saturating_add(hit.duration_nanos);
            form.lookback = "custom".to_owned();
            form.from = format::exact_time(start.saturating_sub(HOUR), &visit.zone);
            form.to = format::exact_time((end - end % SECOND).saturating_add(SECOND), &visit.zone);
            "this shows the hour before it".to_owned()
        }
    };
    let range = form.range(visit.now, &visit.zone).ok().flatten()?;
    Some(Quiet { range, notice: format!("Nothing matches in the last hour. The newest trace is from {age}: {shows}.") })
}

/// The shortest usual time that has a moment.
fn usual(start: u64, now: u64) -> Option<(&'static str, &'static str)> {
    let age = i64::try_from(now.checked_sub(start)?).ok()?;
    LOOKBACKS.into_iter().find(|(text, _)| duration(text).is_ok_and(|length| age < length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_usual_time_is_taken() {
        let now = 1_760_000_000 * SECOND;
        let of = |hours: u64| usual(now - hours * HOUR, now).map(|(text, _)| text);
        assert_eq!(
            [2, 6, 23, 30, 100, 200].map(of),
            [Some("6h"), Some("24h"), Some("24h"), Some("2d"), Some("7d"), None]
        );
        assert_eq!(usual(now + 1, now), None, "a clock that is ahead");
    }
}
