//! From a request's bytes to the store's answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::{ExportResponse, Limits, Validated, json, service_name, validate};
use hoptrail_storage::{SpanBatch, SpanWriter, WriteFuture};
use prometheus_client::registry::Registry;

use crate::admission::{Admission, Reservation};
use crate::compression::Encoding;
use crate::config::Config;
use crate::error::Failure;
use crate::intake;
use crate::metrics::{Metrics, Transport};
use crate::reports::Reports;
use crate::sender::Sender;
use crate::tenant::Tenancy;

/// Work that would keep a thread of the async runtime busy for about a millisecond goes to the blocking pool. The unit is a byte of
/// protobuf to check (2 to 3 GB/s); a byte of JSON costs about 16 of them, and a compressed byte may unfold to many.
const INLINE_WORK: usize = 1 << 20;

/// Receives spans and hands them to the store.
#[derive(Debug)]
pub struct Collector {
    pub(crate) config: Config,
    pub(crate) tenancy: Tenancy,
    pub(crate) metrics: Metrics,
    /// What was refused, for the log.
    pub(crate) refusals: Reports,
    /// What else than spans arrives, for the log and the pages.
    pub(crate) other_signals: Reports,
    writer: Arc<dyn SpanWriter>,
    admission: Admission,
    limits: Limits,
}

/// The body of a request, read but not yet looked at.
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    pub(crate) encoding: Encoding,
    pub(crate) transport: Transport,
}

impl Collector {
    /// A collector that writes to `writer` and counts in `registry`.
    #[must_use]
    pub fn new(config: &Config, writer: Arc<dyn SpanWriter>, registry: &mut Registry) -> Arc<Self> {
        let metrics = Metrics::register(registry);
        let in_flight = config.max_in_flight_bytes.max(config.least_in_flight_bytes());
        Arc::new(Self {
            config: config.clone(),
            tenancy: if config.multi_tenant { Tenancy::Multi } else { Tenancy::Single },
            admission: Admission::new(metrics.in_flight.clone(), in_flight),
            metrics,
            refusals: Reports::every(Duration::from_secs(60)),
            other_signals: Reports::every(Duration::from_secs(3600)),
            writer,
            limits: Limits::default(),
        })
    }

