//! What every request says: whose data it asks for, with which parameters, and in which form.

#![expect(clippy::disallowed_types, reason = "our extractors are made of axum's")]

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use hoptrail_proto::model::{TENANT_HEADER, Tenants};

use super::Api;
use super::error::ApiError;
use super::params::Params;
use super::respond::Format;

/// The common part of a request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) tenants: Tenants,
    pub(crate) params: Params,
    pub(crate) format: Format,
}

impl FromRequestParts<Api> for Ask {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let names = parts.headers.get_all(TENANT_HEADER).iter().map(HeaderValue::as_bytes);
        let tenants = api.service.config().tenancy.tenants(names)?;
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|_| {
            ApiError::invalid("the parameters after the ? cannot be read: expected name=value&name=value")
        })?;
        Ok(Self { tenants, params: Params::new(pairs.0), format: Format::of(&parts.headers) })
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
