//! `MetricsQueryRange` and `MetricsQueryInstant`: series, those of the newest intervals first.

use std::time::Duration;

use hoptrail_proto::tempo::{
    PartialStatus, QueryInstantRequest, QueryInstantResponse, QueryRangeRequest, QueryRangeResponse,
};
use hoptrail_storage::{Steps, clock};
use prost::Message;
use tokio::sync::mpsc::Sender;

use super::answers::send;
use super::{fitting, number, params};
use crate::http::{Api, ApiError, Ask};
use crate::metrics::RangeRequest;
use crate::tempo::metrics::{instant_request, range_request};
use crate::tempo::series::{instant_response, range_response};

/// Shares of the intervals that are shown before all of them, the newest first.
const SHARES: [usize; 2] = [8, 4];

/// The shares of a query are shown while it takes longer than this.
const SLOW: Duration = Duration::from_millis(100);

/// While it takes long, the series over the newest intervals; then those over all of them.
pub(super) async fn range(
    api: Api,
    ask: Ask,
    asked: QueryRangeRequest,
    messages: Sender<QueryRangeResponse>,
) -> Result<(), ApiError> {
    let params = params([
        ("q", asked.query),
        ("start", number(asked.start, "")),
        ("end", number(asked.end, "")),
        ("step", number(asked.step, "ns")),
        ("exemplars", number(asked.exemplars.into(), "")),
        ("maxSeries", number(asked.max_series.into(), "")),
    ]);
    let request = range_request(&api, &params)?;
    let (newest, begun) = (newest(request.steps), clock::instant());
    let jobs = newest.len() + 1;
    for (done, steps) in newest.into_iter().enumerate() {
        if done > 0 && begun.elapsed() < SLOW {
            break;
        }
        let part = RangeRequest { steps, ..request.clone() };
        let answer = api.service.metrics(&ask.tenants, part).await?;
        // What is missing is said of the whole.
        let message = QueryRangeResponse {
            status: PartialStatus::Complete.into(),
            message: String::new(),
            ..range_response(&answer.value, steps, None)
        };
        series(message, (done + 1, jobs), &messages).await;
    }
    let steps = request.steps;
    let answer = api.service.metrics(&ask.tenants, request).await?;
    let notice = answer.notice();
    series(range_response(&answer.value, steps, notice), (jobs, jobs), &messages).await;
    Ok(())
}

/// One number for each series.
pub(super) async fn instant(
    api: Api,
    ask: Ask,
    asked: QueryInstantRequest,
    messages: Sender<QueryInstantResponse>,
) -> Result<(), ApiError> {
    let params = params([("q", asked.query), ("start", number(asked.start, "")), ("end", number(asked.end, ""))]);
    let answer = api.service.metrics(&ask.tenants, instant_request(&api, &params)?).await?;
    let notice = answer.notice();
    let QueryInstantResponse { series, metrics, status, message } = instant_response(&answer.value, notice);
    let mut pieces = fitting::pieces(series, Message::encoded_len);
    let last = pieces.pop().unwrap_or_default();
    for series in pieces {
        send(&messages, QueryInstantResponse { series, metrics, ..QueryInstantResponse::default() }).await;
    }
    send(&messages, QueryInstantResponse { series: last, metrics, status, message }).await;
    Ok(())
}

/// Sends series in as many messages as they need. The last one says what is missing.
async fn series(answer: QueryRangeResponse, (done, jobs): (usize, usize), messages: &Sender<QueryRangeResponse>) {
    let QueryRangeResponse { series, metrics, status, message } = answer;
    let metrics = metrics.map(|metrics| fitting::with_jobs(metrics, done, jobs));
    let series = series.into_iter().map(fitting::series).collect();
    let mut pieces = fitting::pieces(series, Message::encoded_len);
    let last = pieces.pop().unwrap_or_default();
    for series in pieces {
        send(messages, QueryRangeResponse { series, metrics, ..QueryRangeResponse::default() }).await;
    }
    send(messages, QueryRangeResponse { series: last, metrics, status, message }).await;
}

/// The newest intervals, then those before them; none when there are so few that all are soon done.
fn newest(steps: Steps) -> Vec<Steps> {
    let mut end = steps.count;
    let window = |share| {
        let count = steps.count / share;
        end -= count;
        let start = steps.start.saturating_add(steps.step.saturating_mul(end as u64));
        Steps { start, step: steps.step, count }
    };
    SHARES.into_iter().map(window).filter(|window| window.count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_intervals_come_first_and_do_not_overlap() {
        let steps = |start, count| Steps { start, step: 10, count };
        assert_eq!(newest(steps(100, 80)), [steps(800, 10), steps(600, 20)]);
        assert_eq!(newest(steps(100, 7)), [steps(160, 1)]);
        assert_eq!(newest(steps(100, 3)), []);
    }
}
