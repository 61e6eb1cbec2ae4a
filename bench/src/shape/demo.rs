//! The OpenTelemetry demo shop: traces that were captured from it (`fixtures/README.md`), with fresh ids, times, UUIDs and numbers.
//! What stays are services, names, keys, who calls whom, and values of which there are few.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Cursor;
use std::sync::LazyLock;

use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceRequest;
use hoptrail_proto::otlp::types::common::v1::{InstrumentationScope, KeyValue, any_value::Value};
use hoptrail_proto::otlp::types::resource::v1::Resource;
use hoptrail_proto::otlp::types::trace::v1::Span as OtlpSpan;
use prost::Message;
use rand::RngExt;

use super::{Dice, Mark, Span, Topic};

const CAPTURE: &[u8] = include_bytes!("../../fixtures/otel-demo.pb.zst");
/// From this many distinct numbers on, a key gets other numbers.
const MANY: usize = 16;
/// The key whose value is another one on each span.
const UNIQUE: &str = "guid:x-request-id";

static DEMO: LazyLock<Demo> = LazyLock::new(Demo::read);

/// The capture, taken apart.
struct Demo {
    origins: Vec<(Resource, InstrumentationScope)>,
    /// Service of each origin.
    services: Vec<String>,
    /// Spans with the index of their origin.
    traces: Vec<Vec<(usize, OtlpSpan)>>,
    /// Least and most of the keys with many numbers.
    ranges: HashMap<String, (i64, i64)>,
    /// Span names, with the duration from which on a span counts as slow, milliseconds.
    names: Vec<(String, u64)>,
}

/// The spans of a trace that begins at `start`.
pub(super) fn spans(dice: &mut Dice, start: u64) -> Vec<Span> {
    let template = &DEMO.traces[dice.random_range(0..DEMO.traces.len())];
    let first = template.iter().map(|(_, span)| span.start_time_unix_nano).min().unwrap_or_default();
    let mut fresh = Fresh { salt: dice.random(), stretch: dice.random_range(0.7..1.5), start, first };
    template.iter().map(|(origin, span)| fresh.span(dice, *origin, span)).collect()
}

/// How many origins there are.
pub(super) fn resources() -> usize {
    DEMO.origins.len()
}

/// The resource and scope with this index.
pub(super) fn resource(index: usize) -> (Resource, InstrumentationScope) {
    DEMO.origins[index].clone()
}

/// Spans in a trace, on average.
pub(super) fn spans_of_a_trace() -> u64 {
    (DEMO.traces.iter().map(Vec::len).sum::<usize>() / DEMO.traces.len()) as u64
}

