//! The row groups that a query has open.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ReadError;
use crate::segment::SegmentGroup;

/// Spans of the groups kept open, of which up to about 25 bytes each are decoded.
const OPEN_SPANS: usize = 1 << 19;

/// The groups that a query used last, with what was decoded of them: scanning, ordering and gathering ask the same ones.
#[derive(Default)]
pub(super) struct GroupCache<'a> {
    /// The one used last is at the end.
    open: Mutex<Vec<OpenGroup<'a>>>,
}

struct OpenGroup<'a> {
    /// Segment, and index of the group.
    id: (u64, u16),
    group: Arc<SegmentGroup<'a>>,
}

impl<'a> GroupCache<'a> {
    /// The group, from those that are open or opened now.
    pub(super) fn get(
        &self,
        id: (u64, u16),
        open: impl FnOnce() -> Result<SegmentGroup<'a>, ReadError>,
    ) -> Result<Arc<SegmentGroup<'a>>, ReadError> {
        if let Some(known) = self.use_again(id) {
            return Ok(known);
        }
        // Other threads go on meanwhile; one of them may open the same.
        let group = Arc::new(open()?);
        let mut all = self.lock();
        all.push(OpenGroup { id, group: Arc::clone(&group) });
        let mut spans: usize = all.iter().map(|known| known.group.len()).sum();
        while spans > OPEN_SPANS && all.len() > 1 {
            spans -= all.remove(0).group.len();
        }
        Ok(group)
    }

    fn use_again(&self, id: (u64, u16)) -> Option<Arc<SegmentGroup<'a>>> {
        let mut all = self.lock();
        let known = all.iter().position(|known| known.id == id).map(|index| all.remove(index))?;
        let group = Arc::clone(&known.group);
        all.push(known);
        Some(group)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OpenGroup<'a>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
