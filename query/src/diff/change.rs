//! What is different about a span that both traces have.

use std::collections::BTreeMap;

use hoptrail_proto::model::{AnyValue, Attribute, Span};

use crate::assemble::Node;

/// Durations count as different when they differ by more than a tenth of the longer one, and by more than this.
const NOTICEABLE_NANOS: u64 = 1_000_000;

/// A span of one trace or of both.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed<'a> {
    /// Only the trace that is compared has it.
    Added(&'a Node<'a>),
    /// Only the base has it.
    Removed(&'a Node<'a>),
    /// Both have it.
    Both {
        /// In the base.
        base: &'a Node<'a>,
        /// In the other trace.
        compare: &'a Node<'a>,
        /// What is different.
        change: Option<Change<'a>>,
    },
}

/// Differences of a span, at least one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change<'a> {
    /// It takes noticeably longer or shorter.
    pub duration: bool,
    /// Its status code or message is another.
    pub status: bool,
    /// By key, the values of attributes that are not the same: in the base, and in the other trace.
    pub attributes: BTreeMap<&'a str, (Option<&'a AnyValue>, Option<&'a AnyValue>)>,
}

impl<'a> Changed<'a> {
    /// What became of a span; `None` when neither trace has it.
    pub(super) fn of(base: Option<&'a Node<'a>>, compare: Option<&'a Node<'a>>) -> Option<Self> {
        Some(match (base, compare) {
            (None, None) => return None,
            (None, Some(compare)) => Self::Added(compare),
            (Some(base), None) => Self::Removed(base),
            (Some(base), Some(compare)) => Self::Both { base, compare, change: change(base, compare) },
        })
    }
}

fn change<'a>(base: &Node<'a>, compare: &Node<'a>) -> Option<Change<'a>> {
    let (one, other): (&'a Span, &'a Span) = (&base.span()?.span, &compare.span()?.span);
    let change = Change {
        duration: is_noticeable(base.interval.nanos(), compare.interval.nanos()),
        status: one.status != other.status,
        attributes: differing(&one.attributes, &other.attributes),
    };
    (change != Change::default()).then_some(change)
}

fn is_noticeable(one: u64, other: u64) -> bool {
    let difference = one.abs_diff(other);
    difference > NOTICEABLE_NANOS && difference > one.max(other) / 10
}

/// Of a repeated key the first value counts.
fn differing<'a>(
    one: &'a [Attribute],
    other: &'a [Attribute],
) -> BTreeMap<&'a str, (Option<&'a AnyValue>, Option<&'a AnyValue>)> {
    let mut values: BTreeMap<&str, (Option<&AnyValue>, Option<&AnyValue>)> = BTreeMap::new();
    for attribute in one {
        values.entry(&attribute.key).or_default().0.get_or_insert(&attribute.value);
    }
    for attribute in other {
        values.entry(&attribute.key).or_default().1.get_or_insert(&attribute.value);
    }
    values.retain(|_, (one, other)| one != other);
    values
}
