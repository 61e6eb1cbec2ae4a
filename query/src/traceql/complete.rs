//! Completion in an editor: what may stand at a place of a query that is being typed.

use std::ops::Range;

use hoptrail_storage::{AttributeScope, Field, Filter, Intrinsic};

use super::ast::Name;
use super::kind::is_metrics_word;
use super::lenient::lenient_filter;
use super::lex::lex;
use super::names::{SCOPES, STAGES, all_names};
use super::parse::MAX_QUERY_BYTES;
use super::tokens::{Sign, Token, TokenKind};

/// What may stand at a place of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The bytes that a choice replaces; empty where nothing is typed yet.
    pub replaces: Range<usize>,
    /// What is typed of it, without quotes and without a scope. Choices contain it.
    pub typed: String,
    /// Words of the language, ready to stand there: keywords, operators, intrinsics, beginnings such as `span.`. Only those that begin with
    /// what is typed.
    pub words: Vec<String>,
    /// What of the store may stand there.
    pub stored: Stored,
    /// Which spans to take choices from: what is typed already of the braces around the place, without the condition at the place.
    pub filter: Filter,
}

/// What the store has to offer for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// The keys of attributes, written with `field_text`; with `of_parent` after the word `parent`.
    Keys {
        /// Of this scope; `None` for all.
        scope: Option<AttributeScope>,
        /// Whether of the parent span.
        of_parent: bool,
    },
    /// The values of a field.
    Values(Field),
}

/// What may stand at the byte `at` of a query. Never fails: where nothing is known, nothing is offered.
///
/// ```
/// use hoptrail_query::traceql::{Stored, complete, parse_field};
///
/// let typed = "{ status = error && span.http.route = \"/ca";
/// let found = complete(typed, typed.len());
/// assert_eq!((&typed[found.replaces], found.typed.as_str()), ("\"/ca", "/ca"));
/// assert_eq!(found.stored, Stored::Values(parse_field("span.http.route").unwrap()));
/// ```
#[must_use]
pub fn complete(q: &str, at: usize) -> Completion {
    let mut at = at.min(q.len());
    while !q.is_char_boundary(at) {
        at -= 1;
    }
    let before = q.get(..at).filter(|before| before.len() <= MAX_QUERY_BYTES).unwrap_or_default();
    let (mut tokens, _) = lex(before);
    tokens.pop();
    let partial = tokens.pop_if(|token| token.range.end == at && is_unfinished(token));
    let place = Place::of(&tokens);
    let start = partial.as_ref().map_or(at, |token| token.range.start);
    let text = before.get(start..).unwrap_or_default();
    let (typed, stored) = offered(&place, partial.as_ref().map(|token| &token.kind), text);
    let words = place.words().into_iter().filter(|word| !is_quoted(text) && word.starts_with(text));
    let words = words.map(str::to_owned).collect();
    Completion { replaces: start..at, typed, words, stored, filter: filter_around(q, &tokens, at) }
}

/// Whether more may be typed of a token: names, words and strings without an end.
fn is_unfinished(token: &Token) -> bool {
    matches!(
        token.kind,
        TokenKind::Word(_) | TokenKind::Attribute { .. } | TokenKind::Intrinsic(_) | TokenKind::Bad | TokenKind::Int(_)
    )
}

fn is_quoted(text: &str) -> bool {
    text.starts_with(['"', '`'])
}

/// What is typed of a name or value, and what the store may offer for it.
fn offered(place: &Place, partial: Option<&TokenKind>, text: &str) -> (String, Stored) {
    let unquoted = || text.trim_start_matches(['"', '`']).to_owned();
    match (place, partial) {
        (Place::Value(field), _) => (unquoted(), Stored::Values(field.clone())),
        (Place::Operand, Some(TokenKind::Attribute { of_parent, scope, key })) => {
            let scope = Some(*scope).filter(|scope| *scope != AttributeScope::Any);
            (key.clone(), Stored::Keys { scope, of_parent: *of_parent })
        }
        // `span.` and the like: a key is missing, so it is no attribute yet.
        (Place::Operand, Some(TokenKind::Bad)) if text.ends_with('.') => (String::new(), keys_of(text)),
        (Place::Operand, None | Some(TokenKind::Word(_))) if text.is_empty() || Name::of_word(text).is_none() => {
            (text.to_owned(), Stored::Keys { scope: None, of_parent: false })
        }
        _ => (unquoted(), Stored::Nothing),
    }
}

fn keys_of(text: &str) -> Stored {
    let own = text.strip_prefix("parent.");
    let name = own.unwrap_or(text).trim_end_matches('.');
    let scope = SCOPES.into_iter().find(|(known, _)| *known == name).map(|(_, scope)| scope);
    Stored::Keys { scope, of_parent: own.is_some() }
}

