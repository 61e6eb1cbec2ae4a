//! What holds for every route.

use std::time::Duration;

use hoptrail_proto::model::Tenancy;
use hoptrail_storage::{
    AttributeKeysRequest, AttributeScope, FieldValuesRequest, MetricsAnswer, MetricsRequest, QueryContext, ReadError,
    SearchAnswer, SearchRequest, TraceReader,
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
    let tempo = Tempo::new(&Config { tenancy: Tenancy::Multi, ..Config::default() });
    let answer = tempo.get("/api/echo").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "echo\n"));
    let info = tempo.json("/api/status/buildinfo").await;
    let keys: Vec<_> = info.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, ["branch", "buildDate", "buildUser", "goVersion", "revision", "version"]);
    assert_eq!(info["version"], "3.0.3");
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
    for nowhere in ["/", "/api/nothing", "/api/traces/", "/api/v3/search", "/loki/api/v1/query"] {
        tempo.refuses(nowhere, 404, &format!("there is nothing at {nowhere:?}: this is the Tempo API")).await;
    }
}

#[tokio::test]
async fn a_data_source_whose_url_ends_in_a_slash_is_answered() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1))]).await;
    for route in ROUTES.iter().chain(&["/api/echo"]) {
        for slashes in ["/", "//"] {
            let answer = tempo.get(&format!("{slashes}{route}")).await;
            assert_eq!((answer.status, answer.body), (StatusCode::OK, tempo.get(route).await.body), "{slashes}{route}");
        }
    }
    tempo.refuses("//api/search?start=x", 400, "invalid start").await;
    tempo.refuses("//api/nothing", 404, "there is nothing at \"/api/nothing\"").await;
}

#[tokio::test]
async fn parameters_are_refused_in_words_with_what_was_given_and_what_is_allowed() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1))]).await;
    let seconds = "expected whole seconds since 1970 UTC, from 0 to 4294967295";
    for route in ROUTES {
        for (parameters, reason) in [
            (
                "start=1767225600000&end=1767225601000".to_owned(),
                format!(
                    "invalid start \"1767225600000\": {seconds}; these look like milliseconds, of which the seconds are 1767225600"
                ),
            ),
            (
                "start=1&end=1767225601000000".to_owned(),
                "these look like microseconds, of which the seconds are 1767225601".to_owned(),
            ),
            (
                "start=1&end=1767225601000000000".to_owned(),
                "these look like nanoseconds, of which the seconds are 1767225601".to_owned(),
            ),
            ("start=-1&end=2".to_owned(), format!("invalid start \"-1\": {seconds}")),
            ("start=1.5&end=2".to_owned(), format!("invalid start \"1.5\": {seconds}")),
            ("start=now-1h&end=now".to_owned(), format!("invalid start \"now-1h\": {seconds}")),
            ("start=1&end=2026-01-01T00:00:00Z".to_owned(), format!("invalid end \"2026-01-01T00:00:00Z\": {seconds}")),
            (format!("start=1&end={}", "9".repeat(1000)), format!("{}\" (cut): {seconds}", "9".repeat(200))),
        ] {
            tempo.refuses(&format!("{route}?{parameters}"), 400, &reason).await;
        }
    }
    let counts =
        ["/api/search/tags", "/api/v2/search/tags", "/api/search/tag/a/values", "/api/v2/search/tag/.a/values"];
    for route in counts {
        for text in ["x", "-1", "1.5", "4294967296", "99999999999999999999"] {
            let reason = format!("invalid limit {text:?}: expected a whole number from 0 to 4294967295");
            tempo.refuses(&format!("{route}?limit={text}"), 400, &reason).await;
        }
    }
    for (url, reason) in [
        ("/api/search?limit=x", "invalid limit \"x\": expected a whole number from 1 to 262144"),
        ("/api/search?limit=99999999999", "invalid limit \"99999999999\": expected a whole number from 1 to 262144"),
        ("/api/search?spss=-3", "invalid spss \"-3\": expected a whole number from 0 to 100"),
        ("/api/search?since=-1h", "invalid since \"-1h\": it is negative"),
        (
            "/api/search?since=5",
            "invalid since: \"5\" is no duration: a unit is missing; write ns, us, ms, s, m, h, d, w or y",
        ),
        (
            "/api/search?end=5",
            "end is there without start: start and end must be given together, in seconds since 1970 UTC",
        ),
        ("/api/search/tags?scope=x", "invalid scope \"x\"; there are resource, span"),
        ("/api/traces/%FF", "the path is no UTF-8 text once its %-escapes are read"),
        ("/api/search/tag/%C3/values", "the path is no UTF-8 text once its %-escapes are read"),
    ] {
        tempo.refuses(url, 400, reason).await;
    }
}

