//! What a request says: parameters in the address, or as a form in the body.

#![expect(clippy::disallowed_types, reason = "our extractors are made of axum's")]

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::{HeaderValue, Uri};
use hoptrail_proto::model::{TENANT_HEADER, Tenants};
use hoptrail_storage::{MINUTE, RollupSteps, TimeRange};
use jiff::Timestamp;

use super::Api;
use super::counter::Times;
use super::error::PromError;
use super::plan::Selector;
use crate::http::{Params, shown};
use crate::traceql::parse_duration;

/// Most bytes of a form.
const MOST_FORM: usize = 60 << 10;
/// Most times of a query; Prometheus has the same bound.
const MOST_TIMES: u64 = 11_000;
const SECOND: f64 = 1e9;

/// A request.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) tenants: Tenants,
    pub(super) params: Params,
}

impl FromRequest<Api> for Ask {
    type Rejection = PromError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, PromError> {
        let (mut parts, body) = request.into_parts();
        let names = parts.headers.get_all(TENANT_HEADER).iter().map(HeaderValue::as_bytes);
        let tenants = api.service.config().tenancy.tenants(names).map_err(crate::http::ApiError::from)?;
        let in_address = Query::<Vec<(String, String)>>::from_request_parts(&mut parts, api).await;
        let mut pairs = in_address.map(|pairs| pairs.0).map_err(|_| unreadable("after the ?"))?;
        let body = axum::body::to_bytes(body, MOST_FORM).await;
        let body = body.map_err(|_| PromError::bad_data(format!("the form has more than {MOST_FORM} bytes")))?;
        if !body.is_empty() {
            pairs.extend(form(&body)?);
        }
        Ok(Self { tenants, params: Params::new(pairs) })
    }
}

/// A form is written like the parameters of an address.
fn form(body: &[u8]) -> Result<Vec<(String, String)>, PromError> {
    let text = std::str::from_utf8(body).map_err(|_| unreadable("in the form"))?;
    let uri = Uri::builder().path_and_query(format!("/?{text}")).build().map_err(|_| unreadable("in the form"))?;
    Ok(Query::try_from_uri(&uri).map_err(|_| unreadable("in the form"))?.0)
}

fn unreadable(place: &str) -> PromError {
    PromError::bad_data(format!("the parameters {place} cannot be read: expected name=value&name=value"))
}

impl Ask {
    pub(super) fn query(&self) -> Result<&str, PromError> {
        self.params.get("query").ok_or_else(|| PromError::bad_data("query is missing: expected a query in PromQL"))
    }

    /// The time of an instant query.
    pub(super) fn instant(&self, now: u64) -> Result<Times, PromError> {
        let start = self.time("time")?.unwrap_or(now);
        Ok(Times { start, step: MINUTE, count: 1, now })
    }

    /// The times of a range query.
    pub(super) fn range(&self, now: u64) -> Result<Times, PromError> {
        let missing = |name: &str| PromError::bad_data(format!("{name} is missing"));
        let start = self.time("start")?.ok_or_else(|| missing("start"))?;
        let end = self.time("end")?.ok_or_else(|| missing("end"))?;
        let step = self.step()?.ok_or_else(|| missing("step"))?;
        let length = end.checked_sub(start).ok_or_else(|| PromError::bad_data("invalid end: it is before start"))?;
        let count = length / step + 1;
        if count > MOST_TIMES {
            return Err(PromError::bad_data(format!(
                "invalid step: there would be {count} times, and the most are {MOST_TIMES}; take a longer step or a shorter range"
            )));
        }
        Ok(Times { start, step, count: count as usize, now })
    }

    /// The time of which labels are asked for; by default everything.
    pub(super) fn whole(&self, now: u64) -> Result<RollupSteps, PromError> {
        let start = self.time("start")?.unwrap_or(0);
        let end = self.time("end")?.unwrap_or(now).max(start);
        Ok(RollupSteps::whole(TimeRange { start, end: end.saturating_add(1) }))
    }

    /// The selectors of `match[]`.
    pub(super) fn selectors(&self) -> Result<Vec<Selector>, PromError> {
        let given = self.params.iter().filter(|(name, _)| *name == "match[]");
        given.map(|(_, text)| Selector::of(text)).collect()
    }

    /// Most that the answer lists; 0 for all.
    pub(super) fn limit(&self) -> Result<usize, PromError> {
        Ok(self.params.count("limit", 0, u32::MAX as usize)?.unwrap_or(0))
    }

    fn time(&self, name: &str) -> Result<Option<u64>, PromError> {
        let Some(text) = self.params.get(name) else { return Ok(None) };
        let invalid = || PromError::bad_data(format!("invalid {name} {}: expected seconds or RFC 3339", shown(text)));
        let nanos = match text.parse::<f64>() {
            Ok(seconds) => nanos(seconds),
            Err(_) => text.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_nanosecond()).ok()),
        };
        nanos.map(Some).ok_or_else(invalid)
    }

    fn step(&self) -> Result<Option<u64>, PromError> {
        let Some(text) = self.params.get("step") else { return Ok(None) };
        let nanos = match text.parse::<f64>() {
            Ok(seconds) => nanos(seconds),
            Err(_) => parse_duration(text).ok().and_then(|nanos| u64::try_from(nanos).ok()),
        };
        let invalid = || {
            PromError::bad_data(format!(
                "invalid step {}: expected seconds or a duration such as 30s, above 0",
                shown(text)
            ))
        };
        nanos.filter(|step| *step >= 1_000_000).map(Some).ok_or_else(invalid)
    }
}

/// Seconds since 1970 as nanoseconds, to the millisecond as Prometheus reads them.
fn nanos(seconds: f64) -> Option<u64> {
    let millis = (seconds * 1000.0).round();
    let fits = (0.0..u64::MAX as f64 / SECOND * 1000.0).contains(&millis);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it fits")]
    fits.then(|| millis as u64 * 1_000_000)
}
