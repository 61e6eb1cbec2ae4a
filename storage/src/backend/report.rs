//! What a verification or a repair reports while it runs.

/// An event of a verification or a repair.
#[derive(Debug)]
#[non_exhaustive]
pub enum Integrity {
    /// A phase of the work begins.
    Begun {
        /// Name of the phase.
        what: &'static str,
        /// How many bytes it goes through.
        bytes: u64,
    },
    /// The phase has come further.
    Done {
        /// Bytes.
        bytes: u64,
    },
    /// Damage.
    Found {
        /// File, and where in it.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// Damage has been repaired.
    Repaired {
        /// Where it was.
        location: String,
        /// What was saved and what was lost.
        how: String,
    },
}

impl Integrity {
    /// Damage was found.
    pub(crate) fn found(location: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Found { location: location.into(), reason: reason.into() }
    }

    /// Damage was repaired.
    pub(crate) fn repaired(location: impl Into<String>, how: impl Into<String>) -> Self {
        Self::Repaired { location: location.into(), how: how.into() }
    }
}

/// Takes the events.
pub(crate) type Report<'r> = &'r mut dyn FnMut(Integrity);
