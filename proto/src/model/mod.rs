//! The trace model in OpenTelemetry's own words, lossless against OTLP v1.

mod distinct;
mod extent;
mod ids;
mod memory;
pub mod sampling;
mod span;
mod tenant;
mod value;

pub use distinct::Distinct;
pub use extent::Extent;
pub use ids::{ParseIdError, SpanId, TraceId};
pub use span::{
    EntityRef, InstrumentationScope, Resource, Span, SpanEvent, SpanKind, SpanLink, Status, StatusCode, Trace,
    TraceSpan,
};
pub use tenant::{InvalidTenant, NoTenant, TENANT_HEADER, Tenancy, TenantId, Tenants};
pub use value::{AnyValue, Attribute};
