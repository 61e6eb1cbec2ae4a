//! The values that a query itself asks for. That they are frequent in its answer is no finding.

use hoptrail_storage::{AttributeScope, CompareOp, Field, Filter, Pipeline, SetExpr, Stage, Value};

/// Where an attribute without a scope may be.
const SCOPES: [AttributeScope; 5] = [
    AttributeScope::Span,
    AttributeScope::Resource,
    AttributeScope::Event,
    AttributeScope::Link,
    AttributeScope::Instrumentation,
];

/// Each field with a value that it is compared with by `=`.
pub(super) fn named_values(pipeline: &Pipeline) -> Vec<(Field, Value)> {
    let mut named = Vec::new();
    add_pipeline(pipeline, &mut named);
    named
}

fn add_pipeline(pipeline: &Pipeline, named: &mut Vec<(Field, Value)>) {
    for stage in &pipeline.stages {
        if let Stage::Sets(set) = stage {
            add_set(set, named);
        }
    }
}

fn add_set(set: &SetExpr, named: &mut Vec<(Field, Value)>) {
    match set {
        SetExpr::Filter(filter) => add_filter(filter, named),
        SetExpr::All(parts) | SetExpr::Any(parts) => parts.iter().for_each(|part| add_set(part, named)),
        SetExpr::Structural { left, right, .. } => {
            add_set(left, named);
            add_set(right, named);
        }
        SetExpr::Pipeline(pipeline) => add_pipeline(pipeline, named),
    }
}

fn add_filter(filter: &Filter, named: &mut Vec<(Field, Value)>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().for_each(|part| add_filter(part, named)),
        Filter::Event(part) | Filter::Link(part) => add_filter(part, named),
        Filter::Compare { field: Field::Attribute { scope: AttributeScope::Any, key }, op: CompareOp::Eq, value } => {
            named.extend(SCOPES.map(|scope| (Field::attribute(scope, key.as_str()), value.clone())));
        }
        Filter::Compare { field, op: CompareOp::Eq, value } => named.push((field.clone(), value.clone())),
        _ => {}
    }
}
