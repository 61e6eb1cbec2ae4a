//! The roots of traces, by column. Nearly all traces are in one unit, which knows the root then.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use hoptrail_proto::model::TraceId;

use super::selected::Selected;
use crate::ReadError;
use crate::codec::len_u32;
use crate::rows::{TableKind, text};
use crate::scan::{FirstRoot, RowGroup};
use crate::store::read::trace_loader::TraceLoader;

/// Memory of a trace that is in several units, about.
const TRACE_BYTES: usize = 128;

/// Service and name of a root span; `None` while it has not arrived.
pub(super) type Root = Option<(String, String)>;

/// Where a root is known.
#[derive(Debug, Clone)]
pub(super) enum RootOf {
    /// The unit itself has it, with this resource and this name.
    Here(u32, u32),
    /// Other units may have it.
    Elsewhere(Root),
}

/// The roots of all traces of a query.
pub(super) struct Roots<'s, 'a> {
    loader: &'s TraceLoader<'s, 'a>,
    /// Those of traces in several units.
    known: Mutex<HashMap<TraceId, Root>>,
}

/// The roots of a unit's rows.
pub(super) struct UnitRoots {
    /// For each row, ascending, an index into the roots.
    pub(super) of_rows: Vec<u32>,
    /// Several may be the same.
    pub(super) roots: Vec<RootOf>,
}

impl<'s, 'a> Roots<'s, 'a> {
    pub(super) fn of(loader: &'s TraceLoader<'s, 'a>) -> Self {
        Self { loader, known: Mutex::default() }
    }

    /// The roots of the rows' traces.
    pub(super) fn of_unit(&self, selected: &Selected<'_>) -> Result<UnitRoots, ReadError> {
        let group = selected.group;
        let (of_rows, firsts) = group.first_roots(&selected.rows)?;
        let table = &*group.table(TableKind::Span);
        let shapes = table.shapes()?;
        // Few of the roots of a unit differ.
        let mut numbers: HashMap<Option<(u32, u32)>, u32> = HashMap::new();
        let (mut roots, mut of_traces) = (Vec::new(), Vec::with_capacity(firsts.len()));
        for first in &firsts {
            let mut add = |root: RootOf| {
                roots.push(root);
                len_u32(roots.len() - 1)
            };
            let is_here = first.is_alone && !self.loader.snapshot.view.is_elsewhere(first.id, selected.unit);
            of_traces.push(if is_here {
                let shape = first.shape.and_then(|shape| shapes.get(shape));
                let key = shape.map(|shape| (shape.resource, shape.name));
                let root = || key.map_or(RootOf::Elsewhere(None), |(resource, name)| RootOf::Here(resource, name));
                *numbers.entry(key).or_insert_with(|| add(root()))
            } else {
                add(RootOf::Elsewhere(self.of_split(first)?))
            });
        }
        let of_row = |trace: u32| of_traces.get(trace as usize).copied().unwrap_or_default();
        Ok(UnitRoots { of_rows: of_rows.into_iter().map(of_row).collect(), roots })
    }

    /// The root of a trace that may be in several units.
    fn of_split(&self, first: &FirstRoot) -> Result<Root, ReadError> {
        if let Some(root) = self.known().get(&first.id) {
            return Ok(root.clone());
        }
        self.loader.context.check()?;
        let units = self.loader.holders(first.id)?;
        let root = self.loader.summary(first.id, &units)?.and_then(|summary| summary.root);
        self.loader.context.reserve(TRACE_BYTES)?.keep();
        self.known().insert(first.id, root.clone());
        Ok(root)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<TraceId, Root>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RootOf {
    /// Service and name.
    pub(super) fn texts(&self, group: &dyn RowGroup) -> Root {
        match self {
            Self::Elsewhere(root) => root.clone(),
            Self::Here(resource, name) => {
                let resource = group.resources().get(*resource as usize);
                let name = text(group.table(TableKind::Span).name(*name));
                Some((resource.map_or("", |own| own.service_name()).to_owned(), name))
            }
        }
    }
}
