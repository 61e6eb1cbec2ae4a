//! Warnings about a span.

use std::fmt;

use hoptrail_proto::model::SpanId;

/// Something a reader of the trace should know about a node before trusting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Its parent has not been received.
    MissingParent(SpanId),
    /// It has not been received, yet spans name it as their parent.
    NotReceived,
    /// It names itself as its parent; shown as a root.
    SelfParent,
    /// Its ancestors form a circle, which was cut here.
    ParentCycle,
    /// Other spans of the trace have the same id.
    DuplicateId {
        /// How many spans have it.
        spans: u32,
    },
    /// Client and server side share one id, as Zipkin's clients do; the server side is shown as the child.
    SharedId,
    /// The span ends before it starts.
    EndBeforeStart {
        /// By how many nanoseconds.
        nanos: u64,
    },
    /// The start is missing; drawn from its parent's start.
    ZeroStart,
    /// The span has no name.
    EmptyName,
    /// The resource names no service.
    EmptyService,
    /// Its start or end lies before the year 2000 or after 2099.
    ImpossibleTime,
    /// The clocks of two hosts disagree: it lies outside of its parent on another host.
    ClockSkew {
        /// Nanoseconds by which it sticks out.
        nanos: u64,
    },
    /// It starts before its parent.
    StartsBeforeParent {
        /// By how many nanoseconds.
        nanos: u64,
    },
    /// It starts after its parent has ended: started in the background, or its clock is ahead.
    StartsAfterParent {
        /// By how many nanoseconds.
        nanos: u64,
    },
    /// hoptrail changed the span when it came in.
    Repaired(String),
    /// The sender discarded parts of the span.
    Dropped {
        /// Attributes of span, scope, events and links.
        attributes: u64,
        /// Events.
        events: u32,
        /// Links.
        links: u32,
    },
    /// An attribute key appears more than once.
    RepeatedAttribute(String),
    /// Events lie before the span's start or after its end.
    EventsOutside {
        /// How many.
        events: u32,
    },
}

impl Warning {
    /// Whether it is only worth a remark: nothing is wrong with the span or its time.
    #[must_use]
    pub fn is_remark(&self) -> bool {
        matches!(self, Self::SharedId | Self::StartsAfterParent { .. })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingParent(id) => write!(f, "Its parent {id} has not been received."),
            Self::NotReceived => f.write_str(
                "This span has not been received: it is still on its way, was not sampled, or its service sends no spans.",
            ),
            Self::SelfParent => f.write_str("It names itself as its parent; shown as a root."),
            Self::ParentCycle => f.write_str("Its ancestors form a circle; the circle was cut here."),
            Self::DuplicateId { spans } => write!(f, "{spans} different spans of this trace have this id."),
            Self::SharedId => f.write_str("Client and server side share this id; the server side is shown as the child."),
            Self::EndBeforeStart { nanos } => write!(f, "It ends {} before it starts; drawn without length.", Nanos(*nanos)),
            Self::ZeroStart => f.write_str("Its start is missing; drawn from where its parent starts."),
            Self::EmptyName => f.write_str("It has no name."),
            Self::EmptyService => f.write_str("Its resource has no service.name."),
            Self::ImpossibleTime => f.write_str(
                "Its start or end lies before the year 2000 or after 2099 and does not count for the time of the trace.",
            ),
            Self::ClockSkew { nanos } => {
                write!(f, "Clocks disagree: it lies {} outside of its parent on another host.", Nanos(*nanos))
            }
            Self::StartsBeforeParent { nanos } => write!(f, "It starts {} before its parent.", Nanos(*nanos)),
            Self::StartsAfterParent { nanos } => write!(f, "It starts {} after its parent has ended.", Nanos(*nanos)),
            Self::Repaired(what) => write!(f, "Repaired when it came in: {what}."),
            Self::Dropped { attributes, events, links } => {
                write!(f, "The sender dropped {attributes} attributes, {events} events and {links} links.")
            }
            Self::RepeatedAttribute(key) => write!(f, "The attribute {key} appears more than once."),
            Self::EventsOutside { events: 1 } => f.write_str("1 event lies outside of the span."),
            Self::EventsOutside { events } => write!(f, "{events} events lie outside of the span."),
        }
    }
}

/// Nanoseconds in the largest unit that keeps the number at 1 or more.
struct Nanos(u64);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)];
        let value = self.0 as f64;
        match units.iter().find(|(_, size)| value >= *size) {
            Some((unit, size)) => write!(f, "{} {unit}", Significant(value / size)),
            None => write!(f, "{} ns", self.0),
        }
    }
}

/// A number without needless zeros.
struct Significant(f64);

impl fmt::Display for Significant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_state_amounts_in_readable_units() {
        let cases = [
            (900, "900 ns"),
            (1_500, "1.5 µs"),
            (20_000_000, "20 ms"),
            (1_234_000_000, "1.23 s"),
            (7_200_000_000_000, "7200 s"),
        ];
        for (nanos, text) in cases {
            let warning = Warning::StartsBeforeParent { nanos };
            assert_eq!(warning.to_string(), format!("It starts {text} before its parent."));
        }
    }
}
