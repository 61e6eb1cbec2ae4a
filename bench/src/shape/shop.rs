//! A shop of 12 services: few keys on every span, some of many values.

use std::collections::HashMap;

use hoptrail_proto::otlp::types::common::v1::{InstrumentationScope, KeyValue};
use hoptrail_proto::otlp::types::resource::v1::Resource;
use hoptrail_proto::otlp::types::trace::v1::{Span as OtlpSpan, Status, span::Event};
use rand::RngExt;

use super::words::{self, METHODS, ROUTES, SERVICES};
use super::{Dice, Mark, Node, Span, Topic, number, text};

/// Pods of each service; each is a resource of its own.
const PODS: usize = 3;
/// Resources.
pub(super) const RESOURCES: usize = SERVICES.len() * PODS;
/// Numbers that stand in paths.
const NUMBERS: u32 = 20_000;
/// Numbers in a path that one regular expression matches.
const NUMBERS_OF_A_REGEX: u32 = 10;
/// Regular expressions start with this many digits fixed, so that none is a suffix of another number.
const FIRST_REGEX: u32 = 100;
/// Numbers of four digits; more than there are of them.
const FOUR_DIGITS: std::ops::Range<u32> = 1_000..10_000;
const FIRST_DIGITS: usize = 10_000;
/// Those that questions are about are multiples of this.
const SOME_DIGITS: u32 = 97;
/// More failed spans than this are many.
const MANY: usize = 3;
/// Bytes of a big value.
pub(super) const DOCUMENT: usize = 1 << 20;

/// The spans of a trace.
pub(super) fn spans(dice: &mut Dice, tree: impl FnOnce(&mut Dice) -> Vec<Node>) -> Vec<Span> {
    let nodes = tree(dice);
    let requests: Vec<Request> = nodes.into_iter().map(|node| Request::random(dice, node)).collect();
    let mut spans: Vec<Span> = requests.iter().map(Request::span).collect();
    mark_trace(&requests, &mut spans);
    spans
}

/// Marks what only the whole trace tells. Parents come before their children.
fn mark_trace(requests: &[Request], spans: &mut [Span]) {
    // For each span a bit for each service above it.
    let mut above: HashMap<u64, u64> = HashMap::with_capacity(requests.len());
    let mut services: HashMap<u64, usize> = HashMap::with_capacity(requests.len());
    let mut failed = 0;
    for (request, span) in requests.iter().zip(&mut *spans) {
        let Node { id, parent, .. } = request.node;
        let here = services.get(&parent).map_or(0, |service| above.get(&parent).copied().unwrap_or(0) | 1 << service);
        above.insert(id, here);
        services.insert(id, request.service);
        if request.error.is_some() {
            failed += 1;
            let others = (0..SERVICES.len()).filter(|service| here >> service & 1 == 1);
            span.marks.extend(
                others.map(|other| Mark {
                    topic: Topic::Below,
                    value: (other * SERVICES.len() + request.service) as u64,
                }),
            );
        }
    }
    if failed > MANY {
        spans[0].marks.push(Mark { topic: Topic::ManyFailed, value: MANY as u64 });
    }
}

/// The same with a document of a megabyte on each.
pub(super) fn with_documents(dice: &mut Dice, tree: impl FnOnce(&mut Dice) -> Vec<Node>) -> Vec<Span> {
    let mut spans = spans(dice, tree);
    for span in &mut spans {
        span.otlp.attributes.push(text("http.request.body", document(dice)));
    }
    spans
}

/// The resource of a pod, and the scope of its spans.
pub(super) fn resource(pod: usize) -> (Resource, InstrumentationScope) {
    let (service, instance) = (SERVICES[pod / PODS], pod % PODS);
    let attributes = vec![
        text("service.name", service),
        text("service.namespace", "shop"),
        text("service.version", format!("1.{}.0", pod / PODS)),
        text("service.instance.id", format!("{service}-6d5f7c9b8-{instance:05}")),
        text("deployment.environment.name", "production"),
        text("k8s.namespace.name", "shop"),
        text("k8s.deployment.name", service),
        text("k8s.pod.name", format!("{service}-6d5f7c9b8-{instance:05}")),
        text("k8s.node.name", format!("node-{}", pod % 7)),
        text("telemetry.sdk.language", "java"),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.version", "1.41.0"),
    ];
    let scope = InstrumentationScope {
        name: "io.opentelemetry.http".to_owned(),
        version: "2.4.0".to_owned(),
        ..InstrumentationScope::default()
    };
    (Resource { attributes, ..Resource::default() }, scope)
}

