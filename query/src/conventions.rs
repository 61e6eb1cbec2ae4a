//! Attributes by meaning. OpenTelemetry's semantic conventions renamed many keys, and senders of all ages are about: here an old and a
//! new key are one. Badges, facets, statistics and comparisons ask this table, so that they agree.
//!
//! Each rule is from the conventions' own registry: the group in `model/<area>/deprecated/registry-deprecated.yaml` that says "renamed
//! to". Keys whose meaning or value changed with the name (`http.target`, `http.flavor`, `http.host`) are no rule, except where a
//! comment says so.

use std::collections::HashMap;
use std::sync::LazyLock;

use hoptrail_proto::model::{AnyValue, Span, SpanKind};

/// Keys of one meaning, the current one first, the oldest last.
pub type Keys = &'static [&'static str];

// model/http
/// `GET`.
pub const HTTP_METHOD: Keys = &["http.request.method", "http.method"];
/// `200`.
pub const HTTP_STATUS: Keys = &["http.response.status_code", "http.status_code"];
/// `/users/{id}`; never renamed.
pub const HTTP_ROUTE: Keys = &["http.route"];
/// `https://shop/cart?x=1`.
pub const URL: Keys = &["url.full", "http.url"];

// model/rpc. A number of gRPC and a text of the new key mean the same, but are not equal: `rpc_status` reads both.
/// `grpc`.
pub const RPC_SYSTEM: Keys = &["rpc.system.name", "rpc.system"];
/// `5` of gRPC, `NOT_FOUND` of any.
pub const RPC_STATUS: Keys =
    &["rpc.response.status_code", "rpc.grpc.status_code", "rpc.connect_rpc.error_code", "rpc.jsonrpc.error_code"];
/// `Get`, in newer conventions `shop.Cart/Get`.
pub const RPC_METHOD: Keys = &["rpc.method"];

// model/database
/// `postgresql`.
pub const DB_SYSTEM: Keys = &["db.system.name", "db.system"];
/// `SELECT * FROM users`.
pub const DB_QUERY: Keys = &["db.query.text", "db.statement"];
/// `SELECT`.
pub const DB_OPERATION: Keys = &["db.operation.name", "db.operation"];
/// The name of a database.
pub const DB_NAMESPACE: Keys = &["db.namespace", "db.name", "db.redis.database_index", "db.elasticsearch.cluster.name"];
/// The name of a table.
pub const DB_COLLECTION: Keys =
    &["db.collection.name", "db.sql.table", "db.mongodb.collection", "db.cassandra.table", "db.cosmosdb.container"];

// model/messaging; `messaging.destination` is of version 1.16 and before.
/// `kafka`.
pub const MESSAGING_SYSTEM: Keys = &["messaging.system"];
/// `publish`.
pub const MESSAGING_OPERATION: Keys = &["messaging.operation.type", "messaging.operation"];
/// The name of a queue.
pub const MESSAGING_DESTINATION: Keys = &["messaging.destination.name", "messaging.destination"];

// model/faas; `faas.execution` is of version 1.18 and before.
/// What started a function: `http`, `timer`.
pub const FAAS_TRIGGER: Keys = &["faas.trigger"];
/// The function that is called.
pub const FAAS_CALLED: Keys = &["faas.invoked_name", "faas.name"];

// model/gen-ai
/// `openai`.
pub const AI_PROVIDER: Keys = &["gen_ai.provider.name", "gen_ai.system"];
/// `chat`.
pub const AI_OPERATION: Keys = &["gen_ai.operation.name"];
/// The model that answered, or else that was asked. Two meanings, of which the first is nearly always what is wanted.
pub const AI_MODEL: Keys = &["gen_ai.response.model", "gen_ai.request.model"];
/// Tokens read.
pub const AI_INPUT_TOKENS: Keys = &["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"];
/// Tokens written.
pub const AI_OUTPUT_TOKENS: Keys = &["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"];
/// Tokens read that the provider had in its cache. The later keys are of instrumentation that was before the convention.
pub const AI_CACHED_TOKENS: Keys = &[
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached",
];
/// Tokens written while the model was thinking.
pub const AI_REASONING_TOKENS: Keys =
    &["gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.output_tokens.reasoning"];
/// The tool that was called.
pub const AI_TOOL: Keys = &["gen_ai.tool.name"];

