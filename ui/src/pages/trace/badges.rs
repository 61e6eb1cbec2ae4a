//! What a span says of itself by the semantic conventions, in a word or two.

use hoptrail_proto::model::{AnyValue, Span};
use hoptrail_query::conventions::{self, Area, Keys};

use crate::filters::plain_text;
use crate::format;

/// Most characters of one badge.
const LONGEST: usize = 32;

/// A word beside a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) text: String,
    /// What it is, for those who point at it.
    pub(crate) title: &'static str,
    /// `bad`, `warn`, or nothing.
    pub(crate) tone: &'static str,
}

impl Badge {
    fn new(text: impl AsRef<str>, title: &'static str) -> Self {
        Self { text: plain_text(&format::shortened(text.as_ref(), LONGEST)), title, tone: "" }
    }
}

/// The badges of a span. `has_peer` when the other side of its call stands beside its name already.
pub(super) fn badges(span: &Span, has_peer: bool) -> Vec<Badge> {
    match conventions::area(span) {
        Some(Area::Http) => http(span),
        // A framework that says no more than how it ended.
        None if conventions::value(span, conventions::HTTP_STATUS).is_some() => http(span),
        Some(Area::Rpc) => rpc(span),
        Some(Area::Database) if !has_peer => said(span, conventions::DB_SYSTEM, "database"),
        Some(Area::Messaging) if !has_peer => messaging(span),
        Some(Area::Faas) => said(span, conventions::FAAS_TRIGGER, "what started the function"),
        Some(Area::GenAi) => model(span),
        _ => vec![],
    }
}

fn http(span: &Span) -> Vec<Badge> {
    let method = text(span, conventions::HTTP_METHOD).filter(|method| !span.name.starts_with(method.as_str()));
    let method = method.map(|method| Badge::new(method, "HTTP method"));
    let status = text(span, conventions::HTTP_STATUS).map(|status| {
        let tone = match status.parse() {
            Ok(500_u16..=599) => "bad",
            Ok(400..=499) => "warn",
            _ => "",
        };
        Badge { tone, ..Badge::new(status, "HTTP status") }
    });
    method.into_iter().chain(status).collect()
}

fn rpc(span: &Span) -> Vec<Badge> {
    match conventions::rpc_status(span).filter(|status| status != "OK") {
        Some(status) => vec![Badge { tone: "warn", ..Badge::new(status, "RPC status") }],
        None => said(span, conventions::RPC_SYSTEM, "RPC system"),
    }
}

fn messaging(span: &Span) -> Vec<Badge> {
    let Some(system) = text(span, conventions::MESSAGING_SYSTEM) else { return vec![] };
    let queue = text(span, conventions::MESSAGING_DESTINATION).filter(|queue| !span.name.contains(queue.as_str()));
    vec![Badge::new(queue.map_or_else(|| system.clone(), |queue| format!("{system} {queue}")), "queue")]
}

fn model(span: &Span) -> Vec<Badge> {
    let mut badges = said(span, conventions::AI_MODEL, "model");
    let tokens = |keys: Keys| match conventions::value(span, keys) {
        Some(AnyValue::Int(tokens)) => u64::try_from(*tokens).ok().map(format::count),
        _ => None,
    };
    if let (Some(read), Some(written)) = (tokens(conventions::AI_INPUT_TOKENS), tokens(conventions::AI_OUTPUT_TOKENS)) {
        badges.push(Badge::new(format!("{read} → {written}"), "tokens read and written"));
    }
    badges
}

fn said(span: &Span, keys: Keys, title: &'static str) -> Vec<Badge> {
    text(span, keys).map(|text| Badge::new(text, title)).into_iter().collect()
}

fn text(span: &Span, keys: Keys) -> Option<String> {
    match conventions::value(span, keys)? {
        AnyValue::String(text) if !text.is_empty() => Some(text.clone()),
        AnyValue::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::Attribute;

    use super::*;

    fn shown(name: &str, attributes: &[(&str, AnyValue)], has_peer: bool) -> Vec<(String, &'static str)> {
        let attributes = attributes.iter().map(|(key, value)| Attribute::new(*key, value.clone())).collect();
        let span = Span { name: name.into(), attributes, ..Span::default() };
        badges(&span, has_peer).into_iter().map(|badge| (badge.text, badge.tone)).collect()
    }

    #[test]
    fn old_and_new_conventions_give_the_same_badges() {
        let old = [("http.method", "GET".into()), ("http.status_code", 503.into())];
        let new = [("http.request.method", "GET".into()), ("http.response.status_code", 503.into())];
        let expected = [("GET".to_owned(), ""), ("503".to_owned(), "bad")];
        assert_eq!(shown("/cart", &old, false), expected);
        assert_eq!(shown("/cart", &new, false), expected);
        assert_eq!(shown("GET /cart", &new, false), expected[1..], "the name says it already");
        assert_eq!(
            shown("GET /x", &[("http.method", "GET".into()), ("http.status_code", "404".into())], false)[0].1,
            "warn"
        );
    }

    #[test]
    fn each_area_has_its_own() {
        let grpc = [("rpc.system", "grpc".into()), ("rpc.grpc.status_code", 14.into())];
        assert_eq!(shown("Charge", &grpc, true), [("UNAVAILABLE".to_owned(), "warn")]);
        assert_eq!(shown("Charge", &grpc[..1], true), [("grpc".to_owned(), "")]);
        let database = [("db.system", "redis".into())];
        assert_eq!(shown("GET", &database, false), [("redis".to_owned(), "")]);
        assert_eq!(shown("GET", &database, true), []);
        let queue = [("messaging.system", "kafka".into()), ("messaging.destination", "orders".into())];
        assert_eq!(shown("process", &queue, false), [("kafka orders".to_owned(), "")]);
        let model = [
            ("gen_ai.system", "openai".into()),
            ("gen_ai.request.model", "gpt".into()),
            ("gen_ai.usage.prompt_tokens", 1_200.into()),
            ("gen_ai.usage.output_tokens", 34.into()),
        ];
        assert_eq!(shown("chat", &model, false)[1].0, "1\u{202f}200 → 34");
    }
}
