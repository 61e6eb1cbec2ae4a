//! What every request says: whose data it asks for, with which parameters, and in which form.

#![expect(clippy::disallowed_types, reason = "our extractors are made of axum's")]

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use hoptrail_proto::model::TenantId;

use super::Api;
use super::error::ApiError;
use super::params::Params;
use super::respond::Format;

/// The common part of a request.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) tenant: TenantId,
    pub(crate) params: Params,
    pub(crate) format: Format,
}

impl FromRequestParts<Api> for Ask {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let tenant = tenant(&parts.headers, api.service.config().multi_tenant)?;
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|_| {
            ApiError::invalid("the parameters after the ? cannot be read: expected name=value&name=value")
        })?;
        Ok(Self { tenant, params: Params::new(pairs.0), format: Format::of(&parts.headers) })
    }
}

/// The part of the path that names something.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl FromRequestParts<Api> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        path.map(|Path(name)| Self(name))
            .map_err(|_| ApiError::invalid("the path is no UTF-8 text once its %-escapes are read"))
    }
}

/// The tenant of header `X-Scope-OrgID`, which counts only when there is more than one.
fn tenant(headers: &HeaderMap, multi_tenant: bool) -> Result<TenantId, ApiError> {
    if !multi_tenant {
        return Ok(TenantId::single());
    }
    let header = headers.get("x-scope-orgid").filter(|name| !name.is_empty()).ok_or_else(ApiError::no_tenant)?;
    let name = header.to_str().map_err(|_| ApiError::invalid("X-Scope-OrgID is not ASCII"))?;
    TenantId::new(name).map_err(|error| ApiError::invalid(error.to_string()))
}