/// All keys that were renamed, the current one first. [`AI_MODEL`] is not among them: its keys differ in meaning.
const RENAMED: [Keys; 42] = [
    HTTP_METHOD,
    HTTP_STATUS,
    URL,
    RPC_SYSTEM,
    RPC_STATUS,
    DB_SYSTEM,
    DB_QUERY,
    DB_OPERATION,
    DB_NAMESPACE,
    DB_COLLECTION,
    MESSAGING_OPERATION,
    MESSAGING_DESTINATION,
    AI_PROVIDER,
    AI_INPUT_TOKENS,
    AI_OUTPUT_TOKENS,
    // model/http
    &["url.scheme", "http.scheme"],
    &["client.address", "http.client_ip"],
    &["user_agent.original", "http.user_agent"],
    &["http.request.header.content-length", "http.request_content_length"],
    &["http.response.header.content-length", "http.response_content_length"],
    &["http.request.body.size", "http.request_content_length_uncompressed"],
    &["http.response.body.size", "http.response_content_length_uncompressed"],
    // model/network. net.peer.name is that of the server on client spans only, where nearly all senders set it.
    &["server.address", "net.host.name", "http.server_name", "net.peer.name"],
    &["server.port", "net.host.port", "net.peer.port"],
    &["network.peer.address", "net.sock.peer.addr", "net.peer.ip"],
    &["network.peer.port", "net.sock.peer.port"],
    &["network.local.address", "net.sock.host.addr", "net.host.ip"],
    &["network.local.port", "net.sock.host.port"],
    &["network.transport", "net.transport"],
    &["network.protocol.name", "net.protocol.name"],
    &["network.protocol.version", "net.protocol.version"],
    // model/messaging
    &["messaging.message.id", "messaging.message_id"],
    &["messaging.client.id", "messaging.client_id"],
    &["messaging.consumer.group.name", "messaging.kafka.consumer.group", "messaging.eventhubs.consumer.group"],
    &["messaging.destination.partition.id", "messaging.kafka.destination.partition", "messaging.kafka.partition"],
    &["messaging.kafka.offset", "messaging.kafka.message.offset"],
    // model/service, model/deployment, model/faas
    &["service.peer.name", "peer.service"],
    &["deployment.environment.name", "deployment.environment"],
    &["faas.invocation_id", "faas.execution"],
    // model/code
    &["code.function.name", "code.function"],
    &["code.file.path", "code.filepath"],
    &["code.line.number", "code.lineno"],
];

static BY_KEY: LazyLock<HashMap<&'static str, Keys>> =
    LazyLock::new(|| RENAMED.iter().flat_map(|keys| keys.iter().map(|key| (*key, *keys))).collect());

/// The keys that mean the same as `key`, the current one first; `None` when it never had another name.
#[must_use]
pub fn names_of(key: &str) -> Option<Keys> {
    BY_KEY.get(key).copied()
}

/// What `key` is called now.
#[must_use]
pub fn current(key: &str) -> &str {
    names_of(key).and_then(|keys| keys.first().copied()).unwrap_or(key)
}

/// The value that a span has under one of the keys.
#[must_use]
pub fn value<'s>(span: &'s Span, keys: &[&str]) -> Option<&'s AnyValue> {
    keys.iter().find_map(|key| span.attribute(key))
}

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// A request to a language model, or a step of an agent.
    GenAi,
    /// A query of a database.
    Database,
    /// Something is done with a message.
    Messaging,
    /// A remote procedure call.
    Rpc,
    /// A request over HTTP.
    Http,
    /// A function is run by its platform.
    Faas,
}

/// By which keys an area is known. Of a span that has several the first counts: a database that is asked over HTTP is a database.
const AREAS: [(Area, &[Keys]); 6] = [
    (Area::GenAi, &[AI_OPERATION, AI_PROVIDER]),
    (Area::Database, &[DB_SYSTEM]),
    (Area::Messaging, &[MESSAGING_SYSTEM]),
    (Area::Rpc, &[RPC_SYSTEM]),
    (Area::Http, &[HTTP_METHOD]),
    (Area::Faas, &[FAAS_TRIGGER]),
];

/// What the span is about, when it says so.
#[must_use]
pub fn area(span: &Span) -> Option<Area> {
    let has = |keys: &&Keys| value(span, keys).is_some();
    let found = AREAS.iter().find(|(_, keys)| keys.iter().any(|keys| has(&keys)));
    found.map(|(area, _)| *area)
}

