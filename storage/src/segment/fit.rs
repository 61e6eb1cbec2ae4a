//! Counts and places that must fit into the fields of the format. What does not fit is an error before anything is written, and the log
//! keeps what it holds: a segment that nobody can read would lose it.

/// What does not fit into a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} {what} do not fit into a segment")]
pub(crate) struct TooLarge {
    count: usize,
    what: &'static str,
}

/// The count as a narrower number.
pub(super) fn fit<N: TryFrom<usize>>(count: usize, what: &'static str) -> Result<N, TooLarge> {
    N::try_from(count).map_err(|_| TooLarge { count, what })
}

/// The count, unless it is more than readers take.
pub(super) fn at_most(count: usize, most: usize, what: &'static str) -> Result<usize, TooLarge> {
    if count > most { Err(TooLarge { count, what }) } else { Ok(count) }
}
