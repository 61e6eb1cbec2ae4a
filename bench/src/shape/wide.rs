//! Forty services with fifty attribute keys of their own each: 2,000 keys, of which a span has 10 to 14. One span of a hundred has
//! twelve keys from anywhere, so that hardly two of these are alike.

use hoptrail_proto::otlp::types::common::v1::{InstrumentationScope, KeyValue, any_value::Value};
use hoptrail_proto::otlp::types::resource::v1::Resource;
use hoptrail_proto::otlp::types::trace::v1::{Span as OtlpSpan, Status};
use rand::RngExt;

use super::{Dice, Mark, Node, Span, Topic, attribute, number, text};

const SERVICES: usize = 40;
const PODS: usize = 2;
/// Resources.
pub(super) const RESOURCES: usize = SERVICES * PODS;
/// Keys of a service.
const KEYS: usize = 50;
/// Operations of a service; each has its share of the keys.
const OPERATIONS: usize = 5;
const KEYS_OF_AN_OPERATION: usize = KEYS / OPERATIONS;
/// Values of a text with many.
const MANY: u64 = 200_000;

/// The spans of a trace.
pub(super) fn spans(dice: &mut Dice, tree: impl FnOnce(&mut Dice) -> Vec<Node>) -> Vec<Span> {
    let nodes = tree(dice);
    nodes.into_iter().map(|node| span(dice, node)).collect()
}

/// The resource of a pod, and the scope of its spans.
pub(super) fn resource(pod: usize) -> (Resource, InstrumentationScope) {
    let attributes = vec![
        text("service.name", service(pod / PODS)),
        text("service.instance.id", format!("{}-{}", service(pod / PODS), pod % PODS)),
        text("telemetry.sdk.name", "opentelemetry"),
    ];
    let scope = InstrumentationScope { name: "wide".to_owned(), ..InstrumentationScope::default() };
    (Resource { attributes, ..Resource::default() }, scope)
}

/// TraceQL for the spans with this mark.
pub(super) fn query(mark: Mark) -> String {
    let index = mark.value as usize;
    match mark.topic {
        Topic::Rare => {
            let key = key((mark.value / MANY) as usize);
            format!(r#"{{ span.{key} = "{}" }}"#, many(mark.value % MANY))
        }
        Topic::Failed => format!(r#"{{ resource.service.name = "{}" && status = error }}"#, service(index)),
        Topic::Slow => format!(r#"{{ name = "{}" && duration > {}ms }}"#, name(index), slow(index) / 1_000_000),
        Topic::Below | Topic::ManyFailed => unreachable!("only the shop has such marks"),
        Topic::Regex | Topic::Beginning => {
            let key = key((mark.value / MANY) as usize);
            format!(r#"{{ span.{key} =~ "item-{}[0-9][0-9]-of-.*" }}"#, mark.value % MANY)
        }
    }
}

/// TraceQL for a value that no span has.
pub(super) fn absent(number: usize) -> String {
    format!(r#"{{ span.{} = "nothing-{number}" }}"#, key(number * KEYS_OF_AN_OPERATION % (SERVICES * KEYS)))
}

/// TraceQL for values of a key that no span has.
pub(super) fn absent_regex(number: usize) -> String {
    let key = key(number * KEYS_OF_AN_OPERATION % (SERVICES * KEYS));
    format!(r#"{{ span.{key} =~ "item-{number}[0-9]*-of-none.*" }}"#)
}

fn service(index: usize) -> String {
    format!("team-{index:02}")
}

fn name(index: usize) -> String {
    format!("{}/operation-{}", service(index / OPERATIONS), index % OPERATIONS)
}

/// From when on a span of this name counts as slow, nanoseconds.
fn slow(name: usize) -> u64 {
    (50 + name as u64) * 1_000_000
}

fn key(index: usize) -> String {
    format!("team{:02}.field{:02}", index / KEYS, index % KEYS)
}

/// A text of many values.
fn many(value: u64) -> String {
    format!("item-{value}-of-{}", value % 7)
}

/// The first key of each operation is a text of many values; the others take turns.
fn value(dice: &mut Dice, index: usize) -> (KeyValue, Option<u64>) {
    let key = key(index);
    match index % KEYS_OF_AN_OPERATION {
        0 => {
            let value = dice.random_range(0..MANY);
            (text(key, many(value)), Some(value))
        }
        1..=3 => (text(key, format!("choice-{}", dice.random_range(0..12))), None),
        4..=6 => (number(key, dice.random_range(0..5_000)), None),
        7 | 8 => (attribute(key, Value::DoubleValue(f64::from(dice.random_range(0..1_000)) / 8.0)), None),
        _ => (attribute(key, Value::BoolValue(dice.random_bool(0.5))), None),
    }
}

fn span(dice: &mut Dice, node: Node) -> Span {
    let (service, pod, operation) =
        (dice.random_range(0..SERVICES), dice.random_range(0..PODS), dice.random_range(0..OPERATIONS));
    let (name_index, failed) = (service * OPERATIONS + operation, dice.random_bool(0.02));
    let keys = keys(dice, service, operation);
    let (mut attributes, mut marks) = (Vec::with_capacity(keys.len()), Vec::new());
    for index in keys {
        let (attribute, many) = value(dice, index);
        attributes.push(attribute);
        if let Some(many) = many {
            marks.push(Mark { topic: Topic::Rare, value: index as u64 * MANY + many });
            if many >= 1_000 {
                marks.push(Mark { topic: Topic::Regex, value: index as u64 * MANY + many / 100 });
            }
        }
    }
    if failed {
        marks.push(Mark { topic: Topic::Failed, value: service as u64 });
    }
    if node.duration > slow(name_index) {
        marks.push(Mark { topic: Topic::Slow, value: name_index as u64 });
    }
    let otlp = OtlpSpan {
        span_id: node.id.to_be_bytes().to_vec(),
        parent_span_id: if node.parent == 0 { Vec::new() } else { node.parent.to_be_bytes().to_vec() },
        name: name(name_index),
        kind: 1,
        start_time_unix_nano: node.start,
        end_time_unix_nano: node.start + node.duration,
        attributes,
        status: Some(Status { code: if failed { 2 } else { 0 }, message: String::new() }),
        ..OtlpSpan::default()
    };
    Span { otlp, resource: service * PODS + pod, slot: 0, marks }
}

/// Which keys a span has, each once.
fn keys(dice: &mut Dice, service: usize, operation: usize) -> Vec<usize> {
    if dice.random_bool(0.01) {
        let mut keys: Vec<usize> = (0..12).map(|_| dice.random_range(0..SERVICES * KEYS)).collect();
        keys.sort_unstable();
        keys.dedup();
        return keys;
    }
    let first = service * KEYS + operation * KEYS_OF_AN_OPERATION;
    let next = service * KEYS + (operation + 1) % OPERATIONS * KEYS_OF_AN_OPERATION;
    let mut keys: Vec<usize> = (first..first + KEYS_OF_AN_OPERATION).collect();
    keys.extend((next + 1..next + 5).filter(|_| dice.random_bool(0.5)));
    keys
}
