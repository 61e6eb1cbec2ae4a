//! What to do about a warning, for those who run the senders.

use hoptrail_query::assemble::Warning;

/// What it means and what to do; empty when the warning says it all.
pub(super) fn advice(warning: &Warning) -> &'static str {
    match warning {
        Warning::MissingParent(_) => {
            "Reload if the trace is young. Else the parent was sampled away, or its service does not send here: send all services to the \
             same place, and decide once for a whole trace whether it is kept."
        }
        Warning::NotReceived => "",
        Warning::SelfParent | Warning::ParentCycle => {
            "The instrumentation sets ids by itself. Let the SDK make them, and pass the context on as it came."
        }
        Warning::DuplicateId { .. } => {
            "The sender's random numbers repeat, often after a fork or a restored snapshot: seed them anew in each process."
        }
        Warning::SharedId => "",
        Warning::EndBeforeStart { .. } => {
            "The clock was set back while the span ran, or times are set by hand: let the SDK take both from one monotonic clock."
        }
        Warning::ZeroStart | Warning::ImpossibleTime => {
            "Times are nanoseconds since 1970. A sender that sends milliseconds or seconds, or a device without a clock, gives such times."
        }
        Warning::EmptyName => "Name spans after what they do, with few different names: GET /users/{id}.",
        Warning::EmptyService => {
            "Set service.name, for example by OTEL_SERVICE_NAME=shop in the environment of the sender."
        }
        Warning::ClockSkew { .. } => {
            "Let the hosts keep time by NTP. Until then, the clocks can be corrected for this view."
        }
        Warning::StartsBeforeParent { .. } => {
            "On one host this is no clock's fault: the parent was started too late, for example after the context was read."
        }
        Warning::StartsAfterParent { .. } => "",
        Warning::Repaired(_) => {
            "The sender breaks the OTLP specification; what it sent is in the system page's list as well."
        }
        Warning::Dropped { .. } => {
            "Raise the limits of the SDK (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_SPAN_EVENT_COUNT_LIMIT, OTEL_SPAN_LINK_COUNT_LIMIT), or \
             send less."
        }
        Warning::RepeatedAttribute(_) => "Each key may stand once: the sender appends where it should replace.",
        Warning::EventsOutside { .. } => {
            "Events are added after the span ended, or their times come from another clock."
        }
    }
}