/// A place between two tokens.
#[derive(Debug, PartialEq)]
enum Place {
    /// Where a field or a constant may stand.
    Operand,
    /// After a field and a comparison.
    Value(Field),
    /// After a whole operand of a condition.
    AfterOperand,
    /// Where a set of spans, a number of one or a stage may stand. `first` at the beginning of the query.
    Stage { first: bool },
    /// After a set of spans or a number of one.
    AfterStage,
    /// After a metrics function.
    AfterMetrics,
    /// Where the name of a hint may stand.
    Hint,
    /// Anything else.
    Unknown,
}

const AFTER_OPERAND: [&str; 14] =
    ["= ", "!= ", "=~ ", "!~ ", "> ", ">= ", "< ", "<= ", "&& ", "|| ", "+ ", "- ", "* ", "/ "];
const AFTER_STAGE: [&str; 20] = [
    "| ", "&& ", "|| ", "> ", ">> ", "< ", "<< ", "~ ", "!> ", "!>> ", "!< ", "!<< ", "!~ ", "&> ", "&>> ", "&< ",
    "&<< ", "&~ ", "= ", "with(",
];
const AFTER_METRICS: [&str; 5] = ["by(", "| ", "> ", "< ", "with("];
const HINTS: [&str; 4] = ["exemplars=", "sample=", "most_recent=true", "extrapolate=true"];

impl Place {
    fn of(tokens: &[Token]) -> Self {
        let mut open: Vec<Open> = Vec::new();
        for (number, token) in tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Sign(Sign::OpenBrace) => open.push(Open::Fields),
                TokenKind::Sign(Sign::OpenParen) => {
                    open.push(Open::of(tokens.get(..number).unwrap_or_default(), &open))
                }
                TokenKind::Sign(Sign::CloseBrace | Sign::CloseParen) => _ = open.pop(),
                _ => {}
            }
        }
        match open.last() {
            Some(Open::Fields) => Self::in_condition(tokens),
            Some(Open::Hints) => match tokens.last().map(|token| &token.kind) {
                Some(TokenKind::Sign(Sign::OpenParen | Sign::Comma)) => Self::Hint,
                _ => Self::Unknown,
            },
            Some(Open::Numbers) => Self::Unknown,
            Some(Open::Stages) | None => Self::in_pipeline(tokens),
        }
    }

    fn in_condition(tokens: &[Token]) -> Self {
        let Some((last, before)) = tokens.split_last() else { return Self::Unknown };
        match &last.kind {
            TokenKind::Sign(Sign::CloseParen) => Self::AfterOperand,
            TokenKind::Sign(sign) => match (is_comparison(*sign), before.last().and_then(field_of)) {
                (true, Some(field)) => Self::Value(field),
                _ => Self::Operand,
            },
            TokenKind::Bad | TokenKind::End => Self::Unknown,
            _ => Self::AfterOperand,
        }
    }

    fn in_pipeline(tokens: &[Token]) -> Self {
        match tokens.last().map(|token| &token.kind) {
            None => Self::Stage { first: true },
            Some(TokenKind::Sign(Sign::CloseParen)) if closes_metrics(tokens) => Self::AfterMetrics,
            Some(TokenKind::Sign(Sign::CloseBrace | Sign::CloseParen)) => Self::AfterStage,
            Some(TokenKind::Sign(Sign::OpenParen)) if tokens.len() == 1 => Self::Stage { first: true },
            Some(TokenKind::Sign(_)) => Self::Stage { first: false },
            Some(TokenKind::Int(_) | TokenKind::Float(_) | TokenKind::Duration(_)) => Self::AfterStage,
            _ => Self::Unknown,
        }
    }

    fn words(&self) -> Vec<&'static str> {
        match self {
            Self::Operand => {
                let scopes = ["span.", "resource.", "event.", "link.", "instrumentation.", "parent."];
                all_names().chain(scopes).collect()
            }
            Self::Value(Field::Intrinsic(Intrinsic::Status)) => vec!["error", "ok", "unset"],
            Self::Value(Field::Intrinsic(Intrinsic::Kind)) => {
                vec!["server", "client", "internal", "producer", "consumer", "unspecified"]
            }
            Self::Value(Field::Attribute { .. } | Field::Parent(_)) => vec!["true", "false", "nil"],
            Self::Value(Field::Intrinsic(_)) | Self::Unknown => Vec::new(),
            Self::AfterOperand => AFTER_OPERAND.into(),
            Self::Stage { first: true } => vec!["{ ", "("],
            Self::Stage { first: false } => STAGES.into(),
            Self::AfterStage => AFTER_STAGE.into(),
            Self::AfterMetrics => AFTER_METRICS.into(),
            Self::Hint => HINTS.into(),
        }
    }
}

