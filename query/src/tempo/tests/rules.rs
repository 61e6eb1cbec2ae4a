//! What holds for every route.

use std::time::Duration;

use hoptrail_storage::{
    AttributeScope, FieldValuesRequest, QueryContext, ReadError, SearchAnswer, SearchRequest, TimeRange, TraceReader,
};

use super::*;

const ROUTES: [&str; 7] = [
    "/api/traces/1",
    "/api/v2/traces/1",
    "/api/search",
    "/api/search/tags",
    "/api/v2/search/tags",
    "/api/search/tag/a/values",
    "/api/v2/search/tag/.a/values",
];

#[tokio::test]
async fn echo_and_build_info_answer_anybody() {
    let tempo = Tempo::new(&Config { multi_tenant: true, ..Config::default() });
    let answer = tempo.get("/api/echo").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "echo\n"));
    let info = tempo.json("/api/status/buildinfo").await;
    let keys: Vec<_> = info.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, ["branch", "buildDate", "buildUser", "goVersion", "revision", "version"]);
    let version: Vec<u32> =
        info["version"].as_str().expect("text").split('.').map(|part| part.parse().expect("a number")).collect();
    assert!(version.len() == 3 && version[..2] >= [2, 10][..], "{version:?}");
}

#[tokio::test]
async fn any_method_is_answered_and_unknown_routes_are_404() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1))]).await;
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        for route in ROUTES.iter().chain(&["/api/echo"]) {
            let request = Request::builder().method(method).uri(*route).body(Body::empty()).expect("a request");
            assert_eq!(tempo.ask(request).await.status, 200, "{method} {route}");
        }
    }
    tempo.refuses("/api/metrics/query_range?q=x", 501, "not supported yet").await;
    tempo.refuses("/api/metrics/query?q=x", 501, "not supported yet").await;
    assert_eq!(tempo.get("/api/nothing").await.status, 404);
    assert_eq!(tempo.get("/api/traces/").await.status, 404);
}

#[tokio::test]
async fn accept_is_searched_for_protobuf_and_json_is_the_rule() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1))]).await;
    for (accept, kind) in [
        ("application/protobuf", "application/protobuf"),
        ("application/json, application/protobuf;q=0.1", "application/protobuf"),
        ("application/json", "application/json"),
        ("application/vnd.grafana.llm", "application/json"),
        ("text/html, */*", "application/json"),
        ("", "application/json"),
    ] {
        for route in ROUTES {
            let answer = tempo.get_with(route, &[("accept", accept)]).await;
            assert_eq!(answer.headers["content-type"], kind, "{accept} {route}");
        }
    }
}

#[tokio::test]
async fn answers_are_compressed_when_the_client_wants_it() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1)).with("a", "long ".repeat(100))]).await;
    let answer = tempo.get_with("/api/traces/1", &[("accept-encoding", "gzip")]).await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert_eq!(answer.body[..2], [0x1f, 0x8b]);
    assert!(!tempo.get("/api/traces/1").await.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn one_tenant_needs_no_name_and_many_never_mix() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1))]).await;
    assert_eq!(tempo.get_with("/api/traces/1", &[("x-scope-orgid", "a/b")]).await.status, 200, "the header is ignored");

    let tempo = Tempo::new(&Config { multi_tenant: true, ..Config::default() });
    tempo.keep(TenantId::new("a").expect("a name"), &[span("1", 1, 0, "s", "n", (0, 1))]).await;
    for route in ROUTES {
        let answer = tempo.get(route).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (401, "no org id"), "{route}");
        let answer = tempo.get_with(route, &[("x-scope-orgid", "a/b")]).await;
        assert_eq!(answer.status, 400, "{route}");
        assert!(answer.text().contains("tenant \"a/b\" is not valid"), "{}", answer.text());
    }
    assert_eq!(tempo.get_with("/api/traces/1", &[("X-Scope-OrgID", "a")]).await.status, 200);
    assert_eq!(tempo.get_with("/api/traces/1", &[("X-Scope-OrgID", "b")]).await.status, 404);
    assert_eq!(tempo.get_with("/api/traces/1", &[("X-Scope-OrgID", "a|b")]).await.status, 400);
}

/// A store that always fails.
#[derive(Debug)]
struct Broken(ReadError);

impl TraceReader for Broken {
    fn trace(
        &self,
        _: &TenantId,
        _: TraceId,
        _: &QueryContext,
    ) -> Result<Option<hoptrail_proto::model::Trace>, ReadError> {
        Err(self.0.clone())
    }

    fn search(&self, _: &TenantId, _: &SearchRequest, _: &QueryContext) -> Result<SearchAnswer, ReadError> {
        Err(self.0.clone())
    }

    fn attribute_keys(
        &self,
        _: &TenantId,
        _: Option<TimeRange>,
        _: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        Err(self.0.clone())
    }

    fn field_values(
        &self,
        _: &TenantId,
        _: &FieldValuesRequest,
        _: &QueryContext,
    ) -> Result<Vec<hoptrail_storage::Value>, ReadError> {
        Err(self.0.clone())
    }
}

#[tokio::test]
async fn failures_of_the_store_have_codes_and_plain_text() {
    for (error, status, reason) in [
        (ReadError::Deadline { limit: Duration::from_secs(2) }, 504, "deadline of 2000 ms"),
        (ReadError::Memory { limit: 5 }, 422, "memory budget of 5 bytes"),
        (ReadError::Storage("disk on fire".into()), 500, "disk on fire"),
    ] {
        let service = Service::new(&Config::default(), Arc::new(Broken(error)), &mut Registry::default());
        let tempo = Tempo { routes: super::super::router(service), store: Arc::default() };
        for route in ROUTES {
            tempo.refuses(route, status, reason).await;
        }
    }
}

#[tokio::test]
async fn too_many_queries_are_told_to_come_again() {
    let tempo = Tempo::new(&Config { concurrency: 0, waiting: 0, ..Config::default() });
    for route in ROUTES {
        let answer = tempo.get(route).await;
        assert_eq!(answer.status, 429, "{route}");
        assert_eq!(answer.headers["retry-after"], "1");
    }
}
