//! The far ends of calls that report nothing.

use hoptrail_proto::model::SpanKind::{Client, Consumer, Internal, Producer, Server};
use hoptrail_proto::model::SpanLink;

use super::build::{One, TRACE, id, shape, span, trace};
use crate::assemble::{Clocks, NodeKind, PeerKind, assemble};

fn call(attributes: &[(&str, &str)]) -> One {
    attributes.iter().fold(span(1, 0, "a", 0, 9).kind(Client), |span, (key, value)| span.with(key, value))
}

#[test]
fn peers_are_named_after_the_best_attribute() {
    type Attributes = &'static [(&'static str, &'static str)];
    let cases: [(Attributes, &str, PeerKind); 12] = [
        (&[("db.system.name", "postgresql"), ("db.namespace", "shop")], "postgresql shop", PeerKind::Database),
        (&[("db.system", "redis"), ("net.peer.name", "cache-1")], "redis cache-1", PeerKind::Database),
        (&[("db.system", "oracle"), ("peer.service", "billing-db")], "billing-db", PeerKind::Database),
        (&[("messaging.system", "kafka"), ("messaging.destination.name", "orders")], "kafka orders", PeerKind::Queue),
        (&[("peer.service", "erp"), ("server.address", "10.0.0.1")], "erp", PeerKind::Service),
        (&[("server.address", "erp.local"), ("server.port", "8443")], "erp.local:8443", PeerKind::Service),
        (&[("http.host", "erp:80"), ("net.peer.port", "80")], "erp:80", PeerKind::Service),
        (&[("url.full", "https://pay.example/charge?id=1")], "pay.example", PeerKind::Service),
        (&[("rpc.system", "grpc"), ("rpc.service", "erp.Stock")], "erp.Stock", PeerKind::Service),
        (&[("rpc.system", "java_rmi")], "java_rmi", PeerKind::Service),
        (&[("gen_ai.system", "openai")], "openai", PeerKind::Service),
        (&[], "unknown peer", PeerKind::Service),
    ];
    for (attributes, name, kind) in cases {
        let trace = trace([call(attributes)]);
        let tree = assemble(&trace, Clocks::AsSent);
        let NodeKind::Inferred(peer) = &tree.nodes[1].kind else { panic!("{attributes:?}: no peer") };
        assert_eq!((peer.name.as_str(), peer.kind), (name, kind), "{attributes:?}");
        assert_eq!(tree.nodes[1].key.to_string(), format!("{}~peer", id(1)));
        assert_eq!(tree.nodes[1].interval, tree.nodes[0].interval);
        assert_eq!((tree.summary.spans, tree.summary.inferred), (1, 1));
    }
}

#[test]
fn only_calls_that_nobody_took_have_a_peer() {
    let client = || span(1, 0, "a", 0, 9).kind(Client).with("server.address", "b");
    let link = || SpanLink { trace_id: TRACE, span_id: id(1), ..SpanLink::default() };
    let producer = || span(1, 0, "a", 0, 9).kind(Producer).with("messaging.system", "kafka");
    let cases = [
        ("the server reports", vec![client(), span(2, 1, "b", 1, 8).kind(Server)], "s1(s2)"),
        ("another service reports", vec![client(), span(2, 1, "b", 1, 8)], "s1(s2)"),
        ("only the caller's own work", vec![client(), span(2, 1, "a", 1, 2)], "s1([b] s2)"),
        ("an inner call", vec![client(), span(2, 1, "a", 1, 8).kind(Client).with("peer.service", "x")], "s1(s2([x]))"),
        ("a consumer below", vec![producer(), span(2, 1, "b", 20, 30).kind(Consumer)], "s1(s2)"),
        (
            "a consumer that links",
            vec![producer(), span(2, 0, "b", 20, 30).change(|s| s.links = vec![link()])],
            "s1 s2",
        ),
        ("nobody consumes", vec![producer()], "s1([kafka])"),
        ("a server's address is its own", vec![span(1, 0, "a", 0, 9).kind(Server).with("server.address", "a")], "s1"),
        ("an internal span that queries", vec![span(1, 0, "a", 0, 9).with("db.system", "sqlite")], "s1([sqlite])"),
        (
            "an internal span around a call",
            vec![span(1, 0, "a", 0, 9).with("db.system", "mysql"), span(2, 1, "a", 1, 2).kind(Internal)],
            "s1(s2)",
        ),
        ("plain internal work", vec![span(1, 0, "a", 0, 9)], "s1"),
    ];
    for (name, spans, expected) in cases {
        let trace = trace(spans);
        assert_eq!(shape(&assemble(&trace, Clocks::AsSent)), expected, "{name}");
    }
}
