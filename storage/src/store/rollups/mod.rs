//! Rollups of the store: counted of the head when somebody asks, written when it is sealed, merged and kept longer than spans.
//!
//! A chunk of the head counts what its spans add to those that came before: to the chunks before it, and to segments. So the sum over all
//! chunks and all rollups is what all spans together say, whatever came late, and however often it is asked.

mod count;
mod counted;
mod earlier;
mod read;
#[cfg(test)]
mod tests;
mod upkeep;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hoptrail_proto::model::TenantId;

use super::{Config, lock};
use crate::rollup::SpanNames;
pub(in crate::store) use count::Counting;
pub(in crate::store) use counted::ChunkRollup;
pub(in crate::store) use read::rollups;
pub(in crate::store) use upkeep::{MINUTES_KEPT, kept_from, later, next_run, next_to_age, write_merged};
pub(in crate::store) use write::{NewRollup, check_page, write_readable};

/// What counting needs to know beside the spans.
#[derive(Debug)]
pub(in crate::store) struct RollupRules {
    /// Span names of a service that have series of their own.
    pub(in crate::store) most_names: usize,
    /// Attributes whose values divide the series of spans.
    pub(in crate::store) dimensions: Vec<String>,
    /// Guards the names that are known so far.
    names: Mutex<HashMap<TenantId, Arc<Mutex<SpanNames>>>>,
}

impl From<&Config> for RollupRules {
    fn from(config: &Config) -> Self {
        Self { most_names: config.rollup_names, dimensions: config.rollup_dimensions.clone(), names: Mutex::default() }
    }
}

impl RollupRules {
    /// The names of a tenant.
    fn names(&self, tenant: &TenantId) -> Arc<Mutex<SpanNames>> {
        let mut names: MutexGuard<'_, _> = lock(&self.names);
        let new = || Arc::new(Mutex::new(SpanNames::new(self.most_names)));
        Arc::clone(names.entry(tenant.clone()).or_insert_with(new))
    }
}
