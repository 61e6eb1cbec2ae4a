//! Every kind of data and every transport.

use anyhow::{Context, Result};

use crate::report::Matrix;
use crate::run::{Options, measure};
use crate::shape::Kind;
use crate::side_by_side;
use crate::transport::Transport;

/// The ordinary case first, then the other data over gRPC, then the other transports with the ordinary data.
const RUNS: [(Kind, Transport); 9] = [
    (Kind::Shop, Transport::Grpc),
    (Kind::OtelDemo, Transport::Grpc),
    (Kind::Wide, Transport::Grpc),
    (Kind::Deep, Transport::Grpc),
    (Kind::Late, Transport::Grpc),
    (Kind::Big, Transport::Grpc),
    (Kind::Shop, Transport::GrpcGzip),
    (Kind::Shop, Transport::Http),
    (Kind::Shop, Transport::HttpGzip),
];

/// Runs them all, each with a store of its own whose folder goes when it is done; only the first one stays, so that other data is
/// asked beside it. Fails when an answer is wrong.
pub async fn all(options: &Options) -> Result<Matrix> {
    let mut ordinary = None;
    let mut reports = Vec::new();
    for (kind, transport) in RUNS {
        let label = format!("{} over {}", kind.name(), transport.name());
        eprintln!("bench: {label}");
        let folder = options.folder.join(format!("{}-{}", kind.name(), transport.name()));
        std::fs::create_dir_all(&folder)?;
        // The table of all shows nothing cold.
        let cold_starts = if ordinary.is_none() { options.cold_starts } else { 0 };
        let options = Options { kind, transport, cold_starts, folder: folder.clone(), ..options.clone() };
        let mut stored = measure(&options).await.with_context(|| label.clone())?;
        let Some(ordinary) = &ordinary else {
            reports.push(stored.report.clone());
            ordinary = Some(stored);
            continue;
        };
        if kind != Kind::Shop {
            stored.report.beside_ordinary = side_by_side::relate(ordinary, &stored).await.context(label)?;
        }
        reports.push(stored.report);
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(Matrix { reports })
}