#[tokio::test]
async fn accept_is_searched_for_protobuf_and_json_is_the_rule() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1))]).await;
    for (accept, kind) in [
        ("application/protobuf", "application/protobuf"),
        ("application/json, application/protobuf;q=0.1", "application/protobuf"),
        ("application/json", "application/json"),
        ("application/vnd.grafana.llm, application/json", "application/json"),
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

    let tempo = Tempo::new(&Config { tenancy: Tenancy::Multi, ..Config::default() });
    tempo.keep(TenantId::new("a").expect("a name"), &[span("1", 1, 0, "s", "n", (0, 1))]).await;
    for route in ROUTES {
        let answer = tempo.get(route).await;
        assert_eq!(answer.status, 401, "{route}");
        assert!(answer.text().starts_with("no org id: "), "{}", answer.text());
        let answer = tempo.get_with(route, &[("x-scope-orgid", "a/b")]).await;
        assert_eq!(answer.status, 400, "{route}");
        assert!(answer.text().contains("tenant \"a/b\" is not valid"), "{}", answer.text());
    }
    assert_eq!(tempo.get_with("/api/traces/1", &[("X-Scope-OrgID", "a")]).await.status, 200);
    assert_eq!(tempo.get_with("/api/traces/1", &[("X-Scope-OrgID", "b")]).await.status, 404);
    assert_eq!(tempo.get_with("/api/traces/1", &[("X-Scope-OrgID", "a|b")]).await.status, 200);
    assert_eq!(tempo.get_with("/api/traces/1", &[("X-Scope-OrgID", "a|")]).await.status, 400);
}

/// Two tenants with the same trace id, and everything else their own: what is named after the tenant must never be in another's answer.
async fn two_tenants() -> Tempo {
    let tempo = Tempo::new(&Config { tenancy: Tenancy::Multi, ..Config::default() });
    for (name, id) in [("alice", 1), ("bob", 2)] {
        let word = |what: &str| format!("{name}-{what}");
        let spans = [
            span("1", id, 0, &word("service"), &word("root"), (1000 * id, 1)).with(&word("key"), word("value")),
            span(&format!("1{id}"), id, 0, &word("service"), &word("other"), (1000 * id + 1, 1))
                .with("both", word("both")),
        ];
        tempo.keep(TenantId::new(name).expect("a name"), &spans).await;
    }
    tempo
}

#[tokio::test]
async fn nothing_of_a_tenant_is_in_the_answer_of_another() {
    let tempo = two_tenants().await;
    let everything = [
        "/api/traces/1",
        "/api/traces/12",
        "/api/v2/traces/1",
        "/api/v2/traces/12",
        "/api/search",
        "/api/search?q=%7B%7D&limit=100",
        "/api/search?tags=both%3Dbob",
        "/api/search/tags",
        "/api/v2/search/tags",
        "/api/search/tag/both/values",
        "/api/search/tag/bob-key/values",
        "/api/v2/search/tag/.both/values",
        "/api/v2/search/tag/resource.service.name/values",
        "/api/v2/search/tag/name/values",
        "/api/v2/search/tag/rootName/values",
        "/api/search?q=%7B+%7D+%7C+sort%28%29",
        "/api/search?limit=x",
    ];
    let mut seen = 0;
    for url in everything {
        let answer = tempo.get_with(url, &[("x-scope-orgid", "alice")]).await;
        assert!(!answer.text().contains("bob-"), "{url}: {}", answer.text());
        assert!(answer.headers.values().all(|value| !value.to_str().unwrap_or_default().contains("bob")), "{url}");
        let theirs = tempo.get_with(url, &[("x-scope-orgid", "bob")]).await;
        seen += usize::from(theirs.text().contains("bob-"));
        let nobody = tempo.get_with(url, &[("x-scope-orgid", "carol")]).await;
        assert!(!nobody.text().contains("bob-") && !nobody.text().contains("alice-"), "{url}: {}", nobody.text());
    }
    assert!(seen >= 12, "only {seen} answers had anything of the other tenant to leak");
}

