//! Finds the parents of spans, also where ids are shared or go in circles. The trace page draws trees by the same rules: `assemble` in the
//! query crate applies them to whole spans, this module applies them to columns.
//!
//! 1. A span that names no parent has none, and so does one that names itself.
//! 2. Two spans that share an id and a parent may be the client and the server of one call (or producer and consumer), because Zipkin gives
//!    both sides one id. Then the client is the parent of the server.
//! 3. Otherwise the parent is the span with the named id. When several have it, spans of the child's service are preferred, then servers
//!    and consumers, then the first one.
//! 4. In a circle the first span has no parent.
//!
//! The *first* is by [`SpanIdentity`], and so by start.

use hashbrown::HashMap;
use hoptrail_proto::model::{SpanId, SpanKind};

use crate::ReadError;

/// The parent of a span, as far as its group knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParentRow {
    /// It has none.
    Root,
    /// It is not in the group: the trace may have it elsewhere, or it never came.
    Outside,
    /// It has this row.
    Row(u32),
}

impl ParentRow {
    /// The same where the row is counted from a row `first`.
    pub(crate) fn after(self, first: u32) -> Self {
        match self {
            Self::Row(row) => Self::Row(first.saturating_add(row)),
            other => other,
        }
    }
}

/// What a span says of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It names none.
    None,
    /// It names this id.
    Id(SpanId),
    /// It names the id of this span of the trace, which has a lower index.
    Before(usize),
}

/// What differs between spans of one id. Spans of a trace are ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpanIdentity<'g> {
    pub(crate) start: u64,
    pub(crate) span_id: SpanId,
    pub(crate) end: u64,
    pub(crate) kind: SpanKind,
    pub(crate) name: &'g [u8],
    pub(crate) service: &'g str,
}

impl SpanIdentity<'_> {
    fn serves(&self) -> bool {
        matches!(self.kind, SpanKind::Server | SpanKind::Consumer)
    }
}

/// The parents of the spans of one trace, as indexes among them. `identity` is called only for shared ids and circles, which are rare.
pub(crate) fn decide<'g>(
    spans: &[(SpanId, Link)],
    identity: &dyn Fn(usize) -> Result<SpanIdentity<'g>, ReadError>,
) -> Result<Vec<ParentRow>, ReadError> {
    let ids = Ids::of(spans);
    let shared = ids.shared(spans, identity)?;
    let mut parents = Vec::with_capacity(spans.len());
    for (index, (id, link)) in spans.iter().enumerate() {
        let named = match *link {
            Link::None => None,
            Link::Id(parent) => Some(parent),
            // Without shared ids, which is nearly always, no search is needed.
            Link::Before(parent) if shared.is_empty() => {
                parents.push(row(parent));
                continue;
            }
            Link::Before(parent) => spans.get(parent).map(|(id, _)| *id),
        };
        parents.push(match (shared.get(id).and_then(|spans| spans.client_of(index)), named) {
            (Some(client), _) => row(client),
            (None, None) => ParentRow::Root,
            (None, Some(parent)) if parent == *id => ParentRow::Root,
            (None, Some(parent)) => match shared.get(&parent) {
                Some(candidates) => row(candidates.parent_of(identity(index)?.service)),
                None => ids.first(parent).map_or(ParentRow::Outside, row),
            },
        });
    }
    cut_circles(&mut parents, identity)?;
    Ok(parents)
}

fn row(index: usize) -> ParentRow {
    u32::try_from(index).map_or(ParentRow::Outside, ParentRow::Row)
}

/// The ids of a trace with the indexes of their spans, sorted. They are not hashed, because clients choose them.
struct Ids(Vec<(SpanId, usize)>);

impl Ids {
    fn of(spans: &[(SpanId, Link)]) -> Self {
        let mut ids: Vec<_> = spans.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
        ids.sort_unstable();
        Self(ids)
    }

    fn first(&self, id: SpanId) -> Option<usize> {
        let place = self.0.partition_point(|(known, _)| *known < id);
        self.0.get(place).filter(|(known, _)| *known == id).map(|(_, index)| *index)
    }

    /// The spans of each id that several have.
    fn shared<'g>(
        &self,
        spans: &[(SpanId, Link)],
        identity: &dyn Fn(usize) -> Result<SpanIdentity<'g>, ReadError>,
    ) -> Result<HashMap<SpanId, SameId<'g>>, ReadError> {
        let mut shared = HashMap::new();
        for same in self.0.chunk_by(|(one, _), (other, _)| one == other).filter(|same| same.len() > 1) {
            let mut known =
                same.iter().map(|(_, index)| Ok((identity(*index)?, *index))).collect::<Result<Vec<_>, ReadError>>()?;
            known.sort_unstable();
            if let Some((id, _)) = same.first() {
                shared.insert(*id, SameId::of(&known, spans));
            }
        }
        Ok(shared)
    }
}