/// TraceQL for the spans with this mark.
pub(super) fn query(mark: Mark) -> String {
    let index = mark.value as usize;
    match mark.topic {
        Topic::Rare => format!(r#"{{ span.user.id = "{}" }}"#, user(mark.value as u32)),
        Topic::Failed => format!(r#"{{ resource.service.name = "{}" && status = error }}"#, SERVICES[index]),
        Topic::Slow => format!(r#"{{ name = "{}" && duration > {}ms }}"#, name(index), slow(index) / 1_000_000),
        Topic::Regex => format!(r#"{{ span.url.path =~ ".*/{index}[0-9](/[a-z]+)?" }}"#),
        Topic::Beginning => {
            let (route, digits) = (mark.value as usize / FIRST_DIGITS, mark.value as usize % FIRST_DIGITS);
            let path = words::path(route / ROUTES, route % ROUTES, 0);
            let (path, _) = path.split_at(path.find('0').unwrap_or(path.len()));
            format!(r#"{{ span.url.path =~ "{path}{digits}.*" }}"#)
        }
        Topic::Below => {
            let [above, below] = [index / SERVICES.len(), index % SERVICES.len()].map(|service| SERVICES[service]);
            format!(
                r#"{{ resource.service.name = "{above}" }} >> {{ resource.service.name = "{below}" && status = error }}"#
            )
        }
        Topic::ManyFailed => format!("{{ status = error }} | count() > {index}"),
    }
}

/// TraceQL for a user that does not exist.
pub(super) fn absent(number: usize) -> String {
    format!(r#"{{ span.user.id = "nobody-{number:06}" }}"#)
}

/// TraceQL for paths that no span has.
pub(super) fn absent_regex(number: usize) -> String {
    format!(r#"{{ span.url.path =~ ".*/{number}[0-9]*(/[a-z]+)?/none" }}"#)
}

fn user(index: u32) -> String {
    format!("user-{index:06}")
}

/// The span name with this index.
fn name(index: usize) -> String {
    let (route, method) = (index / METHODS.len(), index % METHODS.len());
    format!("{} {}", METHODS[method], words::route(route / ROUTES, route % ROUTES))
}

/// From when on a span of this name counts as slow, nanoseconds.
fn slow(name: usize) -> u64 {
    (50 + name as u64) * 1_000_000
}

/// What differs between spans.
struct Request {
    node: Node,
    service: usize,
    pod: usize,
    method: usize,
    route: usize,
    /// The number in its path.
    number: u32,
    user: u32,
    /// The message of its exception, when it failed.
    error: Option<u32>,
    code: usize,
    server: usize,
    agent: usize,
    thread: u32,
    thread_name: u32,
    client: u32,
    size: u32,
    database: Option<usize>,
}

impl Request {
    fn random(dice: &mut Dice, node: Node) -> Self {
        Self {
            node,
            service: dice.random_range(0..SERVICES.len()),
            pod: dice.random_range(0..PODS),
            method: dice.random_range(0..METHODS.len()),
            route: dice.random_range(0..ROUTES),
            number: dice.random_range(0..NUMBERS),
            user: dice.random_range(0..500_000),
            error: dice.random_bool(0.02).then(|| dice.random_range(0..10_000)),
            code: dice.random_range(0..words::CODES.len()),
            server: dice.random_range(0..SERVICES.len()),
            agent: dice.random_range(0..words::AGENTS.len()),
            thread: dice.random_range(0..64),
            thread_name: dice.random_range(0..64),
            client: dice.random_range(0..1 << 18),
            size: dice.random_range(0..20_000),
            database: dice.random_bool(0.25).then(|| dice.random_range(0..words::QUERIES)),
        }
    }

    /// One number for method and route of its service.
    fn name_index(&self) -> usize {
        (self.service * ROUTES + self.route) * METHODS.len() + self.method
    }

    fn span(&self) -> Span {
        let Node { id, parent, start, duration } = self.node;
        let otlp = OtlpSpan {
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
            name: name(self.name_index()),
            kind: if self.database.is_some() { 3 } else { 2 },
            start_time_unix_nano: start,
            end_time_unix_nano: start + duration,
            attributes: self.attributes(),
            events: self.error.map(|message| self.exception(message)).into_iter().collect(),
            status: Some(Status { code: if self.error.is_some() { 2 } else { 0 }, message: String::new() }),
            ..OtlpSpan::default()
        };
        Span { otlp, resource: self.service * PODS + self.pod, slot: 0, marks: self.marks() }
    }

    fn marks(&self) -> Vec<Mark> {
        let mut marks = vec![Mark { topic: Topic::Rare, value: u64::from(self.user) }];
        if self.error.is_some() {
            marks.push(Mark { topic: Topic::Failed, value: self.service as u64 });
        }
        if self.node.duration > slow(self.name_index()) {
            marks.push(Mark { topic: Topic::Slow, value: self.name_index() as u64 });
        }
        if self.number / NUMBERS_OF_A_REGEX >= FIRST_REGEX {
            marks.push(Mark { topic: Topic::Regex, value: u64::from(self.number / NUMBERS_OF_A_REGEX) });
        }
        let four_digits = [self.number, self.number / 10].into_iter().find(|digits| FOUR_DIGITS.contains(digits));
        // To know the answers for all would take so much memory that it disturbs what is measured.
        if let Some(digits) = four_digits.filter(|digits| digits.is_multiple_of(SOME_DIGITS)) {
            let route = self.service * ROUTES + self.route;
            marks.push(Mark { topic: Topic::Beginning, value: (route * FIRST_DIGITS) as u64 + u64::from(digits) });
        }
        marks
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let code = if self.error.is_some() { 500 } else { words::CODES[self.code] };
        let [high, middle, low] = [self.client >> 16 & 0xff, self.client >> 8 & 0xff, self.client & 0xff];
        let mut attributes = vec![
            text("http.request.method", METHODS[self.method]),
            text("url.scheme", "http"),
            text("url.path", words::path(self.service, self.route, self.number)),
            number("http.response.status_code", code),
            text("server.address", SERVICES[self.server]),
            number("server.port", words::PORTS[self.server % words::PORTS.len()]),
            text("network.protocol.version", if self.agent < 5 { "1.1" } else { "2" }),
            text("user_agent.original", words::AGENTS[self.agent]),
            text("user.id", user(self.user)),
            number("thread.id", i64::from(self.thread)),
            text("thread.name", format!("http-worker-{}", self.thread_name)),
            text("client.address", format!("10.{high}.{middle}.{low}")),
            number("http.request.body.size", i64::from(self.size)),
        ];
        if let Some(index) = self.database {
            let (system, namespace, query) = words::database(index);
            attributes.push(text("db.system.name", system));
            attributes.push(text("db.namespace", namespace));
            attributes.push(text("db.query.text", query));
        }
        attributes
    }

    fn exception(&self, message: u32) -> Event {
        Event {
            time_unix_nano: self.node.start + self.node.duration,
            name: "exception".to_owned(),
            attributes: vec![
                text("exception.type", "java.util.concurrent.TimeoutException"),
                text("exception.message", words::message(message)),
            ],
            dropped_attributes_count: 0,
        }
    }
}

/// Something like JSON, whose words repeat and whose numbers do not.
fn document(dice: &mut Dice) -> String {
    let mut out = String::with_capacity(DOCUMENT + 100);
    out.push('[');
    while out.len() < DOCUMENT {
        let (noun, service) =
            (words::NOUNS[dice.random_range(0..ROUTES)], SERVICES[dice.random_range(0..SERVICES.len())]);
        let (id, price) = (dice.random::<u32>(), dice.random_range(0..100_000));
        out.push_str(&format!(r#"{{"id":{id},"kind":"{noun}","source":"{service}","price":{price}}},"#));
    }
    out.push_str("null]");
    out
}