#[tokio::test]
async fn several_tenants_are_read_as_one() {
    let tempo = two_tenants().await;
    let both = |url: &'static str| {
        let tempo = &tempo;
        async move {
            let answer = tempo.get_with(url, &[("x-scope-orgid", "bob|alice")]).await;
            assert_eq!(answer.status, 200, "{url}: {}", answer.text());
            let json = serde_json::from_slice(&answer.body).expect("JSON");
            strict::check(url, &json);
            json
        }
    };
    let texts = |json: &Value, list: &str| -> Vec<String> {
        let list = json[list].as_array().expect("a list");
        list.iter().map(|one| one.as_str().or(one["value"].as_str()).expect("text").to_owned()).collect()
    };
    let trace = both("/api/traces/1").await.to_string();
    assert!(trace.contains("alice-root") && trace.contains("bob-root"), "{trace}");
    let found = both("/api/search").await;
    let ids: Vec<_> = found["traces"].as_array().expect("traces").iter().map(|trace| &trace["traceID"]).collect();
    assert_eq!(ids, ["12", "11", "1"], "the trace of both comes once");
    assert_eq!(found["traces"][2]["spanSets"][0]["matched"], 2);
    assert_eq!(texts(&both("/api/search/tags").await, "tagNames"), ["alice-key", "bob-key", "both", "service.name"]);
    let values = both("/api/v2/search/tag/.both/values").await;
    assert_eq!(texts(&values, "tagValues"), ["alice-both", "bob-both"]);
}

/// A store that always fails; where that is by damage, traces are answered without what is damaged: nothing is left.
#[derive(Debug)]
pub(super) struct Broken(pub(super) ReadError);

impl TraceReader for Broken {
    fn trace(
        &self,
        _: &TenantId,
        _: TraceId,
        context: &QueryContext,
    ) -> Result<Option<hoptrail_proto::model::Trace>, ReadError> {
        match &self.0 {
            ReadError::Corrupt { location, .. } => {
                context.leave_out(location.clone());
                Ok(None)
            }
            error => Err(error.clone()),
        }
    }

    fn search(&self, _: &TenantId, _: &SearchRequest, _: &QueryContext) -> Result<SearchAnswer, ReadError> {
        Err(self.0.clone())
    }

    fn metrics(&self, _: &TenantId, _: &MetricsRequest, _: &QueryContext) -> Result<MetricsAnswer, ReadError> {
        Err(self.0.clone())
    }

    fn attribute_keys(
        &self,
        _: &TenantId,
        _: &AttributeKeysRequest,
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
        let tempo = Tempo { routes: super::super::router(service, Router::new()), store: Arc::default() };
        for route in ROUTES {
            tempo.refuses(route, status, reason).await;
        }
    }
}

/// A store, the trace asked of it, what comes, and why it fails.
type Download<'a> = (Arc<dyn TraceReader>, u8, &'a [&'a str], Option<&'a str>);

#[tokio::test]
async fn a_download_says_how_it_ends() {
    let tempo = Tempo::with(&[span("1", 1, 0, "s", "n", (0, 1))]).await;
    let damaged = Broken(ReadError::Corrupt { location: "segment 1".to_owned(), reason: "flipped".to_owned() });
    let downloads: [Download<'_>; 4] = [
        (tempo.store.clone(), 1, &["spans", "end"], None),
        (tempo.store.clone(), 2, &[], None),
        (Arc::new(damaged), 1, &[], Some("nothing of the trace can be read")),
        (Arc::new(Broken(ReadError::Storage("on fire".into()))), 1, &[], Some("on fire")),
    ];
    for (reader, id, expected, failure) in downloads {
        let service = Service::new(&Config::default(), reader, &mut Registry::default());
        let id = TraceId(u128::from(id).to_be_bytes());
        let mut parts = service.download(&TenantId::single(), id, |_| "spans", "end").await.expect("begun");
        let (mut given, mut failed) = (Vec::new(), None);
        while let Some(part) = parts.recv().await {
            part.map_or_else(|error| failed = Some(error.to_string()), |part| given.push(part));
        }
        assert_eq!(given, expected);
        assert_eq!(failed.is_some(), failure.is_some(), "{failed:?}");
        assert!(failure.is_none_or(|reason| failed.is_some_and(|failed| failed.contains(reason))), "{failure:?}");
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
