//! The server from start to stop: what operators ask it, what a reader finds and when.

use http::Method;
use prost::Message;

use super::api::{Http, escape};
use super::export::{Grpc, request, span};
use super::spans::{by_name, hex};
use crate::harness::{Server, hoptrail};

fn start() -> (tempfile::TempDir, Server, Http) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    (data, server, Http::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_answer_on_both_http_listeners() {
    let (_data, server, http) = start();
    for address in [&server.tempo, &server.ui] {
        for path in ["/ready", "/health"] {
            assert_eq!(http.get(&format!("http://{address}{path}")).await.status, 200, "{address}{path}");
        }
        let metrics = http.get(&format!("http://{address}/metrics")).await;
        assert_eq!(metrics.status, 200);
        assert!(metrics.text().contains("# TYPE process_resident_memory_bytes gauge"), "{}", metrics.text());
    }
    assert_eq!(http.get(&format!("http://{}/api/echo", server.tempo)).await.text(), "echo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_move_with_what_happens() {
    let (_data, server, http) = start();
    let mut grpc = Grpc::to(&server).await;
    let count = async |name: &str, label: &str| http.metric(&server.ui, name, label).await.unwrap_or_default();
    assert_eq!(count("hoptrail_spans_received_total", "").await, 0.0);

    let mut refused = span(1, 2, "bad");
    refused.trace_id = vec![0; 16];
    let answer = grpc.export(request("metrics", vec![span(1, 1, "good"), refused])).await;
    let partial = answer.expect("the good span is taken").partial_success.expect("the refused span is told");
    assert_eq!(partial.rejected_spans, 1);
    assert!(!partial.error_message.is_empty());
    assert_eq!(count("hoptrail_spans_received_total", "").await, 1.0);
    assert_eq!(count("hoptrail_spans_refused_total", "reason=").await, 1.0);
    assert!(count("hoptrail_received_bytes_total", "").await > 0.0);

    http.trace(&server, &hex(&1_u128.to_be_bytes())).await;
    http.search(&server, r#"{ name = "good" }"#).await;
    assert_eq!(count("hoptrail_queries_total", r#"kind="trace""#).await, 1.0);
    assert_eq!(count("hoptrail_queries_total", r#"kind="search""#).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_is_found_right_after_its_acknowledgement() {
    let (_data, server, http) = start();
    let mut grpc = Grpc::to(&server).await;
    for turn in 1..=50_u64 {
        let trace = u128::from(turn) << 64 | 0xfeed;
        let name = format!("turn {turn}");
        let sent = request("reader", vec![span(trace, turn, &name)]);
        if turn % 2 == 0 {
            grpc.deliver(sent).await;
        } else {
            let url = format!("http://{}/v1/traces", server.otlp_http);
            let answer = http.post(&url, &[("content-type", "application/x-protobuf")], sent.encode_to_vec()).await;
            assert_eq!(answer.status, 200, "{:?}", answer.body);
        }
        let id = hex(&trace.to_be_bytes());
        assert_eq!(by_name(&http.trace(&server, &id).await)[name.as_str()].service(), "reader");
        assert_eq!(http.search(&server, &format!("{{ name = \"{name}\" }}")).await.len(), 1, "{name}");
    }
    assert_eq!(http.search(&server, r#"{ resource.service.name = "reader" }"#).await.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_there_and_takes_more() {
    let (data, server, http) = start();
    Grpc::to(&server).await.deliver(request("keeper", vec![span(7, 1, "before")])).await;
    server.stop();
    let server = Server::start(data.path());
    let id = hex(&7_u128.to_be_bytes());
    assert!(by_name(&http.trace(&server, &id).await).contains_key("before"));
    Grpc::to(&server).await.deliver(request("keeper", vec![span(7, 2, "after")])).await;
    let spans = http.trace(&server, &id).await;
    let names: Vec<_> = by_name(&spans).into_keys().collect();
    assert_eq!(names, ["after", "before"]);
    let found = http.search(&server, r#"{ resource.service.name = "keeper" && name = "before" }"#).await;
    assert_eq!(found.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shop_fills_the_pages() {
    let (_data, server, http) = start();
    let endpoint = format!("http://{}", server.otlp_grpc);
    let run = ["demo", "--endpoint", &endpoint, "--rate", "500", "--duration", "2s", "--backfill", "1m"];
    let ended = hoptrail().args(run).output().expect("the demo starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let url = format!("http://{}/api/v2/search/tag/resource.service.name/values", server.tempo);
    let values = http.get(&url).await.json();
    let services: Vec<_> =
        values["tagValues"].as_array().expect("a list").iter().map(|value| &value["value"]).collect();
    assert!(services.len() >= 12, "{services:?}");
    let page = http.get(&format!("http://{}/search", server.ui)).await;
    assert_eq!(page.status, 200);
    for service in services {
        let service = service.as_str().expect("a name");
        assert!(page.text().contains(service), "the search page does not offer {service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_do_not_see_each_other() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start_with(data.path(), &["--set", "tenancy.mode=multi"]);
    let http = Http::new();
    let url = format!("http://{}/v1/traces", server.otlp_http);
    let body = request("shop", vec![span(9, 9, "secret")]).encode_to_vec();
    let headers = [("content-type", "application/x-protobuf"), ("x-scope-orgid", "team-a")];
    assert_eq!(http.post(&url, &headers, body).await.status, 200);
    let url = format!("http://{}/api/search?q={}", server.tempo, escape(r#"{ name = "secret" }"#));
    let found = |tenant| {
        let (http, url) = (http.clone(), url.clone());
        async move {
            let answer = http.send(Method::GET, &url, &[("x-scope-orgid", tenant)], "").await.expect("an answer");
            answer.json()["traces"].as_array().map(Vec::len)
        }
    };
    assert_eq!((found("team-a").await, found("team-b").await), (Some(1), Some(0)));
    assert_eq!(http.get(&url).await.status, 401, "no tenant is named");
}