/// Several spans of one id.
struct SameId<'g> {
    /// The client and the server of one call.
    sides: Option<(usize, usize)>,
    any: Best,
    of_service: HashMap<&'g str, Best>,
}

/// The first of some spans, and the first server or consumer among them.
#[derive(Clone, Copy)]
struct Best {
    first: usize,
    serving: Option<usize>,
}

impl Best {
    fn add(&mut self, span: &SpanIdentity<'_>, index: usize) {
        if self.serving.is_none() && span.serves() {
            self.serving = Some(index);
        }
    }
}

impl<'g> SameId<'g> {
    /// Makes it of spans that are sorted.
    fn of(sorted: &[(SpanIdentity<'g>, usize)], spans: &[(SpanId, Link)]) -> Self {
        let first = sorted.first().map_or(0, |(_, index)| *index);
        let mut same =
            Self { sides: sides(sorted, spans), any: Best { first, serving: None }, of_service: HashMap::new() };
        for (span, index) in sorted {
            same.any.add(span, *index);
            let of_service = same.of_service.entry(span.service);
            of_service.or_insert(Best { first: *index, serving: None }).add(span, *index);
        }
        same
    }

    /// The client of the call that this span is the server of.
    fn client_of(&self, index: usize) -> Option<usize> {
        self.sides.filter(|(_, server)| *server == index).map(|(client, _)| client)
    }

    /// Which of them is the parent of a child of this service.
    fn parent_of(&self, service: &str) -> usize {
        let Best { first, serving } = self.of_service.get(service).copied().unwrap_or(self.any);
        serving.unwrap_or(first)
    }
}

/// The client and the server of one call; `None` when the spans are no such pair.
fn sides(sorted: &[(SpanIdentity<'_>, usize)], spans: &[(SpanId, Link)]) -> Option<(usize, usize)> {
    let &[(one, first), (other, second)] = sorted else { return None };
    if named_parent(spans, first) != named_parent(spans, second) {
        return None;
    }
    match (one.kind, other.kind) {
        (SpanKind::Client, SpanKind::Server) | (SpanKind::Producer, SpanKind::Consumer) => Some((first, second)),
        (SpanKind::Server, SpanKind::Client) | (SpanKind::Consumer, SpanKind::Producer) => Some((second, first)),
        _ => None,
    }
}

fn named_parent(spans: &[(SpanId, Link)], index: usize) -> Option<SpanId> {
    match spans.get(index)?.1 {
        Link::None => None,
        Link::Id(id) => Some(id),
        Link::Before(parent) => spans.get(parent).map(|(id, _)| *id),
    }
}

/// Makes the first span of every circle a root.
fn cut_circles<'g>(
    parents: &mut [ParentRow],
    identity: &dyn Fn(usize) -> Result<SpanIdentity<'g>, ReadError>,
) -> Result<(), ReadError> {
    // A circle needs a parent with a higher index than its child.
    if parents.iter().enumerate().all(|(index, parent)| above(*parent).is_none_or(|parent| parent < index)) {
        return Ok(());
    }
    let mut seen_in = vec![usize::MAX; parents.len()];
    for walk in 0..parents.len() {
        let mut at = walk;
        while let Some(seen) = seen_in.get_mut(at).filter(|seen| **seen == usize::MAX) {
            *seen = walk;
            match parents.get(at).copied().and_then(above) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        if seen_in.get(at) == Some(&walk) && parents.get(at).copied().and_then(above).is_some() {
            let first = first_of_circle(parents, at, identity)?;
            if let Some(parent) = parents.get_mut(first) {
                *parent = ParentRow::Root;
            }
        }
    }
    Ok(())
}

fn above(parent: ParentRow) -> Option<usize> {
    match parent {
        ParentRow::Row(row) => Some(row as usize),
        ParentRow::Root | ParentRow::Outside => None,
    }
}

/// The first span of the circle that `member` is in.
fn first_of_circle<'g>(
    parents: &[ParentRow],
    member: usize,
    identity: &dyn Fn(usize) -> Result<SpanIdentity<'g>, ReadError>,
) -> Result<usize, ReadError> {
    let mut first = (identity(member)?, member);
    let mut at = member;
    while let Some(parent) = parents.get(at).copied().and_then(above).filter(|parent| *parent != member) {
        first = first.min((identity(parent)?, parent));
        at = parent;
    }
    Ok(first.1)
}
