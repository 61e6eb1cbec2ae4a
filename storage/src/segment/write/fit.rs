//! Checks that counts and offsets fit into the fields of the format. What does not fit is an error before anything is written. The spans
//! then stay in the log; in an unreadable segment they would be lost.

/// What does not fit into a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} {what} do not fit into a segment")]
pub(crate) struct TooLarge {
    count: usize,
    what: &'static str,
}

/// The count in a narrower type.
pub(crate) fn fit<N: TryFrom<usize>>(count: usize, what: &'static str) -> Result<N, TooLarge> {
    N::try_from(count).map_err(|_| TooLarge { count, what })
}

/// The count, unless it is more than readers take.
pub(crate) fn at_most(count: usize, most: usize, what: &'static str) -> Result<usize, TooLarge> {
    if count > most { Err(TooLarge { count, what }) } else { Ok(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_says_what_and_how_many() {
        assert_eq!(fit::<u8>(255, "things"), Ok(255));
        assert_eq!(
            fit::<u8>(256, "things").map_err(|error| error.to_string()),
            Err("256 things do not fit into a segment".to_owned())
        );
        assert_eq!(at_most(7, 7, "things"), Ok(7));
        assert_eq!(at_most(8, 7, "things"), Err(TooLarge { count: 8, what: "things" }));
    }
}