/// What stands inside of open brackets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Open {
    /// Conditions and values of fields.
    Fields,
    /// Stages.
    Stages,
    /// Numbers only.
    Numbers,
    /// `with(…)`.
    Hints,
}

impl Open {
    /// What a bracket after these tokens opens.
    fn of(before: &[Token], open: &[Self]) -> Self {
        if open.last() == Some(&Self::Fields) {
            return Self::Fields;
        }
        match before.last().map(|token| &token.kind) {
            Some(TokenKind::Word(word)) => match word.as_str() {
                "with" => Self::Hints,
                "topk" | "bottomk" => Self::Numbers,
                _ => Self::Fields,
            },
            _ => Self::Stages,
        }
    }
}

fn is_comparison(sign: Sign) -> bool {
    matches!(sign, Sign::Eq | Sign::Ne | Sign::Match | Sign::NotMatch | Sign::Gt | Sign::Ge | Sign::Lt | Sign::Le)
}

fn field_of(token: &Token) -> Option<Field> {
    match &token.kind {
        TokenKind::Intrinsic(name) => Some(Field::Intrinsic(name.intrinsic())),
        TokenKind::Word(word) => Name::of_word(word).map(|name| Field::Intrinsic(name.intrinsic())),
        TokenKind::Attribute { of_parent, scope, key } => {
            let field = Field::attribute(*scope, key.as_str());
            Some(if *of_parent { Field::Parent(Box::new(field)) } else { field })
        }
        _ => None,
    }
}

/// Whether the bracket at the end closes a metrics function.
fn closes_metrics(tokens: &[Token]) -> bool {
    let mut depth = 0_usize;
    for (number, token) in tokens.iter().enumerate().rev() {
        match token.kind {
            TokenKind::Sign(Sign::CloseParen | Sign::CloseBrace) => depth += 1,
            TokenKind::Sign(Sign::OpenParen | Sign::OpenBrace) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let word = number.checked_sub(1).and_then(|before| tokens.get(before)).map(|token| &token.kind);
            return matches!(word, Some(TokenKind::Word(word)) if is_metrics_word(word));
        }
    }
    false
}

/// What the braces around the place say without the condition at the place; outside of braces, what the only braces before it say.
fn filter_around(q: &str, before: &[Token], at: usize) -> Filter {
    let mut braces: Vec<usize> = Vec::new();
    let mut closed: Vec<Range<usize>> = Vec::new();
    for token in before {
        match token.kind {
            TokenKind::Sign(Sign::OpenBrace) => braces.push(token.range.start),
            TokenKind::Sign(Sign::CloseBrace) => closed.extend(braces.pop().map(|start| start..token.range.end)),
            _ => {}
        }
    }
    match (braces.last(), closed.as_slice()) {
        (Some(start), _) => without_condition(q.get(*start..).unwrap_or_default(), at - start),
        (None, [only]) => lenient_filter(q.get(only.clone()).unwrap_or_default()),
        _ => Filter::True,
    }
}

