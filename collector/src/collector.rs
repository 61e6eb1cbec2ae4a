//! From a request's bytes to the store's answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use hoptrail_proto::model::{TENANT_HEADER, TenantId};
use hoptrail_proto::otlp::{ExportResponse, Limits, Validated, service_name};
use hoptrail_storage::{SpanBatch, SpanWriter, WriteFuture};
use http::{HeaderMap, HeaderValue};
use prometheus_client::registry::Registry;

use crate::admission::{Admission, Reservation};
use crate::compression::Encoding;
use crate::config::Config;
use crate::error::{BoxError, Failure};
use crate::format::Format;
use crate::intake;
use crate::metrics::{Metrics, Protocol};
use crate::otlp::Otlp;
use crate::reports::Reports;
use crate::sender::Sender;
use crate::target::Target;

/// Work that would keep a thread of the async runtime busy for about a millisecond goes to the blocking pool. The unit is a byte of
/// OTLP in protobuf, which is checked at 2 to 3 GB/s.
const INLINE_WORK: usize = 1 << 20;
/// A compressed byte may become many.
const DECOMPRESSION: usize = 64;

/// Receives spans and hands them to the store.
#[derive(Debug)]
pub struct Collector {
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    /// What was refused, for the log.
    pub(crate) refusals: Reports,
    /// What arrives that is no trace, for the log and the web UI.
    pub(crate) other_signals: Reports,
    writer: Arc<dyn SpanWriter>,
    admission: Admission,
    limits: Limits,
}

/// The body of a request as it arrived, and how.
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    pub(crate) encoding: Encoding,
    pub(crate) format: &'static dyn Format,
    pub(crate) protocol: Protocol,
}

impl Collector {
    /// A collector that writes to `writer` and counts in `registry`.
    #[must_use]
    pub fn new(config: &Config, writer: Arc<dyn SpanWriter>, registry: &mut Registry) -> Arc<Self> {
        let metrics = Metrics::register(registry);
        let in_flight = config.max_in_flight.max(config.least_in_flight());
        Arc::new(Self {
            config: config.clone(),
            admission: Admission::new(metrics.in_flight.clone(), in_flight),
            metrics,
            refusals: Reports::every(Duration::from_secs(60)),
            other_signals: Reports::every(Duration::from_secs(3600)),
            writer,
            limits: Limits::default(),
        })
    }

    /// The tenant of a request with these headers.
    pub(crate) fn tenant(&self, headers: &HeaderMap) -> Result<TenantId, Failure> {
        let names = headers.get_all(TENANT_HEADER).iter().map(HeaderValue::as_bytes);
        Ok(self.config.tenancy.tenant(names)?)
    }

    /// Reads a body of at most `limit` bytes after making sure that there is room for it.
    pub(crate) async fn read<B>(
        &self,
        protocol: Protocol,
        body: &mut B,
        limit: usize,
    ) -> Result<(Bytes, Reservation), Failure>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(Failure::TooLarge { limit });
        }
        let mut room = self.admission.admit(announced)?;
        let bytes = intake::read(body, limit, &mut room).await?;
        self.metrics.arrived(protocol, bytes.len());
        Ok((bytes, room))
    }

    /// Answers an export of OTLP that has arrived: stores spans, drops other signals.
    pub(crate) async fn export(
        self: &Arc<Self>,
        target: Target,
        format: Otlp,
        tenant: TenantId,
        payload: Payload,
        room: Reservation,
        sender: &mut Sender,
    ) -> Result<ExportResponse, Failure> {
        match target {
            Target::Traces => self.store(tenant, payload, room, sender).await,
            Target::Other(signal) => self.drop_other(signal, format, payload, room, sender).await,
        }
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
        let protocol = payload.protocol;
        let mut named = sender.clone();
        let take = move |collector: &Self, payload, room| {
            let taken = collector.take(tenant, payload, room, &mut named);
            (taken, named)
        };
        let (taken, named) = self.work_on(payload, room, take).await?;
        *sender = named;
        let Taken { validated, writing, .. } = taken?;
        if let Some(writing) = writing {
            let written = writing.await.map_err(Failure::Write);
            written.inspect_err(|_| sender.is_of(service_name(&validated.body).as_deref()))?;
        }
        self.metrics.taken(protocol, validated.accepted, validated.repaired);
        Ok(self.account(&validated, sender))
    }

    /// Counts and logs what of a request is not stored; the answer that says so.
    fn account(&self, validated: &Validated, sender: &Sender) -> ExportResponse {
        let Validated { refused, warnings, .. } = validated;
        if refused.total() == 0 && warnings.is_empty() {
            return ExportResponse::default();
        }
        self.metrics.refused(refused);
        self.metrics.unread(warnings);
        let refused_text = (refused.total() > 0).then(|| refused.to_string());
        let warnings_text = (!warnings.is_empty()).then(|| warnings.to_string());
        let error_message = refused_text.into_iter().chain(warnings_text).collect::<Vec<_>>().join("; ");
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
        tokio::task::spawn_blocking(move || task(&collector, payload, room)).await.map_err(Failure::Internal)
    }

    /// Checks a request and hands its spans to the store. There is no await in between, so a client that leaves cannot stop it
    /// halfway.
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
        let Payload { bytes, encoding, format, .. } = payload;
        let body = self.decompress(bytes, encoding, room)?;
        room.reserve(format.memory(&body))?;
        let decoded = format.decode(body, &self.limits)?;
        if !decoded.checked.as_ref().is_ok_and(is_kept_whole) {
            sender.is_of(service_name(&decoded.otlp).as_deref());
        }
        let validated = decoded.checked?;
        if validated.is_no_request() {
            self.metrics.unread(&validated.warnings);
            return Err(Failure::NotUnderstood(validated.warnings));
        }
        Ok(validated)
    }

    /// A body as it was before compression.
    pub(crate) fn decompress(
        &self,
        bytes: Bytes,
        encoding: Encoding,
        room: &mut Reservation,
    ) -> Result<Bytes, Failure> {
        match encoding {
            Encoding::Identity => Ok(bytes),
            _ => Ok(Bytes::from(encoding.decompress(&bytes, self.config.max_request_size, room)?)),
        }
    }

    /// Counts an answer, and logs it when it is none of success.
    pub(crate) fn answered(&self, protocol: Protocol, sender: &Sender, outcome: &Result<ExportResponse, Failure>) {
        let label = match outcome {
            Ok(response) if response.rejected_spans == 0 => "ok",
            Ok(_) => "partial",
            Err(failure) => failure.outcome(),
        };
        self.metrics.answered(protocol, label);
        if let Err(failure) = outcome {
            self.refused(sender, failure);
        }
    }

    /// Logs a request that is refused.
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

fn is_kept_whole(validated: &Validated) -> bool {
    validated.refused.total() == 0 && validated.warnings.is_empty()
}

/// What a payload costs to check at worst, in bytes of protobuf.
fn work(payload: &Payload) -> usize {
    let decompression = if payload.encoding == Encoding::Identity { 1 } else { DECOMPRESSION };
    payload.bytes.len().saturating_mul(decompression * payload.format.cost())
}
