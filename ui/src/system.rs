//! What a server tells of itself. The binary gives it, so that pages need not know who takes spans in or where they are stored.

use std::sync::Arc;
use std::time::Duration;

/// Gives, whenever it is asked, what the server knows of itself.
pub type SystemSource = Arc<dyn Fn() -> System + Send + Sync>;

/// What a server knows of itself, as of now. What is not known is empty.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// How long the process runs.
    pub running: Duration,
    /// What the store holds.
    pub stored: Option<Stored>,
    /// What was taken in and refused since the start.
    pub intake: Option<Intake>,
    /// What attributes take on the disk.
    pub attributes: Attributes,
}

/// What the attributes of the newest spans take on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Attributes as TraceQL writes them, and their bytes; the largest first.
    pub keys: Vec<(String, u64)>,
    /// Bytes of everything that is stored of these spans.
    pub bytes: u64,
    /// How many spans these are.
    pub spans: u64,
}

/// What a store holds, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Spans in segments.
    pub spans: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Spans in memory.
    pub in_memory: u64,
    /// Bytes of memory of these.
    pub memory: u64,
    /// Bytes of rollups.
    pub rollups: u64,
    /// Bytes that are free on the disk, and how many must stay free.
    pub disk: Option<(u64, u64)>,
    /// How long spans are kept; zero is for ever.
    pub retention: Duration,
    /// Bytes of segments that are kept; zero is without a bound.
    pub retention_bytes: u64,
}

/// What came in since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intake {
    /// Spans that were stored.
    pub spans: u64,
    /// Of these, how many were repaired.
    pub repaired: u64,
    /// Bytes of requests that are received or written at this moment.
    pub in_flight: u64,
    /// Refused spans and requests by reason and sender.
    pub refused: Vec<Refused>,
    /// Requests with other signals that were dropped.
    pub dropped: Vec<Refused>,
}

/// What was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    /// Why, or which signal.
    pub reason: String,
    /// The service that sent it; empty when many did, or when it is not known.
    pub service: String,
    /// Where it came from.
    pub address: String,
    /// With which program.
    pub agent: String,
    /// How many requests.
    pub requests: u64,
    /// How many spans of these; 0 when that is not known.
    pub spans: u64,
    /// What was wrong with one of them.
    pub example: String,
}
