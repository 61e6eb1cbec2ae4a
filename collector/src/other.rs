//! Metrics, logs and profiles: understood, answered with success, and dropped.

use std::sync::Arc;

use hoptrail_proto::model::TenantId;
use hoptrail_proto::otlp::{ExportResponse, Signal, json, service_name};

use crate::admission::Reservation;
use crate::collector::{Collector, Payload};
use crate::config::OtherSignals;
use crate::error::Failure;
use crate::metrics::Transport;
use crate::sender::Sender;
use crate::target::Target;

impl Collector {
    /// Whether the settings let a signal in.
    pub(crate) fn admits(&self, signal: Signal) -> Result<(), Failure> {
        match self.config.other_signals {
            OtherSignals::AcceptAndDrop => Ok(()),
            OtherSignals::Reject => Err(Failure::Rejected(signal)),
        }
    }

    /// Takes a request that has arrived.
    pub(crate) async fn export(
        self: &Arc<Self>,
        target: Target,
        tenant: TenantId,
        payload: Payload,
        room: Reservation,
        sender: &mut Sender,
    ) -> Result<ExportResponse, Failure> {
        match target {
            Target::Traces => self.store(tenant, payload, room, sender).await,
            Target::Other(signal) => self.drop_other(signal, payload, room, sender).await,
        }
    }

    /// Reads a request far enough to know that it is one of this signal, and drops it.
    async fn drop_other(
        self: &Arc<Self>,
        signal: Signal,
        payload: Payload,
        room: Reservation,
        sender: &mut Sender,
    ) -> Result<ExportResponse, Failure> {
        let understand = move |collector: &Self, payload, room| collector.understand(signal, payload, room);
        sender.is_of(self.work_on(payload, room, understand).await??.as_deref());
        self.report_dropped(sender, signal);
        Ok(ExportResponse::default())
    }

    /// The service that sends, if the request is one of this signal.
    fn understand(&self, signal: Signal, payload: Payload, mut room: Reservation) -> Result<Option<String>, Failure> {
        let Payload { bytes, encoding, transport } = payload;
        let body = self.unfold(bytes, encoding, &mut room)?;
        if transport == Transport::HttpJson {
            room.reserve(json::memory(&body))?;
            return Ok(json::check_signal(signal, &body)?);
        }
        signal.check(&body)?;
        Ok(service_name(&body))
    }
}