/// The names of gRPC's status codes, by number.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// How a remote procedure call ended: the name of gRPC's number, else what the span says.
#[must_use]
pub fn rpc_status(span: &Span) -> Option<String> {
    let is_grpc = || value(span, RPC_SYSTEM).is_none_or(|system| system.as_str() == Some("grpc"));
    match value(span, RPC_STATUS)? {
        AnyValue::Int(number) => {
            let name = usize::try_from(*number).ok().and_then(|number| GRPC.get(number)).filter(|_| is_grpc());
            Some(name.map_or_else(|| number.to_string(), |name| (*name).to_owned()))
        }
        AnyValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether the span says that its parent is in another process: by its flags, or else by its kind.
#[must_use]
pub fn has_remote_parent(span: &Span) -> bool {
    // Bits 8 and 9 of opentelemetry.proto.trace.v1.SpanFlags: whether it is known, and whether it is so.
    const KNOWN: u32 = 0x100;
    const REMOTE: u32 = 0x200;
    let by_kind = matches!(span.kind, SpanKind::Server | SpanKind::Consumer);
    span.parent_span_id.is_some() && if span.flags & KNOWN == 0 { by_kind } else { span.flags & REMOTE != 0 }
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::{Attribute, SpanId};

    use super::*;

    fn span(attributes: &[(&str, AnyValue)]) -> Span {
        let attributes = attributes.iter().map(|(key, value)| Attribute::new(*key, value.clone())).collect();
        Span { attributes, ..Span::default() }
    }

    #[test]
    fn a_key_has_one_meaning() {
        let all: Vec<&str> = RENAMED.iter().flat_map(|keys| keys.iter().copied()).collect();
        assert_eq!(BY_KEY.len(), all.len(), "a key stands in two rows");
        assert!(RENAMED.iter().all(|keys| keys.len() > 1));
    }

    #[test]
    fn old_and_new_names_are_one() {
        assert_eq!(
            (current("http.method"), current("http.request.method")),
            ("http.request.method", "http.request.method")
        );
        assert_eq!((current("db.statement"), current("shop.id")), ("db.query.text", "shop.id"));
        assert_eq!(names_of("peer.service"), Some(&["service.peer.name", "peer.service"][..]));
        let both = span(&[("http.method", "GET".into()), ("http.request.method", "POST".into())]);
        assert_eq!(value(&both, HTTP_METHOD), Some(&"POST".into()), "the current key counts");
        assert_eq!(value(&span(&[("http.method", "GET".into())]), HTTP_METHOD), Some(&"GET".into()));
    }

    #[test]
    fn a_span_is_about_the_most_special() {
        let of = |keys: &[&str]| area(&span(&keys.iter().map(|key| (*key, "x".into())).collect::<Vec<_>>()));
        assert_eq!(of(&["http.method", "db.system"]), Some(Area::Database));
        assert_eq!(of(&["http.method", "rpc.system"]), Some(Area::Rpc));
        assert_eq!(of(&["gen_ai.system", "http.request.method"]), Some(Area::GenAi));
        assert_eq!((of(&["faas.trigger"]), of(&["http.route"])), (Some(Area::Faas), None));
    }

    #[test]
    fn numbers_of_grpc_have_names() {
        let status = |system: &str, key: &str, value: AnyValue| {
            rpc_status(&span(&[("rpc.system", system.into()), (key, value)]))
        };
        assert_eq!(status("grpc", "rpc.grpc.status_code", 5.into()).as_deref(), Some("NOT_FOUND"));
        assert_eq!(status("grpc", "rpc.grpc.status_code", 99.into()).as_deref(), Some("99"));
        assert_eq!(status("jsonrpc", "rpc.jsonrpc.error_code", 5.into()).as_deref(), Some("5"));
        assert_eq!(status("grpc", "rpc.response.status_code", "ABORTED".into()).as_deref(), Some("ABORTED"));
    }

    #[test]
    fn flags_say_more_than_kinds() {
        let parent_span_id = Some(SpanId([1; 8]));
        let span = |kind, flags| Span { kind, flags, parent_span_id, ..Span::default() };
        assert!(has_remote_parent(&span(SpanKind::Server, 0)) && !has_remote_parent(&span(SpanKind::Client, 0)));
        assert!(
            has_remote_parent(&span(SpanKind::Internal, 0x301)) && !has_remote_parent(&span(SpanKind::Server, 0x101))
        );
        assert!(!has_remote_parent(&Span { kind: SpanKind::Server, ..Span::default() }), "a root");
    }
}
