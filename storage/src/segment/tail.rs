//! The tail of a segment: the pages that its groups share. It comes after the groups, as if it were the last one.

use hoptrail_proto::model::TenantId;

use super::{PageId, pages};
use crate::codec::Damaged;
use crate::codec::bytes::{Input, put_bytes, put_varint};
use crate::rows::TableKind;

/// The group that the pages of the tail are in.
pub(crate) const GROUP: u16 = u16::MAX;
/// Everything that is needed before a page of a group is read.
pub(crate) const METADATA: PageId = page(0);
/// A filter over the trace ids of all groups.
pub(crate) const TRACE_FILTER: PageId = page(4);
/// For each group a filter over its trace ids.
pub(crate) const GROUP_TRACE_FILTERS: PageId = page(5);
/// The services and span names.
pub(crate) const NAMES: PageId = page(6);
/// Tenant and arrival: see [`About`].
pub(crate) const ABOUT: PageId = page(8);

/// What pages a rollup has.
pub(crate) const ROLLUP: PageId = page(9);

const VERSION: u8 = 1;

const fn page(page: u32) -> PageId {
    PageId { group: GROUP, page }
}

/// The shapes of a table.
pub(crate) fn shapes(kind: TableKind) -> PageId {
    page(1 + kind as u32)
}

/// The filter over the values of a column in all groups.
pub(crate) fn value_filter(kind: TableKind, column: u32) -> PageId {
    page(PageId::column(kind, column).saturating_add(pages::FILTERS))
}

/// The tenant of a segment, and when its first and last request arrived, in nanoseconds since 1970 UTC. A lost catalog entry is made again
/// from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) tenant: TenantId,
    pub(crate) received: (u64, u64),
}

impl About {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_bytes(&mut out, self.tenant.as_str().as_bytes());
        put_varint(&mut out, self.received.0);
        put_varint(&mut out, self.received.1);
        out
    }

    pub(crate) fn decode(page: &[u8]) -> Result<Self, Damaged> {
        let mut input = Input(page);
        if input.byte()? != VERSION {
            return Err(Damaged("unknown version of the page about the segment"));
        }
        let tenant = TenantId::new(input.text()?).map_err(|_| Damaged("not a tenant"))?;
        Ok(Self { tenant, received: (input.varint()?, input.varint()?) })
    }
}
