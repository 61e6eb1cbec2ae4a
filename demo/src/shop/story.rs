//! One trace as it happens: spans open and close while a clock of its own runs on.

use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, Attribute, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status, StatusCode, TraceId, TraceSpan,
};

use super::cluster::{Cluster, Library, Pod, SLOW_NODE};
use super::dice::Dice;
use super::incidents::Incident;
use super::people::Person;

/// Flags of a span: it is sampled (0x1, W3C), and it is known whether its parent is remote (0x100, OTLP).
const SAMPLED: u32 = 0x101;
/// One more flag: the parent is in another process.
const REMOTE: u32 = 0x200;

/// Why something failed.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Type of the exception, or a short error class.
    pub(super) class: &'static str,
    /// What a developer reads.
    pub(super) message: String,
    /// HTTP status that a server answers with.
    pub(super) http: i64,
    /// gRPC status that a server answers with.
    pub(super) grpc: i64,
}

impl Fault {
    /// A failure that servers answer with 500, or gRPC's INTERNAL.
    pub(super) fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), http: 500, grpc: 13 }
    }

    /// The same with other codes.
    pub(super) fn codes(self, http: i64, grpc: i64) -> Self {
        Self { http, grpc, ..self }
    }

    /// Whether the server is to blame.
    pub(super) fn is_servers(&self) -> bool {
        self.http >= 500
    }
}

/// How a step ended.
pub(super) type Outcome<T = ()> = Result<T, Fault>;

/// What travels to another process: in a header or in a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    trace_id: TraceId,
    span_id: SpanId,
}

/// A trace under construction. `now` is the true time. A pod whose clock is wrong writes down another one.
#[derive(Debug)]
pub(super) struct Story<'w> {
    pub(super) cluster: &'w Cluster,
    pub(super) dice: &'w mut Dice,
    pub(super) incident: Option<Incident>,
    pub(super) person: Person,
    /// Nanoseconds since 1970.
    pub(super) now: u64,
    trace_id: TraceId,
    /// Parent of the first span, when the trace began elsewhere.
    parent: Option<Context>,
    open: Vec<Open>,
    spans: Vec<TraceSpan>,
}

/// A span that has not ended.
#[derive(Debug)]
struct Open {
    /// Index into the spans.
    index: usize,
    pod: Arc<Pod>,
}

impl<'w> Story<'w> {
    pub(super) fn new(
        cluster: &'w Cluster,
        dice: &'w mut Dice,
        incident: Option<Incident>,
        person: Person,
        now: u64,
    ) -> Self {
        let trace_id = TraceId(dice.bytes());
        Self { cluster, dice, incident, person, now, trace_id, parent: None, open: Vec::new(), spans: Vec::new() }
    }

    /// The finished spans, in the order they began.
    pub(super) fn into_spans(self) -> Vec<TraceSpan> {
        self.spans
    }

    /// The pod at work.
    pub(super) fn here(&self) -> Option<&Arc<Pod>> {
        self.open.last().map(|open| &open.pod)
    }

    /// The open span, for links and messages.
    pub(super) fn context(&self) -> Option<Context> {
        let span = &self.spans.get(self.open.last()?.index)?.span;
        Some(Context { trace_id: span.trace_id, span_id: span.span_id })
    }

    /// Work that takes about `median`, more when the machine is busy.
    pub(super) fn work(&mut self, median: u64) {
        self.now += self.dice.log_normal(median, 0.45) * self.slowness();
    }

    /// How much slower than usual the machine is that the pod at work runs on.
    pub(super) fn slowness(&self) -> u64 {
        let is_slow = self.is(Incident::SlowNode) && self.here().is_some_and(|pod| pod.node == SLOW_NODE);
        if is_slow { 25 } else { 1 }
    }

    /// Whether this is what is wrong.
    pub(super) fn is(&self, incident: Incident) -> bool {
        self.incident == Some(incident)
    }

    /// Time that passes outside the story's control.
    pub(super) fn wait(&mut self, time: u64) {
        self.now += time;
    }

    /// A span of `pod` around what happens in `inside`.
    pub(super) fn span<T>(
        &mut self,
        pod: &Arc<Pod>,
        library: Library,
        kind: SpanKind,
        name: impl Into<String>,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.begin(pod, library, kind, name.into());
        let result = inside(self);
        self.end();
        result
    }

