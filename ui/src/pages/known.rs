//! A trace by the id in an address.

use hoptrail_proto::model::{Trace, TraceId};

use super::dropped;
use crate::context::Visit;
use crate::error::PageError;
use crate::format;

/// The trace, and what of it the store could not read.
pub(crate) async fn known(visit: &Visit, id: TraceId) -> Result<(Trace, Option<String>), PageError> {
    let answer = visit.service().trace(&visit.tenant, id).await?;
    let damage = answer.notice();
    match answer.value.filter(|trace| !trace.spans.is_empty()).or_else(|| opened(visit, id)) {
        Some(trace) => Ok((trace, damage)),
        // Nobody knows whether it was there.
        None if damage.is_some() => Err(PageError::Damaged),
        None => Err(PageError::UnknownTrace(id, dropped::dropped(visit))),
    }
}

/// The trace of a file that somebody opened.
pub(crate) fn opened(visit: &Visit, id: TraceId) -> Option<Trace> {
    visit.app.opened.trace(&visit.tenant, id, visit.now).map(|trace| Trace::clone(&trace))
}

/// The id that a text is.
pub(crate) fn trace_id(text: &str) -> Result<TraceId, PageError> {
    let text = text.trim();
    text.parse().map_err(|reason| PageError::BadTraceId { text: format::shortened(text, 100), reason })
}
