//! From a request's bytes to the store's answer.

use std::sync::Arc;

use axum::body::HttpBody;
use bytes::Bytes;
use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::{ExportResponse, Limits, Validated, json, validate};
use hoptrail_storage::{SpanBatch, SpanWriter, WriteError};
use prometheus_client::registry::Registry;

use crate::admission::{Admission, Reservation};
use crate::compression::Encoding;
use crate::config::Config;
use crate::error::Failure;
use crate::intake;
use crate::metrics::{Metrics, Transport};
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
        let in_flight = config.max_in_flight_bytes.max(config.max_request_bytes.saturating_mul(2));
        Arc::new(Self {
            config: config.clone(),
            tenancy: if config.multi_tenant { Tenancy::Multi } else { Tenancy::Single },
            admission: Admission::new(metrics.in_flight.clone(), in_flight),
            metrics,
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

    /// Checks a request and stores its spans. Success means that the accepted ones are durable.
    pub(crate) async fn store(
        self: &Arc<Self>,
        tenant: TenantId,
        payload: Payload,
        room: Reservation,
    ) -> Result<ExportResponse, Failure> {
        let transport = payload.transport;
        let (validated, _room) = self.check_somewhere(payload, room).await?;
        if validated.accepted > 0 {
            let batch = SpanBatch { tenant, body: validated.body, spans: validated.accepted };
            self.writer.write(batch).await.map_err(Failure::Write)?;
        }
        self.metrics.taken(transport, validated.accepted, validated.repaired);
        let refused = validated.refused;
        if refused.total() == 0 {
            return Ok(ExportResponse::default());
        }
        self.metrics.refused(&refused);
        let error_message = refused.to_string();
        tracing::debug!(transport = ?transport, accepted = validated.accepted, "{error_message}");
        Ok(ExportResponse { rejected_spans: refused.total(), error_message })
    }

    async fn check_somewhere(
        self: &Arc<Self>,
        payload: Payload,
        mut room: Reservation,
    ) -> Result<(Validated, Reservation), Failure> {
        if work(&payload) <= INLINE_WORK {
            return self.check(payload, &mut room).map(|validated| (validated, room));
        }
        let collector = Arc::clone(self);
        let checked = tokio::task::spawn_blocking(move || collector.check(payload, &mut room).map(|v| (v, room)));
        checked.await.unwrap_or(Err(Failure::Internal))
    }

    fn check(&self, payload: Payload, room: &mut Reservation) -> Result<Validated, Failure> {
        let Payload { bytes, encoding, transport } = payload;
        let body = match encoding {
            Encoding::Identity => bytes,
            _ => Bytes::from(encoding.decompress(&bytes, self.config.max_request_bytes, room)?),
        };
        if transport != Transport::HttpJson {
            return Ok(validate(body, &self.limits)?);
        }
        room.reserve(body.len())?;
        let request = json::read(&body, &self.limits)?;
        let mut validated = validate(request.body, &self.limits)?;
        validated.refused.merge(request.refused, self.limits.messages);
        Ok(validated)
    }

    /// Counts an answer, and logs what should not happen. That the store refuses is its own to say, once and not for each request.
    pub(crate) fn answered(&self, transport: Transport, outcome: &Result<ExportResponse, Failure>) {
        let label = match outcome {
            Ok(response) if response.rejected_spans == 0 => "ok",
            Ok(_) => "partial",
            Err(failure) => failure.outcome(),
        };
        self.metrics.answered(transport, label);
        match outcome {
            Ok(_) => {}
            Err(failure @ (Failure::Write(WriteError::Unknown(_)) | Failure::Internal)) => {
                tracing::warn!(?transport, "refused: {failure}");
            }
            Err(failure) => tracing::debug!(?transport, "refused: {failure}"),
        }
    }
}

/// What a payload costs to check at worst, in bytes of protobuf.
fn work(payload: &Payload) -> usize {
    let unfold = if payload.encoding == Encoding::Identity { 1 } else { 64 };
    let parse = if payload.transport == Transport::HttpJson { 16 } else { 1 };
    payload.bytes.len().saturating_mul(unfold * parse)
}
