//! `SearchTags`, `SearchTagsV2`, `SearchTagValues` and `SearchTagValuesV2`: lists, in as many messages as they need.

use hoptrail_proto::tempo::{
    SearchTagValuesRequest, SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsRequest, SearchTagsResponse,
    SearchTagsV2Response,
};
use prost::Message;
use tokio::sync::mpsc::Sender;

use super::answers::send;
use super::{fitting, number, params};
use crate::http::{Api, ApiError, Ask};
use crate::tempo::{names as keys, values as listed};

/// The keys of all scopes.
pub(super) async fn names(
    api: Api,
    ask: Ask,
    asked: SearchTagsRequest,
    messages: Sender<SearchTagsResponse>,
) -> Result<(), ApiError> {
    let (SearchTagsResponse { tag_names, metrics }, _) = keys::all_names(&api, &about_names(ask, asked)).await?;
    for tag_names in fitting::pieces(tag_names, String::len) {
        send(&messages, SearchTagsResponse { tag_names, metrics }).await;
    }
    Ok(())
}

/// The keys by scope.
pub(super) async fn names_v2(
    api: Api,
    ask: Ask,
    asked: SearchTagsRequest,
    messages: Sender<SearchTagsV2Response>,
) -> Result<(), ApiError> {
    let (SearchTagsV2Response { scopes, metrics }, _) = keys::names_by_scope(&api, &about_names(ask, asked)).await?;
    for scopes in fitting::pieces(fitting::scopes(scopes), Message::encoded_len) {
        send(&messages, SearchTagsV2Response { scopes, metrics }).await;
    }
    Ok(())
}

/// Values as text.
pub(super) async fn values(
    api: Api,
    ask: Ask,
    asked: SearchTagValuesRequest,
    messages: Sender<SearchTagValuesResponse>,
) -> Result<(), ApiError> {
    let (ask, name) = about_values(ask, asked)?;
    let (SearchTagValuesResponse { tag_values, metrics }, _) = listed::texts(&api, &ask, &name).await?;
    for tag_values in fitting::pieces(tag_values, String::len) {
        send(&messages, SearchTagValuesResponse { tag_values, metrics }).await;
    }
    Ok(())
}

/// Values with their types.
pub(super) async fn values_v2(
    api: Api,
    ask: Ask,
    asked: SearchTagValuesRequest,
    messages: Sender<SearchTagValuesV2Response>,
) -> Result<(), ApiError> {
    let (ask, name) = about_values(ask, asked)?;
    let (SearchTagValuesV2Response { tag_values, metrics }, _) = listed::typed_values(&api, &ask, &name).await?;
    for tag_values in fitting::pieces(tag_values, Message::encoded_len) {
        send(&messages, SearchTagValuesV2Response { tag_values, metrics }).await;
    }
    Ok(())
}

fn about_names(ask: Ask, asked: SearchTagsRequest) -> Ask {
    let params = params([
        ("scope", asked.scope),
        ("q", asked.query),
        ("start", number(asked.start.into(), "")),
        ("end", number(asked.end.into(), "")),
        ("limit", number(asked.max_tags_per_scope.into(), "")),
    ]);
    Ask { params, ..ask }
}

/// The question, and the name of the attribute.
fn about_values(ask: Ask, asked: SearchTagValuesRequest) -> Result<(Ask, String), ApiError> {
    if asked.tag_name.is_empty() {
        return Err(ApiError::invalid("tagName is missing: expected the name of an attribute"));
    }
    let params = params([
        ("q", asked.query),
        ("start", number(asked.start.into(), "")),
        ("end", number(asked.end.into(), "")),
        ("limit", number(asked.max_tag_values.into(), "")),
    ]);
    Ok((Ask { params, ..ask }, asked.tag_name))
}
