//! `with(…)`.

use super::super::ast::{Literal, LiteralKind, Query};
use super::super::suggest::did_you_mean;

/// Hints of Tempo that wish for what is always so here, or for less than all.
const NEEDLESS: [&str; 4] = ["sample", "trace_sample", "span_sample", "most_recent"];

/// What hints wish for.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) weighted: bool,
    pub(super) exemplars: Option<usize>,
    pub(super) notices: Vec<String>,
}

impl Hints {
    /// The last one of a name counts.
    pub(super) fn of(query: &Query) -> Self {
        let mut hints = Self::default();
        for hint in &query.hints {
            match hint.name.as_str() {
                "extrapolate" => hints.weighted = hint.value.kind == LiteralKind::Bool(true),
                "exemplars" => hints.exemplars = most(&hint.value),
                name if NEEDLESS.contains(&name) => {}
                name => hints.notices.push({
                    let known = NEEDLESS.into_iter().chain(["extrapolate", "exemplars"]);
                    format!("the hint {name} is unknown{} and has no effect", did_you_mean(name, known))
                }),
            }
        }
        hints
    }
}

fn most(value: &Literal) -> Option<usize> {
    match value.kind {
        LiteralKind::Bool(false) => Some(0),
        LiteralKind::Int(most) => usize::try_from(most).ok(),
        _ => None,
    }
}

/// What the value of a hint must be; `None` when it is so, or when the hint is unknown.
pub(in crate::traceql) fn wanted(name: &str, value: &LiteralKind) -> Option<&'static str> {
    let (sound, wanted) = match name {
        "extrapolate" | "most_recent" => (matches!(value, LiteralKind::Bool(_)), "true or false"),
        "exemplars" => {
            (matches!(value, LiteralKind::Bool(_) | LiteralKind::Int(0..)), "true, false or the most exemplars")
        }
        "sample" | "trace_sample" | "span_sample" => {
            let share = match value {
                LiteralKind::Float(share) => (0.0..=1.0).contains(share),
                LiteralKind::Int(share) => (0..=1).contains(share),
                other => matches!(other, LiteralKind::Bool(_)),
            };
            (share, "true, false or a share from 0 to 1")
        }
        _ => return None,
    };
    (!sound).then_some(wanted)
}
