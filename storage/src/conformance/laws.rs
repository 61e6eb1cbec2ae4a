//! What holds for the answers of the plain store, whatever is asked. So it is tested by more than its own code.

use std::collections::BTreeMap;

use hoptrail_proto::model::{TenantId, TraceId, TraceSpan};
use proptest::prelude::*;

use super::answers::pages;
use super::questions::{expr, metrics, pipeline, search, set};
use super::traces::dirty_batch;
use super::write;
use crate::series::MetricsFunction;
use crate::*;

fn store(spans: &[TraceSpan]) -> MemoryStore {
    let store = MemoryStore::default();
    write(&store, &TenantId::single(), spans);
    store
}

/// The spans of an answer, by trace, sorted.
fn found(store: &MemoryStore, spans: Pipeline) -> BTreeMap<TraceId, Vec<String>> {
    let request = SearchRequest { spans, limit: 100, spans_per_set: 100, ..SearchRequest::default() };
    let answer = store.search(&TenantId::single(), &request, &QueryContext::unbounded()).expect("search");
    let spans = |hit: &TraceHit| {
        let mut spans: Vec<String> = hit.spans().map(|span| format!("{span:?}")).collect();
        spans.sort();
        spans
    };
    answer.hits.iter().map(|hit| (hit.trace_id, spans(hit))).collect()
}

fn found_in(store: &MemoryStore, set: SetExpr) -> BTreeMap<TraceId, Vec<String>> {
    found(store, Pipeline { stages: vec![Stage::Sets(set)] })
}

fn structural(relation: Relation, mode: StructuralMode, left: &SetExpr, right: &SetExpr) -> SetExpr {
    SetExpr::Structural { relation, mode, left: Box::new(left.clone()), right: Box::new(right.clone()) }
}

const RELATIONS: [(Relation, Relation); 5] = [
    (Relation::Child, Relation::Parent),
    (Relation::Parent, Relation::Child),
    (Relation::Descendant, Relation::Ancestor),
    (Relation::Ancestor, Relation::Descendant),
    (Relation::Sibling, Relation::Sibling),
];

proptest! {
    #[test]
    fn a_negation_has_the_other_right_hand_spans(spans in dirty_batch(), left in set(1), right in set(1)) {
        let store = store(&spans);
        for (relation, _) in RELATIONS {
            let mut both = found_in(&store, structural(relation, StructuralMode::Plain, &left, &right));
            for (id, more) in found_in(&store, structural(relation, StructuralMode::Negated, &left, &right)) {
                both.entry(id).or_default().extend(more);
            }
            both.values_mut().for_each(|spans| spans.sort());
            prop_assert_eq!(both, found_in(&store, right.clone()), "{:?}", relation);
        }
    }

    #[test]
    fn a_union_has_both_directions(spans in dirty_batch(), left in set(1), right in set(1)) {
        let store = store(&spans);
        for (relation, reversed) in RELATIONS {
            let one = structural(relation, StructuralMode::Plain, &left, &right);
            let other = structural(reversed, StructuralMode::Plain, &right, &left);
            let union = structural(relation, StructuralMode::Union, &left, &right);
            prop_assert_eq!(found_in(&store, union), found_in(&store, SetExpr::Any(vec![one, other])), "{:?}", relation);
        }
    }

    #[test]
    fn groups_have_all_spans(spans in dirty_batch(), before in pipeline(1), value in expr()) {
        let store = store(&spans);
        let mut divided = before.clone();
        divided.stages.push(Stage::By { value, label: "by".into() });
        let whole = found(&store, before);
        prop_assert_eq!(&found(&store, divided.clone()), &whole);
        divided.stages.push(Stage::Coalesce);
        prop_assert_eq!(found(&store, divided), whole);
    }

    #[test]
    fn pages_have_all_rows_in_their_order(spans in dirty_batch(), request in search()) {
        let (store, tenant) = (store(&spans), TenantId::single());
        let request = SearchRequest { limit: request.limit.max(1), ..request };
        let all = SearchRequest { limit: 1000, ..request.clone() };
        let rows = |pages: Vec<(Vec<TraceHit>, Option<Place>)>| -> Vec<TraceHit> {
            pages.into_iter().flat_map(|(hits, _)| hits).collect()
        };
        prop_assert_eq!(rows(pages(&store, &tenant, &request)), rows(pages(&store, &tenant, &all)));
    }

    #[test]
    fn groups_of_series_count_all_spans(spans in dirty_batch(), request in metrics()) {
        let store = store(&spans);
        let count = |by: &[Expr]| {
            let request = MetricsRequest { function: MetricsFunction::Count, by: by.to_vec(), ..request.clone() };
            let answer = store.metrics(&TenantId::single(), &request, &QueryContext::unbounded()).expect("metrics");
            answer.series.iter().flat_map(|series| &series.values).sum::<f64>()
        };
        prop_assert_eq!(count(&request.by), count(&[]));
    }
}
