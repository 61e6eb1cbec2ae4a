//! Metrics, logs and profiles: read far enough to know what they are, answered with success, and dropped.

use std::sync::Arc;

use hoptrail_proto::otlp::{ExportResponse, Signal};

use crate::admission::Reservation;
use crate::collector::{Collector, Payload};
use crate::config::OtherSignals;
use crate::error::Failure;
use crate::format::Format;
use crate::otlp::Otlp;
use crate::sender::Sender;

impl Collector {
    /// Whether the settings let a signal in.
    pub(crate) fn admits(&self, signal: Signal) -> Result<(), Failure> {
        match self.config.other_signals {
            OtherSignals::AcceptAndDrop => Ok(()),
            OtherSignals::Reject => Err(Failure::Rejected(signal)),
        }
    }

    /// Drops a request of another signal.
    pub(crate) async fn drop_other(
        self: &Arc<Self>,
        signal: Signal,
        format: Otlp,
        payload: Payload,
        room: Reservation,
        sender: &mut Sender,
    ) -> Result<ExportResponse, Failure> {
        let check = move |collector: &Self, payload, room| collector.service_of_other(signal, format, payload, room);
        sender.is_of(self.work_on(payload, room, check).await??.as_deref());
        self.report_dropped(sender, signal);
        Ok(ExportResponse::default())
    }

    /// The service that sends, if the request is one of this signal.
    fn service_of_other(
        &self,
        signal: Signal,
        format: Otlp,
        payload: Payload,
        mut room: Reservation,
    ) -> Result<Option<String>, Failure> {
        let body = self.decompress(payload.bytes, payload.encoding, &mut room)?;
        room.reserve(format.memory(&body))?;
        Ok(format.check_signal(signal, &body)?)
    }
}
