//! `Search`: traces as soon as it is certain that they are among the newest.

use std::pin::pin;

use hoptrail_proto::tempo::{SearchRequest, SearchResponse, TraceSearchMetadata};
use hoptrail_storage::{Inspected, SearchAnswer, SearchPart, TraceHit};
use prost::Message;
use tokio::sync::mpsc::{Sender, channel};

use super::answers::send;
use super::{fitting, number, params};
use crate::Config;
use crate::http::{Api, ApiError, Ask, Params};
use crate::pairs::{self, Pair, Word};
use crate::tempo::answer::search_response;
use crate::tempo::search::request;

/// Each trace comes once and complete, the newest first. The last message says that all is done.
pub(super) async fn search(
    api: Api,
    ask: Ask,
    asked: SearchRequest,
    messages: Sender<SearchResponse>,
) -> Result<(), ApiError> {
    let request = request(&api, &parameters(asked))?;
    let (sender, mut parts) = channel(1);
    let mut search = pin!(api.service.search_in_parts(&ask.tenants, request, sender));
    let (mut all, config) = (1, api.service.config());
    let answer = loop {
        let part = tokio::select! {
            biased;
            Some(part) = parts.recv() => part,
            answer = &mut search => break answer?.value,
        };
        all = part.all.max(1);
        found(part, &messages, config).await;
    };
    while let Ok(part) = parts.try_recv() {
        all = part.all.max(1);
        found(part, &messages, config).await;
    }
    let SearchAnswer { hits, inspected, .. } = answer;
    found(SearchPart { hits, inspected, done: all, all }, &messages, config).await;
    Ok(())
}

fn parameters(asked: SearchRequest) -> Params {
    let tags: Vec<Pair> = asked.tags.into_iter().map(|(key, value)| tag(key, value)).collect();
    params([
        ("q", asked.query),
        ("tags", pairs::write(&tags)),
        ("minDuration", number(asked.min_duration_ms.into(), "ms")),
        ("maxDuration", number(asked.max_duration_ms.into(), "ms")),
        ("limit", number(asked.limit.into(), "")),
        ("start", number(asked.start.into(), "")),
        ("end", number(asked.end.into(), "")),
        ("spss", number(asked.spans_per_span_set.into(), "")),
    ])
}

/// A tag whose key and value are text, whatever they look like.
fn tag(key: String, value: String) -> Pair {
    let word = |text| Word { text, quoted: true };
    Pair { scope: None, key: word(key), negated: false, value: word(value) }
}

/// Sends what was found; an empty message when that is nothing.
async fn found(part: SearchPart, messages: &Sender<SearchResponse>, config: &Config) {
    let SearchPart { hits, inspected, done, all } = part;
    let traces = traces(hits, inspected, config);
    for traces in fitting::pieces(traces, Message::encoded_len) {
        let mut message = response(Vec::new(), inspected, config);
        message.traces = traces;
        if let Some(metrics) = &mut message.metrics {
            metrics.completed_jobs = u32::try_from(done).unwrap_or(u32::MAX);
            metrics.total_jobs = u32::try_from(all).unwrap_or(u32::MAX);
        }
        send(messages, message).await;
    }
}

fn traces(hits: Vec<TraceHit>, inspected: Inspected, config: &Config) -> Vec<TraceSearchMetadata> {
    response(hits, inspected, config).traces.into_iter().map(fitting::trace).collect()
}

fn response(hits: Vec<TraceHit>, inspected: Inspected, config: &Config) -> SearchResponse {
    search_response(SearchAnswer { hits, inspected, next: None }, config)
}
