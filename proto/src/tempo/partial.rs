//! Whether an answer is all that there is.

/// Whether a trace is all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum PartialStatus {
    /// It is.
    Complete = 0,
    /// A limit cut it.
    Partial = 1,
}
