//! `Search`: traces as soon as it is certain that they are among the newest.

use std::pin::pin;

use hoptrail_proto::tempo::{SearchRequest, SearchResponse};
use hoptrail_storage::{SearchAnswer, SearchPart};
use prost::Message;
use tokio::sync::mpsc::{Sender, channel};

use super::answers::send;
use super::{fitting, number, params};
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
    let mut all = 1;
    let answer = loop {
        let part = tokio::select! {
            biased;
            Some(part) = parts.recv() => part,
            answer = &mut search => break answer?.value,
        };
        all = part.all.max(1);
        found(&api, part, &messages).await;
    };
    while let Ok(part) = parts.try_recv() {
        all = part.all.max(1);
        found(&api, part, &messages).await;
    }
    let SearchAnswer { hits, inspected, .. } = answer;
    found(&api, SearchPart { hits, inspected, done: all, all }, &messages).await;
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
async fn found(api: &Api, part: SearchPart, messages: &Sender<SearchResponse>) {
    let SearchPart { hits, inspected, done, all } = part;
    let answer = SearchAnswer { hits, inspected, next: None };
    let SearchResponse { traces, metrics } = search_response(answer, api.service.config());
    let metrics = metrics.map(|metrics| fitting::with_jobs(metrics, done, all));
    let traces = traces.into_iter().map(fitting::trace).collect();
    for traces in fitting::pieces(traces, Message::encoded_len) {
        send(messages, SearchResponse { traces, metrics }).await;
    }
}
