//! `/metrics/spans`: a snapshot for whoever scrapes it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hoptrail_proto::model::TENANT_HEADER;
use tower_http::compression::CompressionLayer;

use super::{Exporter, protobuf, text};
use crate::Error;
use crate::http::ApiError;

/// The route of the page.
pub fn router(exporter: Arc<Exporter>) -> Router {
    Router::new().route("/metrics/spans", get(page)).layer(CompressionLayer::new()).with_state(exporter)
}

async fn page(State(exporter): State<Arc<Exporter>>, headers: HeaderMap) -> Result<Response, ApiError> {
    let names = headers.get_all(TENANT_HEADER).iter().map(HeaderValue::as_bytes);
    let tenants = exporter.service.config().tenancy.tenants(names)?;
    let snapshot = exporter.snapshot(&tenants).await?;
    let (kind, body) = match wants_protobuf(&headers) {
        true => (protobuf::KIND, protobuf::write(&snapshot)),
        false => (text::KIND, text::write(&snapshot).map_err(Error::internal)?.into_bytes()),
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response())
}

/// Whether protobuf is the first form in the `Accept` header that there is: who asks for it can read native histograms.
fn wants_protobuf(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut forms = accepted.flat_map(|value| value.split(','));
    let known = forms.find(|form| {
        let is_protobuf = form.contains("application/vnd.google.protobuf") && form.contains("delimited");
        is_protobuf || form.contains("openmetrics-text") || form.contains("text/plain")
    });
    known.is_some_and(|form| form.contains("protobuf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_is_for_those_who_ask_for_it_first() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                      application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let text =
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1";
        let later = "text/plain, application/vnd.google.protobuf;encoding=delimited";
        for (accept, expected) in [(native, true), (text, false), (later, false), ("*/*", false)] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_protobuf(&headers), expected, "{accept}");
        }
    }
}