/// TraceQL for the spans with this mark.
pub(super) fn query(mark: Mark) -> String {
    let index = mark.value as usize;
    match mark.topic {
        Topic::Rare => format!(r#"{{ span."{UNIQUE}" = "{}" }}"#, uuid(mark.value)),
        Topic::Failed => format!(r#"{{ resource.service.name = "{}" && status = error }}"#, DEMO.services[index]),
        Topic::Slow => format!("{{ name = {:?} && duration > {}ms }}", DEMO.names[index].0, DEMO.names[index].1),
        Topic::Below | Topic::ManyFailed => unreachable!("only the shop has such marks"),
        Topic::Regex | Topic::Beginning => format!(r#"{{ span."{UNIQUE}" =~ "{:03x}.*" }}"#, mark.value),
    }
}

/// TraceQL for an id that no span has.
pub(super) fn absent(number: usize) -> String {
    format!(r#"{{ span."{UNIQUE}" = "nothing-{number}" }}"#)
}

/// TraceQL for ids that no span has.
pub(super) fn absent_regex(number: usize) -> String {
    format!(r#"{{ span."{UNIQUE}" =~ "{number:x}.*-none" }}"#)
}

/// A UUID for each number.
fn uuid(number: u64) -> String {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    let tail = mix(number) & 0xffff_ffff_ffff;
    format!("{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-4{:03x}-8{:03x}-{tail:012x}", g, h)
}

fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

impl Demo {
    fn read() -> Self {
        let bytes = zstd::decode_all(Cursor::new(CAPTURE)).expect("the fixture is whole");
        let request = ExportTraceServiceRequest::decode(bytes.as_slice()).expect("the fixture is OTLP");
        let (mut origins, mut traces) = (Vec::new(), BTreeMap::new());
        let mut indexes: HashMap<Vec<u8>, usize> = HashMap::new();
        for group in request.resource_spans {
            let resource = group.resource.unwrap_or_default();
            for scoped in group.scope_spans {
                let scope = scoped.scope.unwrap_or_default();
                let key = [resource.encode_to_vec(), scope.encode_to_vec()].concat();
                let index = *indexes.entry(key).or_insert_with(|| {
                    origins.push((resource.clone(), scope));
                    origins.len() - 1
                });
                for span in scoped.spans {
                    traces.entry(span.trace_id.clone()).or_insert_with(Vec::new).push((index, span));
                }
            }
        }
        let traces: Vec<Vec<(usize, OtlpSpan)>> = traces.into_values().collect();
        let services = origins.iter().map(|(resource, _)| service(resource)).collect();
        Self { services, ranges: ranges(&traces), names: names(&traces), origins, traces }
    }
}

fn service(resource: &Resource) -> String {
    let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    name.and_then(text_of).unwrap_or_default().to_owned()
}

fn text_of(attribute: &KeyValue) -> Option<&str> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// A number, or a text that is one.
fn number_of(attribute: &KeyValue) -> Option<i64> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::IntValue(number) => Some(*number),
        Value::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

fn ranges(traces: &[Vec<(usize, OtlpSpan)>]) -> HashMap<String, (i64, i64)> {
    let mut seen: BTreeMap<&str, BTreeSet<Option<i64>>> = BTreeMap::new();
    for attribute in traces.iter().flatten().flat_map(|(_, span)| &span.attributes) {
        seen.entry(&attribute.key).or_default().insert(number_of(attribute));
    }
    seen.into_iter().filter_map(|(key, values)| Some((key.to_owned(), range(&values)?))).collect()
}

/// Least and most of many values that are all numbers.
fn range(values: &BTreeSet<Option<i64>>) -> Option<(i64, i64)> {
    let range = (values.first().copied().flatten()?, values.last().copied().flatten()?);
    (values.len() >= MANY).then_some(range)
}

fn names(traces: &[Vec<(usize, OtlpSpan)>]) -> Vec<(String, u64)> {
    let mut longest: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, span) in traces.iter().flatten() {
        let duration = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
        let known = longest.entry(&span.name).or_default();
        *known = duration.max(*known);
    }
    longest.into_iter().map(|(name, longest)| (name.to_owned(), longest / 1_000_000)).collect()
}

/// What is new in a trace.
struct Fresh {
    salt: u64,
    /// Of all times.
    stretch: f64,
    start: u64,
    /// Start in the capture.
    first: u64,
}

impl Fresh {
    fn span(&mut self, dice: &mut Dice, origin: usize, captured: &OtlpSpan) -> Span {
        let mut otlp = captured.clone();
        otlp.span_id = self.id(&captured.span_id);
        otlp.parent_span_id = self.id(&captured.parent_span_id);
        otlp.start_time_unix_nano = self.time(captured.start_time_unix_nano);
        otlp.end_time_unix_nano = self.time(captured.end_time_unix_nano) + dice.random_range(0..1_000);
        otlp.status.get_or_insert_default();
        let mut marks = Vec::new();
        for attribute in &mut otlp.attributes {
            if let Some(number) = self.vary(dice, attribute).filter(|_| attribute.key == UNIQUE) {
                marks.push(Mark { topic: Topic::Rare, value: number });
                marks.push(Mark { topic: Topic::Regex, value: number >> 52 });
            }
        }
        for event in &mut otlp.events {
            event.time_unix_nano = self.time(event.time_unix_nano);
            event.attributes.iter_mut().for_each(|attribute| _ = self.vary(dice, attribute));
        }
        if otlp.status.as_ref().is_some_and(|status| status.code == 2) {
            let service = DEMO.services.iter().position(|service| *service == DEMO.services[origin]);
            marks.push(Mark { topic: Topic::Failed, value: service.unwrap_or(origin) as u64 });
        }
        if let Ok(index) = DEMO.names.binary_search_by(|(name, _)| name.as_str().cmp(&otlp.name)) {
            let duration = otlp.end_time_unix_nano.saturating_sub(otlp.start_time_unix_nano);
            if duration > DEMO.names[index].1 * 1_000_000 {
                marks.push(Mark { topic: Topic::Slow, value: index as u64 });
            }
        }
        Span { otlp, resource: origin, slot: 0, marks }
    }

    /// The same for the same id of the capture, in this trace; also for parents that were not captured.
    fn id(&self, captured: &[u8]) -> Vec<u8> {
        let number = captured.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if captured.is_empty() { Vec::new() } else { (mix(number ^ self.salt) | 1).to_be_bytes().to_vec() }
    }

    fn time(&self, captured: u64) -> u64 {
        let into = captured as i128 - i128::from(self.first);
        let stretched = (into as f64 * self.stretch) as i64;
        self.start.saturating_add_signed(stretched)
    }

    /// Another number where there are many, and other UUIDs, of which one is returned as a number.
    fn vary(&self, dice: &mut Dice, attribute: &mut KeyValue) -> Option<u64> {
        let range = DEMO.ranges.get(&attribute.key).copied();
        match attribute.value.as_mut()?.value.as_mut()? {
            Value::IntValue(number) => *number = range.map_or(*number, |(least, most)| dice.random_range(least..=most)),
            Value::StringValue(text) => {
                if let Some((least, most)) = range {
                    *text = dice.random_range(least..=most).to_string();
                } else if let Some(start) = find_uuid(text) {
                    let captured = u64::from_str_radix(text.get(start..start + 8)?, 16).ok()?;
                    let number = mix(captured ^ self.salt.rotate_left(17));
                    text.replace_range(start..start + UUID, &uuid(number));
                    return Some(number);
                }
            }
            _ => {}
        }
        None
    }
}

const UUID: usize = 36;

fn find_uuid(text: &str) -> Option<usize> {
    text.as_bytes().windows(UUID).position(is_uuid)
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(offset, byte)| match offset {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn it_looks_like_the_capture() {
        let mut dice = Dice::seed_from_u64(1);
        let spans: Vec<Span> = (0..4_000).flat_map(|_| spans(&mut dice, 1_700_000_000_000_000_000)).collect();
        let services: BTreeSet<&String> = spans.iter().map(|span| &DEMO.services[span.resource]).collect();
        let keys = spans.iter().flat_map(|span| &span.otlp.attributes).map(|attribute| &attribute.key);
        let keys: BTreeSet<&String> = keys.collect();
        assert!(
            (15..=17).contains(&services.len()) && (120..=134).contains(&keys.len()),
            "{} {}",
            services.len(),
            keys.len()
        );
        let of_a_span = |sum: usize| sum as f64 / spans.len() as f64;
        let bytes = of_a_span(spans.iter().map(|span| span.otlp.encoded_len()).sum());
        assert!((400.0..500.0).contains(&bytes), "{bytes} bytes a span");
        let attributes = of_a_span(spans.iter().map(|span| span.otlp.attributes.len()).sum());
        assert!((9.0..11.0).contains(&attributes), "{attributes} attributes a span");
        let unique: Vec<&Mark> =
            spans.iter().flat_map(|span| &span.marks).filter(|mark| mark.topic == Topic::Rare).collect();
        assert_eq!(unique.iter().collect::<BTreeSet<_>>().len(), unique.len(), "ids that are not fresh");
    }

    #[test]
    fn parents_stay_parents() {
        let mut dice = Dice::seed_from_u64(2);
        let known = |spans: &[Span]| {
            let ids: BTreeSet<&Vec<u8>> = spans.iter().map(|span| &span.otlp.span_id).collect();
            spans.iter().filter(|span| ids.contains(&span.otlp.parent_span_id)).count()
        };
        let found: usize = (0..1_000).map(|_| known(&spans(&mut dice, 1 << 60))).sum();
        assert!((2_500..5_000).contains(&found), "{found} spans have a parent in 1,000 traces");
    }
}
