//! The decode unit: what decoding a span with the generated types costs on this machine, the measure of all CPU figures.

use std::time::Duration;

use anyhow::{Result, ensure};
use hoptrail_proto::otlp::types::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::account::own_cpu;
use crate::spool::Spool;

/// Spans that are decoded.
const SPANS: u64 = 200_000;
/// Measurements, of which the middle one counts.
const ROUNDS: usize = 3;

/// CPU time of decoding and dropping one span of the same requests, on one thread.
pub(crate) fn measure(spool: &Spool) -> Result<Vec<Duration>> {
    let (mut bodies, mut spans) = (Vec::new(), 0);
    while let Some(ready) = spool.get(bodies.len())?.filter(|_| spans < SPANS) {
        spans += u64::from(ready.spans);
        bodies.push(ready.body);
    }
    ensure!(spans > 0, "there is nothing to decode");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = own_cpu()?;
        for body in &bodies {
            drop(std::hint::black_box(ExportTraceServiceRequest::decode(body.as_ref())?));
        }
        rounds.push((own_cpu()? - before) / u32::try_from(spans)?);
    }
    Ok(rounds)
}