    /// Reads a body of at most `limit` bytes after making sure that there is room for it.
    pub(crate) async fn read<B>(
        &self,
        transport: Transport,
        body: &mut B,
        limit: usize,
    ) -> Result<(Bytes, Reservation), Failure>
    where
        B: HttpBody<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(Failure::TooLarge { limit });
        }
        let mut room = self.admission.admit(announced)?;
        let bytes = intake::read(body, limit, &mut room).await?;
        self.metrics.arrived(transport, bytes.len());
        Ok((bytes, room))
    }

    /// Checks a request and stores its spans. Success means that the accepted ones are durable. Names the sender's service where
    /// something of the request is refused.
    pub(crate) async fn store(
        self: &Arc<Self>,
        tenant: TenantId,
        payload: Payload,
        room: Reservation,
        sender: &mut Sender,
    ) -> Result<ExportResponse, Failure> {
        let transport = payload.transport;
        let mut known = sender.clone();
        let take = move |collector: &Self, payload, room| (collector.take(tenant, payload, room, &mut known), known);
        let (taken, known) = self.work_on(payload, room, take).await?;
        *sender = known;
        let Taken { validated, writing, .. } = taken?;
        if let Some(writing) = writing {
            let written = writing.await.map_err(Failure::Write);
            written.inspect_err(|_| sender.is_of(service_name(&validated.body).as_deref()))?;
        }
        self.metrics.taken(transport, validated.accepted, validated.repaired);
        Ok(self.account(&validated, sender))
    }

    /// Counts and reports what of a request is not stored, and says so to the sender.
    fn account(&self, validated: &Validated, sender: &Sender) -> ExportResponse {
        let Validated { refused, warnings, .. } = validated;
        if refused.total() == 0 && warnings.is_empty() {
            return ExportResponse::default();
        }
        self.metrics.refused(refused);
        self.metrics.unread(warnings);
        let said =
            [(refused.total() > 0).then(|| refused.to_string()), (!warnings.is_empty()).then(|| warnings.to_string())];
        let error_message = said.into_iter().flatten().collect::<Vec<_>>().join("; ");
        tracing::debug!(accepted = validated.accepted, "{error_message}");
        for (reason, spans) in refused.counts() {
            self.report_refused(sender, reason.name(), spans, &error_message);
        }
        for (warning, _) in warnings.counts() {
            self.report_refused(sender, warning.name(), 0, &error_message);
        }
        ExportResponse { rejected_spans: refused.total(), error_message }
    }

    /// Works on a request that has arrived: here, or where it would take long, on a thread for blocking work.
    pub(crate) async fn work_on<T: Send + 'static>(
        self: &Arc<Self>,
        payload: Payload,
        room: Reservation,
        task: impl FnOnce(&Self, Payload, Reservation) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        if work(&payload) <= INLINE_WORK {
            return Ok(task(self, payload, room));
        }
        let collector = Arc::clone(self);
        tokio::task::spawn_blocking(move || task(&collector, payload, room)).await.map_err(|_| Failure::Internal)
    }

    /// Checks a request that has arrived and hands its spans to the store, without a pause in which a client that leaves could stop
    /// it halfway.
    fn take(
        &self,
        tenant: TenantId,
        payload: Payload,
        mut room: Reservation,
        sender: &mut Sender,
    ) -> Result<Taken, Failure> {
        let validated = self.check(payload, &mut room, sender)?;
        let batch = SpanBatch { tenant, body: validated.body.clone(), spans: validated.accepted };
        let writing = (validated.accepted > 0).then(|| self.writer.write(batch));
        Ok(Taken { validated, writing, _room: room })
    }

    fn check(&self, payload: Payload, room: &mut Reservation, sender: &mut Sender) -> Result<Validated, Failure> {
        let Payload { bytes, encoding, transport } = payload;
        let body = self.unfold(bytes, encoding, room)?;
        let (body, checked) = if transport == Transport::HttpJson {
            room.reserve(json::memory(&body))?;
            let request = json::read(&body, &self.limits)?;
            (request.body.clone(), request.validate(&self.limits))
        } else {
            (body.clone(), validate(body, &self.limits))
        };
        let all_taken = |validated: &Validated| validated.refused.total() == 0 && validated.warnings.is_empty();
        if !checked.as_ref().is_ok_and(all_taken) {
            sender.is_of(service_name(&body).as_deref());
        }
        let validated = checked?;
        if validated.is_no_request() {
            self.metrics.unread(&validated.warnings);
            return Err(Failure::NotUnderstood(validated.warnings.to_string()));
        }
        Ok(validated)
    }

    /// A body as it was before compression.
    pub(crate) fn unfold(&self, bytes: Bytes, encoding: Encoding, room: &mut Reservation) -> Result<Bytes, Failure> {
        match encoding {
            Encoding::Identity => Ok(bytes),
            _ => Ok(Bytes::from(encoding.decompress(&bytes, self.config.max_request_bytes, room)?)),
        }
    }

    /// Counts an answer, and tells the log when it is none of success.
    pub(crate) fn answered(&self, transport: Transport, sender: &Sender, outcome: &Result<ExportResponse, Failure>) {
        let label = match outcome {
            Ok(response) if response.rejected_spans == 0 => "ok",
            Ok(_) => "partial",
            Err(failure) => failure.outcome(),
        };
        self.metrics.answered(transport, label);
        if let Err(failure) = outcome {
            self.refused(sender, failure);
        }
    }

    /// Tells the log of a request that is refused.
    pub(crate) fn refused(&self, sender: &Sender, failure: &Failure) {
        self.report_refused(sender, failure.reason(), 0, failure);
    }
}

/// A request whose spans are on their way into the store.
struct Taken {
    validated: Validated,
    writing: Option<WriteFuture>,
    _room: Reservation,
}

/// What a payload costs to check at worst, in bytes of protobuf.
fn work(payload: &Payload) -> usize {
    let unfold = if payload.encoding == Encoding::Identity { 1 } else { 64 };
    let parse = if payload.transport == Transport::HttpJson { 16 } else { 1 };
    payload.bytes.len().saturating_mul(unfold * parse)
}
