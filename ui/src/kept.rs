//! How long spans of a service usually take, kept for a while: every page of a trace asks for it, and it changes slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hoptrail_proto::model::{SpanKind, TenantId};
use hoptrail_query::rollups::Durations;

/// Durations of a service's spans, by name and kind.
pub(crate) type OfService = HashMap<String, HashMap<SpanKind, Durations>>;

/// Buckets that are kept at most: about 16 MB.
const MOST_BUCKETS: usize = if cfg!(test) { 100 } else { 1 << 20 };
/// What a service and each of its names take beside their buckets, in buckets.
const OWN: usize = 8;

/// Tenant, service, and the end of the day that it is about.
type Key = (TenantId, String, u64);

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    services: HashMap<Key, Arc<OfService>>,
    buckets: usize,
}

impl Kept {
    pub(crate) fn get(&self, tenant: &TenantId, service: &str, end: u64) -> Option<Arc<OfService>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.services.get(&(tenant.clone(), service.to_owned(), end)).cloned()
    }

    /// Keeps it. When there is too much, all that was kept before is forgotten.
    pub(crate) fn keep(&self, tenant: &TenantId, service: &str, end: u64, durations: &Arc<OfService>) {
        let of_name = |kinds: &HashMap<SpanKind, Durations>| {
            kinds.values().map(|own| own.buckets.len() + OWN).sum::<usize>() + OWN
        };
        let buckets = durations.values().map(of_name).sum::<usize>() + OWN;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.buckets + buckets > MOST_BUCKETS {
            *state = State::default();
        }
        let key = (tenant.clone(), service.to_owned(), end);
        if buckets <= MOST_BUCKETS && state.services.insert(key, Arc::clone(durations)).is_none() {
            state.buckets += buckets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_bounded() {
        let (kept, tenant) = (Kept::default(), TenantId::single());
        let of_service = Arc::new(OfService::from([("GET /".to_owned(), HashMap::new())]));
        kept.keep(&tenant, "shop", 60, &of_service);
        assert!(kept.get(&tenant, "shop", 60).is_some());
        let others = [(TenantId::new("other").expect("a tenant"), "shop", 60), (tenant.clone(), "cart", 60)];
        assert!(others.iter().all(|(tenant, service, end)| kept.get(tenant, service, *end).is_none()));
        assert!(kept.get(&tenant, "shop", 120).is_none());
        for end in 0..1_000 {
            kept.keep(&tenant, "shop", end, &of_service);
        }
        assert!(kept.get(&tenant, "shop", 999).is_some());
        assert!(kept.0.lock().expect("no panic").services.len() <= MOST_BUCKETS / OWN);
    }
}
