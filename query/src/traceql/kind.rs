//! What a query asks for, by its words.

use super::lex::lex;
use super::tokens::{Sign, Token, TokenKind};

/// What a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Traces.
    Traces,
    /// Spans: the stage `spans`.
    Spans,
    /// Numbers over time: a metrics function.
    Metrics,
}

/// What a query asks for. It is judged by words alone, so that it is known as well for queries with faults, and for those that only
/// another server can answer.
///
/// ```
/// use hoptrail_query::traceql::{Kind, kind_of};
///
/// assert_eq!(kind_of("{ status = error } | rate()"), Kind::Metrics);
/// assert_eq!(kind_of("{ name = \"rate()\" }"), Kind::Traces);
/// ```
#[must_use]
pub fn kind_of(q: &str) -> Kind {
    let mut depth = 0_usize;
    let mut kind = Kind::Traces;
    let (tokens, _) = lex(q);
    let kinds: Vec<&TokenKind> = tokens.iter().map(|Token { kind, .. }| kind).collect();
    for (at, token) in kinds.iter().enumerate() {
        match token {
            TokenKind::Sign(Sign::OpenBrace) => depth += 1,
            TokenKind::Sign(Sign::CloseBrace) => depth = depth.saturating_sub(1),
            TokenKind::Word(word) if depth == 0 => {
                let is = |at: usize, sign| matches!(kinds.get(at), Some(TokenKind::Sign(found)) if *found == sign);
                if is_metrics_word(word) && is(at + 1, Sign::OpenParen) {
                    return Kind::Metrics;
                }
                if word == "spans" && at > 0 && is(at - 1, Sign::Pipe) {
                    kind = Kind::Spans;
                }
            }
            _ => {}
        }
    }
    kind
}

/// Whether a word is the name of a metrics function.
pub(super) fn is_metrics_word(word: &str) -> bool {
    matches!(word, "rate" | "compare") || word.ends_with("_over_time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_outside_of_braces_count() {
        for (q, kind) in [
            ("", Kind::Traces),
            ("{ span.rate > 5 } | select(span.rate)", Kind::Traces),
            ("{ name = `x | spans` } // | spans", Kind::Traces),
            ("{ } | by(rate) | count() > 1", Kind::Traces),
            ("{ } >> { status = error } | sort(duration desc) | spans", Kind::Spans),
            ("{ } | quantile_over_time(duration, .9) by (name) | topk(5)", Kind::Metrics),
            ("({ } | count_over_time()) / ({ } | rate())", Kind::Metrics),
            ("{ } | compare({ status = error }", Kind::Metrics),
            ("} } | rate (", Kind::Metrics),
        ] {
            assert_eq!(kind_of(q), kind, "{q}");
        }
    }
}