    /// A span of the pod at work, inside one process.
    pub(super) fn internal<T>(&mut self, name: impl Into<String>, inside: impl FnOnce(&mut Self) -> T) -> T {
        let Some(pod) = self.here().map(Arc::clone) else { return inside(self) };
        self.span(&pod, Library::App, SpanKind::Internal, name, inside)
    }

    /// The same for a step that may fail, and then says so.
    pub(super) fn step<T>(
        &mut self,
        name: impl Into<String>,
        inside: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        self.internal(name, |s| {
            let outcome = inside(s);
            if let Err(fault) = &outcome {
                s.failed(fault.message.clone());
            }
            outcome
        })
    }

    /// Continues what another process sent with `context`, at the earliest now.
    pub(super) fn continued<T>(&mut self, context: Context, inside: impl FnOnce(&mut Self) -> T) -> T {
        let open = std::mem::take(&mut self.open);
        let parent = self.parent.replace(context);
        let result = inside(self);
        self.open = open;
        self.parent = parent;
        result
    }

    /// Plays `count` strands that happen at the same time. Goes on when the slowest is over.
    pub(super) fn parallel(&mut self, count: usize, mut strand: impl FnMut(&mut Self, usize)) {
        let start = self.now;
        let mut end = start;
        for index in 0..count {
            self.now = start + self.dice.below(60_000);
            strand(self, index);
            end = end.max(self.now);
        }
        self.now = end;
    }

    /// Adds an attribute to the open span.
    pub(super) fn attr(&mut self, key: &str, value: impl Into<AnyValue>) {
        if let Some(span) = self.current() {
            span.attributes.push(Attribute::new(key, value));
        }
    }

    /// Adds an event to the open span.
    pub(super) fn event(&mut self, name: &str, attributes: Vec<Attribute>) {
        let ahead = self.here().map_or(0, |pod| pod.clock_ahead);
        let time_unix_nano = self.now.saturating_add_signed(ahead);
        if let Some(span) = self.current() {
            let name = name.to_owned();
            span.events.push(SpanEvent { time_unix_nano, name, attributes, dropped_attributes_count: 0 });
        }
    }

    /// Links the open span to another.
    pub(super) fn link(&mut self, to: Context, attributes: Vec<Attribute>) {
        if let Some(span) = self.current() {
            let (trace_id, span_id) = (to.trace_id, to.span_id);
            span.links.push(SpanLink { trace_id, span_id, attributes, flags: SAMPLED | REMOTE, ..SpanLink::default() });
        }
    }

    /// Marks the open span as failed.
    pub(super) fn failed(&mut self, message: impl Into<String>) {
        if let Some(span) = self.current() {
            span.status = Status { code: StatusCode::Error, message: message.into() };
        }
    }

    /// Marks the open span as a declared success.
    pub(super) fn succeeded(&mut self) {
        if let Some(span) = self.current() {
            span.status.code = StatusCode::Ok;
        }
    }

    /// Loses the open span, as a process does that dies before its export. The children stay, without a parent.
    pub(super) fn lose_current(&mut self) {
        if let Some(span) = self.current() {
            span.end_unix_nano = LOST;
        }
    }

    fn current(&mut self) -> Option<&mut Span> {
        self.open.last().and_then(|open| self.spans.get_mut(open.index)).map(|span| &mut span.span)
    }

    fn begin(&mut self, pod: &Arc<Pod>, library: Library, kind: SpanKind, name: String) {
        let parent = self.context().or(self.parent);
        let remote = self.here().is_none_or(|here| !Arc::ptr_eq(here, pod)) && parent.is_some();
        let span = Span {
            trace_id: parent.map_or(self.trace_id, |parent| parent.trace_id),
            span_id: SpanId(self.dice.bytes()),
            parent_span_id: parent.map(|parent| parent.span_id),
            flags: if remote { SAMPLED | REMOTE } else { SAMPLED },
            name,
            kind,
            start_unix_nano: self.now.saturating_add_signed(pod.clock_ahead),
            ..Span::default()
        };
        let scope = self.cluster.scope(pod.service.platform(), library);
        self.open.push(Open { index: self.spans.len(), pod: Arc::clone(pod) });
        self.spans.push(TraceSpan { span, resource: Arc::clone(&pod.resource), scope });
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let Some(span) = self.spans.get_mut(open.index) else { return };
        if span.span.end_unix_nano != LOST {
            span.span.end_unix_nano = self.now.saturating_add_signed(open.pod.clock_ahead);
        }
    }
}

/// End of a span whose record never leaves its process.
pub(super) const LOST: u64 = u64::MAX;
