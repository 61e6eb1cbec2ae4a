//! Whose spans a request holds.

use hoptrail_proto::model::TenantId;
use http::HeaderMap;

use crate::error::Failure;

/// The header, and the gRPC metadata, that names the tenant.
const HEADER: &str = "x-scope-orgid";

/// Who may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenancy {
    /// Everybody is the same tenant; the header is ignored.
    Single,
    /// The header is required.
    Multi,
}

impl Tenancy {
    /// The tenant of a request with these headers.
    pub(crate) fn tenant(self, headers: &HeaderMap) -> Result<TenantId, Failure> {
        if self == Self::Single {
            return Ok(TenantId::single());
        }
        let name = headers.get(HEADER).ok_or(Failure::TenantMissing)?;
        Ok(TenantId::new(&String::from_utf8_lossy(name.as_bytes()))?)
    }
}