/// The filter at the beginning of the text without the condition at a place.
fn without_condition(text: &str, at: usize) -> Filter {
    let (tokens, _) = lex(text.get(..MAX_QUERY_BYTES.min(text.len())).unwrap_or_default());
    let is_border = |token: &&Token| {
        matches!(
            token.kind,
            TokenKind::Sign(
                Sign::And | Sign::Or | Sign::OpenBrace | Sign::CloseBrace | Sign::OpenParen | Sign::CloseParen
            )
        )
    };
    let start = tokens.iter().filter(is_border).map(|token| token.range.end).take_while(|end| *end <= at).last();
    let next = tokens.iter().filter(is_border).map(|token| token.range.start).find(|start| *start >= at);
    let end = tokens.iter().find(|token| token.kind == TokenKind::Sign(Sign::CloseBrace));
    let end = end.map_or(text.len(), |token| token.range.end);
    let next = next.unwrap_or(text.len());
    let (left, right) = (text.get(..start.unwrap_or_default()), text.get(next..end.max(next)));
    lenient_filter(&format!("{} {}", left.unwrap_or_default(), right.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traceql::{compile, parse_field};

    /// The mark `^` in the text is the place.
    fn at_mark(text: &str) -> (String, Completion) {
        let at = text.find('^').expect("a mark");
        let q = text.replacen('^', "", 1);
        let found = complete(&q, at);
        (q, found)
    }

    fn keys(scope: Option<AttributeScope>) -> Stored {
        Stored::Keys { scope, of_parent: false }
    }

    #[test]
    fn the_store_offers_keys_and_values() {
        let values = |field: &str| Stored::Values(parse_field(field).expect("a field"));
        for (text, replaces, typed, stored) in [
            ("{ ^", "", "", keys(None)),
            ("{ ht^", "ht", "ht", keys(None)),
            ("{ .ht^", ".ht", "ht", keys(None)),
            ("{ span.^", "span.", "", keys(Some(AttributeScope::Span))),
            ("{ span.ht^tp = 1 }", "span.ht", "ht", keys(Some(AttributeScope::Span))),
            ("{ .a = 1 && resource.x^ }", "resource.x", "x", keys(Some(AttributeScope::Resource))),
            ("{ parent.^ }", "parent.", "", Stored::Keys { scope: None, of_parent: true }),
            ("{ } | by(res^", "res", "res", keys(None)),
            ("{ } | rate() by (span.^", "span.", "", keys(Some(AttributeScope::Span))),
            ("{ } | select(.a, ^", "", "", keys(None)),
            ("{ } | avg_over_time(span.d^", "span.d", "d", keys(Some(AttributeScope::Span))),
            ("{ span.a = ^", "", "", values("span.a")),
            ("{ .a != \"x y^ }", "\"x y", "x y", values(".a")),
            ("{ name =~ `GE^", "`GE", "GE", values("name")),
            ("{ status = e^ }", "e", "e", values("status")),
            ("{ parent.x = ^", "", "", values("parent.x")),
            ("{ .a = 1 ^", "", "", Stored::Nothing),
            ("{ \"x^", "\"x", "x", Stored::Nothing),
            ("{ } ^", "", "", Stored::Nothing),
            ("^", "", "", Stored::Nothing),
        ] {
            let (q, found) = at_mark(text);
            let shown = (&q[found.replaces.clone()], found.typed.as_str(), found.stored);
            assert_eq!(shown, (replaces, typed, stored), "{text}");
        }
    }

    #[test]
    fn words_stand_where_the_language_has_them() {
        for (text, words) in [
            ("^", vec!["{ ", "("]),
            ("{ sta^", vec!["status", "statusMessage"]),
            ("{ span:k^", vec!["span:kind"]),
            ("{ reso^", vec!["resource."]),
            ("{ status = ^", vec!["error", "ok", "unset"]),
            ("{ kind = p^", vec!["producer"]),
            ("{ .a = tr^", vec!["true"]),
            ("{ } | qua^", vec!["quantile_over_time("]),
            ("{ } | so^", vec!["sort("]),
            ("{ } | rate() ^", vec!["by(", "| ", "> ", "< ", "with("]),
            ("{ } | rate() | to^", vec!["topk("]),
            ("{ } | rate() with(ex^", vec!["exemplars=", "extrapolate=true"]),
            ("{ } | topk(^", vec![]),
        ] {
            let (_, found) = at_mark(text);
            assert_eq!(found.words, words, "{text}");
        }
        for (text, word) in [("{ .a ^", "= "), ("{ .a = 1 ^", "&& "), ("{ } ^", ">> "), ("{ } | count() ^", "> ")] {
            assert!(at_mark(text).1.words.iter().any(|found| found == word), "{text}");
        }
    }

    #[test]
    fn choices_come_from_spans_that_the_rest_finds() {
        for (text, rest) in [
            ("{ .a = 1 && .b = ^", "{ .a = 1 }"),
            ("{ .a = 1 && .b = ^\"x\" && .c = 2 }", "{ .a = 1 && .c = 2 }"),
            ("{ .b ^&& .c = 2 }", "{ .c = 2 }"),
            ("{ .a = 1 } >> { .b = 2 && ^ } | { .c = 3 }", "{ .b = 2 }"),
            ("{ .a = 1 } | by(^", "{ .a = 1 }"),
            ("{ .a = 1 } >> { .b = 2 } | by(^", "{ }"),
            ("^{ .a = 1 }", "{ }"),
        ] {
            let expected = compile(rest).map(|compiled| compiled.spans.as_filter().cloned().expect("a filter"));
            assert_eq!(Ok(at_mark(text).1.filter), expected, "{text}");
        }
    }

    #[test]
    fn any_place_of_any_text_is_answered() {
        for q in ["{ .ü = \"é", "}{)(", "\"", "with(", "{ .a = 1 }) | by(", "é", ")))", "rate)"] {
            for at in 0..q.len() + 3 {
                let found = complete(q, at);
                assert!(q.get(found.replaces).is_some(), "{q} {at}");
            }
        }
    }
}
