//! `/api/search/tags` and `/api/v2/search/tags`: which attribute keys are in use, by all spans or by those that match `q`.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use hoptrail_proto::tempo::{MetadataMetrics, SearchTagsResponse, SearchTagsV2Response, SearchTagsV2Scope};
use hoptrail_storage::{AttributeKeysRequest, AttributeScope, Filter};

use super::range;
use crate::http::{Api, ApiError, Ask, message, shown, truncated};
use crate::traceql::{SCOPES, lenient_filter};

/// The intrinsics that an editor offers.
const INTRINSICS: [&str; 20] = [
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:kind",
    "span:name",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
];

/// The scopes that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scopes {
    All,
    Attributes(AttributeScope),
    Intrinsics,
    /// A scope that has no attributes of its own.
    Nothing,
}

/// `/api/search/tags`: the keys of all scopes; intrinsics only when asked for.
pub(super) async fn names(State(api): State<Api>, ask: Ask) -> Result<Response, ApiError> {
    let (answer, cut) = all_names(&api, &ask).await?;
    Ok(truncated(message(ask.format, &answer)?, cut))
}

/// `/api/v2/search/tags`: the keys by scope.
pub(super) async fn names_v2(State(api): State<Api>, ask: Ask) -> Result<Response, ApiError> {
    let (answer, cut) = names_by_scope(&api, &ask).await?;
    Ok(truncated(message(ask.format, &answer)?, cut))
}

/// The keys of all scopes, and what was cut.
pub(super) async fn all_names(api: &Api, ask: &Ask) -> Result<(SearchTagsResponse, Option<String>), ApiError> {
    let asked = asked_scopes(ask)?;
    let (scopes, cut) = scopes(api, ask, asked).await?;
    let attributes = scopes.into_iter().filter(|scope| asked != Scopes::All || scope.name != "intrinsic");
    let keys: BTreeSet<String> = attributes.flat_map(|scope| scope.tags).collect();
    Ok((SearchTagsResponse { tag_names: keys.into_iter().collect(), metrics: Some(one_job()) }, cut))
}

/// The keys by scope, and what was cut.
pub(super) async fn names_by_scope(api: &Api, ask: &Ask) -> Result<(SearchTagsV2Response, Option<String>), ApiError> {
    let (scopes, cut) = scopes(api, ask, asked_scopes(ask)?).await?;
    Ok((SearchTagsV2Response { scopes, metrics: Some(one_job()) }, cut))
}

/// The work behind a list.
pub(super) fn one_job() -> MetadataMetrics {
    MetadataMetrics { total_jobs: 1, completed_jobs: 1, ..MetadataMetrics::default() }
}

fn asked_scopes(ask: &Ask) -> Result<Scopes, ApiError> {
    let Some(name) = ask.params.get("scope") else { return Ok(Scopes::All) };
    match (SCOPES.into_iter().find(|(known, _)| *known == name), name) {
        (Some((_, scope)), _) => Ok(Scopes::Attributes(scope)),
        (None, "none") => Ok(Scopes::All),
        (None, "intrinsic") => Ok(Scopes::Intrinsics),
        (None, "trace") => Ok(Scopes::Nothing),
        _ => Err(ApiError::invalid(format!(
            "invalid scope {}; there are resource, span, event, link, instrumentation, intrinsic, trace and none",
            shown(name)
        ))),
    }
}

/// The scopes that have keys, each with at most `limit`, and what was cut.
async fn scopes(api: &Api, ask: &Ask, asked: Scopes) -> Result<(Vec<SearchTagsV2Scope>, Option<String>), ApiError> {
    let limit = ask.params.count("limit", 0, u32::MAX as usize)?.filter(|limit| *limit > 0);
    let range = range::open(&ask.params)?;
    let mut out = Vec::new();
    if matches!(asked, Scopes::All | Scopes::Attributes(_)) {
        let filter = ask.params.get("q").map_or(Filter::True, lenient_filter);
        let request = AttributeKeysRequest { filter, range };
        let keys = api.service.attribute_keys(&ask.tenants, request).await?.value;
        for (name, scope) in SCOPES {
            if asked == Scopes::All || asked == Scopes::Attributes(scope) {
                let of_scope = keys.iter().filter(|(found, _)| *found == scope);
                let tags: Vec<String> = of_scope.map(|(_, key)| key.clone()).collect();
                out.push(SearchTagsV2Scope { name: name.to_owned(), tags });
            }
        }
        out.retain(|scope| !scope.tags.is_empty());
    }
    if matches!(asked, Scopes::All | Scopes::Intrinsics) {
        let tags = INTRINSICS.into_iter().map(str::to_owned).collect();
        out.push(SearchTagsV2Scope { name: "intrinsic".to_owned(), tags });
    }
    let mut cut = None;
    for scope in &mut out {
        if let Some(limit) = limit.filter(|limit| *limit < scope.tags.len()) {
            scope.tags.truncate(limit);
            cut = Some(format!("limit={limit}"));
        }
    }
    Ok((out, cut))
}
