//! The gRPC service, asked by tonic's client.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::uri::PathAndQuery;
use hoptrail_proto::model::Tenancy;
use hoptrail_proto::tempo::{
    QueryInstantRequest, QueryInstantResponse, QueryRangeRequest, QueryRangeResponse, SearchRequest, SearchResponse,
    SearchTagValuesRequest, SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsRequest, SearchTagsResponse,
    SearchTagsV2Response,
};
use hoptrail_storage::{
    AttributeKeysRequest, AttributeScope, FieldValuesRequest, MetricsAnswer, MetricsRequest, QueryContext, ReadError,
    SearchAnswer, SearchPart, TraceHit, TraceReader,
};
use tokio::sync::oneshot;
use tonic::{Code, Request as Call, Status, Streaming};
use tonic_prost::ProstCodec;

use super::rules::Broken;
use super::*;
use crate::tempo::STREAMING_SERVICE;

/// Most bytes of a message.
const MOST: usize = 1 << 20;

/// Begins a call.
async fn call<Q, A>(routes: &Router, method: &str, asked: Q, tenants: &[&str]) -> Result<Streaming<A>, Status>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let service = routes.clone().map_request(|request: Request<tonic::body::Body>| request.map(Body::new));
    let mut client = tonic::client::Grpc::new(service);
    client.ready().await.expect("a router is always ready");
    let mut request = Call::new(asked);
    for tenant in tenants {
        request.metadata_mut().append("x-scope-orgid", tenant.parse().expect("ASCII"));
    }
    let path = PathAndQuery::try_from(format!("/{STREAMING_SERVICE}/{method}")).expect("a path");
    let response = client.server_streaming(request, path, ProstCodec::<Q, A>::default()).await?;
    Ok(response.into_inner())
}

/// All messages of a call; at least one, all small.
async fn all<Q, A>(routes: &Router, method: &str, asked: Q) -> Result<Vec<A>, Status>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let (mut answers, mut messages) = (call::<Q, A>(routes, method, asked, &[]).await?, Vec::new());
    while let Some(message) = answers.message().await? {
        messages.push(message);
    }
    assert!(!messages.is_empty(), "{method} sent nothing");
    for message in &messages {
        assert!(message.encoded_len() <= MOST, "{} bytes", message.encoded_len());
    }
    Ok(messages)
}

/// The only message of a call.
async fn one<Q, A>(tempo: &Tempo, method: &str, asked: Q) -> A
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let mut messages = all(&tempo.routes, method, asked).await.expect(method);
    assert_eq!(messages.len(), 1, "{method}");
    messages.remove(0)
}

fn query(text: &str) -> SearchRequest {
    SearchRequest { query: text.to_owned(), ..SearchRequest::default() }
}

#[tokio::test]
async fn every_method_answers_as_http_does() {
    let tempo = Tempo::with(&[
        span("1", 1, 0, "shop", "GET /cart", (0, 100)).with("code", 200).kind(SpanKind::Server),
        span("2", 2, 0, "shop", "GET /pay", (1000, 900)).with("code", 500).failed(),
        span("3", 3, 0, "pay", "charge", (2000, 10)).with("card", "visa"),
    ])
    .await;
    let (start, end) = (T0 as u32, T0 as u32 + 5);
    let q = "{ span.code > 1 } | select(status)".to_owned();
    let asked = SearchRequest { query: q.clone(), start, end, limit: 1, spans_per_span_set: 2, ..Default::default() };
    let found: SearchResponse = one(&tempo, "Search", asked).await;
    assert_eq!(found.traces.len(), 1);
    let url = format!("/api/search?q={}&start={start}&end={end}&limit=1&spss=2", escaped(&q));
    assert_eq!(found.traces, tempo.protobuf::<SearchResponse>(&url).await.traces);
    let metrics = found.metrics.expect("metrics");
    assert_eq!((metrics.completed_jobs, metrics.total_jobs), (1, 1));

    let tags = [("service.name", "sho"), ("code", "500")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    for (least, most, traces) in [(0, 0, 1), (900, 900, 1), (901, 0, 0), (0, 899, 0)] {
        let asked =
            SearchRequest { tags: tags.clone().into(), min_duration_ms: least, max_duration_ms: most, ..query("") };
        let found: SearchResponse = one(&tempo, "Search", asked).await;
        assert_eq!(found.traces.len(), traces, "{least} {most}");
    }
    let everything: SearchResponse = one(&tempo, "Search", SearchRequest::default()).await;
    assert_eq!(everything.traces.len(), 3);

    let asked = || SearchTagsRequest { scope: "span".to_owned(), max_tags_per_scope: 1, ..Default::default() };
    let keys: SearchTagsResponse = one(&tempo, "SearchTags", asked()).await;
    assert_eq!(keys.tag_names, ["card"]);
    assert_eq!(keys, tempo.protobuf("/api/search/tags?scope=span&limit=1").await);
    let keys: SearchTagsV2Response = one(&tempo, "SearchTagsV2", SearchTagsRequest::default()).await;
    assert_eq!(keys, tempo.protobuf("/api/v2/search/tags").await);
    let matching = || SearchTagsRequest { query: "{ span.card = nil }".to_owned(), ..Default::default() };
    let some: SearchTagsV2Response = one(&tempo, "SearchTagsV2", matching()).await;
    assert_eq!(some, tempo.protobuf("/api/v2/search/tags?q=%7B%20span.card%20=%20nil%20%7D").await);
    assert_ne!(some, keys);
    let keys: SearchTagsResponse = one(&tempo, "SearchTags", matching()).await;
    assert!(!keys.tag_names.contains(&"card".to_owned()), "{keys:?}");

    let asked = |name: &str| SearchTagValuesRequest {
        tag_name: name.to_owned(),
        query: "{ status = error }".to_owned(),
        start,
        end,
        max_tag_values: 5,
    };
    let url = |version: &str, name: &str| {
        let q = escaped("{ status = error }");
        format!("/api/{version}search/tag/{name}/values?start={start}&end={end}&limit=5&q={q}")
    };
    let values: SearchTagValuesResponse = one(&tempo, "SearchTagValues", asked("code")).await;
    assert_eq!(values, tempo.protobuf(&url("", "code")).await);
    let values: SearchTagValuesV2Response = one(&tempo, "SearchTagValuesV2", asked("span.code")).await;
    assert_eq!(values.tag_values.len(), 1);
    assert_eq!(values, tempo.protobuf(&url("v2/", "span.code")).await);
}

#[tokio::test]
async fn series_are_those_of_http_the_newest_first_and_whole_at_the_end() {
    let spans: Vec<TraceSpan> = (1..=40)
        .map(|n| span(&format!("{n:x}"), n, 0, "shop", "GET", (n * 1000, 10)).with("n", (n % 3) as i64))
        .collect();
    let tempo = Tempo::with(&spans).await;
    let (start, end) = (T0 * 1000 * MS, (T0 + 40) * 1000 * MS);
    for q in ["{ } | rate() by (span.n)", "{ } | quantile_over_time(duration, .5)", "{ name = \"none\" } | rate()"] {
        let asked = QueryRangeRequest { query: q.to_owned(), start, end, step: 1000 * MS, ..Default::default() };
        let answers: Vec<QueryRangeResponse> = all(&tempo.routes, "MetricsQueryRange", asked).await.expect(q);
        let url = format!("/api/metrics/query_range?q={}&start={start}&end={end}&step=1s", escaped(q));
        let whole = serde_json::to_value(answers.last().expect("a message")).expect("JSON");
        let expected = tempo.json(&url).await;
        assert_eq!(whole["series"], expected["series"], "{q}");
        let jobs: Vec<_> = answers.iter().filter_map(|answer| answer.metrics).collect();
        let jobs: Vec<_> = jobs.iter().map(|metrics| (metrics.completed_jobs, metrics.total_jobs)).collect();
        assert!(jobs.len() > 1 && jobs[0] == (1, 3) && jobs.last() == Some(&(3, 3)), "{jobs:?}");
        // The newest eighth of the intervals is what it will be in the end.
        for (part, series) in answers[0].series.iter().zip(&answers.last().expect("a message").series) {
            assert!(
                !part.samples.is_empty() && part.samples.iter().all(|sample| series.samples.contains(sample)),
                "{q}"
            );
            assert!(part.samples.len() <= 6 && part.labels == series.labels, "{q}: {part:?}");
        }
    }
    let asked = QueryInstantRequest { query: "{ } | count_over_time() by (span.n)".to_owned(), start, end };
    let answer: QueryInstantResponse = one(&tempo, "MetricsQueryInstant", asked.clone()).await;
    let url = format!("/api/metrics/query?q={}&start={start}&end={end}", escaped(&asked.query));
    assert_eq!(answer.series.len(), 3);
    assert_eq!(serde_json::to_value(&answer).expect("JSON")["series"], tempo.json(&url).await["series"]);
    for (query, text) in [("{ }", "TraceQL"), ("", "q is missing"), ("{ } | rate(", "invalid TraceQL query")] {
        let asked = QueryRangeRequest { query: query.to_owned(), start, end, ..Default::default() };
        let refused: Result<Vec<QueryRangeResponse>, Status> = all(&tempo.routes, "MetricsQueryRange", asked).await;
        let status = refused.expect_err(query);
        assert!(status.code() == Code::InvalidArgument && status.message().contains(text), "{status:?}");
    }
}

#[tokio::test]
async fn an_empty_answer_is_one_message() {
    let tempo = Tempo::with(&[]).await;
    assert_eq!(one::<_, SearchResponse>(&tempo, "Search", query("{ .a = 1 }")).await.traces, []);
    let none = SearchTagsRequest { scope: "span".to_owned(), ..Default::default() };
    assert_eq!(one::<_, SearchTagsResponse>(&tempo, "SearchTags", none.clone()).await.tag_names.len(), 0);
    assert_eq!(one::<_, SearchTagsV2Response>(&tempo, "SearchTagsV2", none).await.scopes.len(), 0);
    let values = SearchTagValuesRequest { tag_name: "span.a".to_owned(), ..Default::default() };
    assert_eq!(one::<_, SearchTagValuesResponse>(&tempo, "SearchTagValues", values.clone()).await.tag_values.len(), 0);
    assert_eq!(one::<_, SearchTagValuesV2Response>(&tempo, "SearchTagValuesV2", values).await.tag_values.len(), 0);
}

#[tokio::test]
async fn large_answers_come_in_small_messages() {
    let spans: Vec<TraceSpan> = (1..=1000u64)
        .map(|n| {
            span(&format!("{n:x}"), n, 0, "shop", "GET", (n, 1))
                .with(&format!("key-{n}"), "k")
                .with("long", format!("{n}-{}", "x".repeat(3000)))
        })
        .collect();
    let tempo = Tempo::with(&spans).await;
    let asked = SearchRequest { limit: 1000, ..query("{ } | select(span.long)") };
    let found: Vec<SearchResponse> = all(&tempo.routes, "Search", asked).await.expect("messages");
    assert!(found.len() > 3, "{}", found.len());
    let traces = || found.iter().flat_map(|message| &message.traces);
    let starts: Vec<u64> = traces().map(|trace| trace.start_time_unix_nano).collect();
    assert!(starts.len() == 1000 && starts.is_sorted_by(|a, b| a > b), "each once, newest first");
    assert!(found.iter().all(|message| message.metrics.is_some()));

    let asked = SearchTagValuesRequest { tag_name: "span.long".to_owned(), ..Default::default() };
    let values: Vec<SearchTagValuesV2Response> = all(&tempo.routes, "SearchTagValuesV2", asked).await.expect("values");
    assert!(values.iter().map(|message| message.tag_values.len()).sum::<usize>() > 300);
}

#[tokio::test]
async fn a_trace_that_no_message_has_room_for_lists_fewer_spans() {
    let spans: Vec<TraceSpan> = (1..=100)
        .map(|n| span("1", n, 0, "shop", "GET", (n, 1)).with("long", format!("{n}-{}", "x".repeat(20_000))))
        .collect();
    let tempo = Tempo::with(&spans).await;
    let asked = SearchRequest { spans_per_span_set: 100, ..query("{ } | select(span.long)") };
    let found: SearchResponse = one(&tempo, "Search", asked).await;
    let [trace] = &found.traces[..] else { panic!("{} traces", found.traces.len()) };
    let set = &trace.span_sets[0];
    assert!((10..50).contains(&set.spans.len()), "{}", set.spans.len());
    assert_eq!((set.matched, trace.span_set.as_ref()), (100, Some(set)));
}

#[tokio::test]
async fn failures_have_codes_and_texts() {
    let tempo = Tempo::new(&Config { tenancy: Tenancy::Multi, ..Config::default() });
    for (tenants, asked, code, text) in [
        (&[][..], query("{ }"), Code::Unauthenticated, "no org id"),
        (&["a/b"], query("{ }"), Code::InvalidArgument, "tenant \"a/b\" is not valid"),
        (&["a"], query("{ span.a = }"), Code::InvalidArgument, "invalid TraceQL query"),
        (&["a"], SearchRequest { limit: 300_000, ..query("{ }") }, Code::InvalidArgument, "invalid limit \"300000\""),
        (&["a"], SearchRequest { start: 5, ..query("{ }") }, Code::InvalidArgument, "start is there without end"),
        (&["a"], query(&"é".repeat(20_000)), Code::InvalidArgument, "invalid TraceQL query"),
    ] {
        let answers = call::<_, SearchResponse>(&tempo.routes, "Search", asked, tenants).await;
        let status = match answers {
            Ok(mut answers) => answers.message().await.expect_err(text),
            Err(status) => status,
        };
        assert!(status.code() == code && status.message().contains(text), "{status:?}");
        assert!(status.message().len() < 2100);
    }
    let unknown = call::<_, SearchResponse>(&tempo.routes, "Nothing", query(""), &["a"]).await.expect_err("no method");
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::Unimplemented, "tempopb.StreamingQuerier has no method \"Nothing\"")
    );
    let nameless: Result<Vec<SearchTagValuesV2Response>, _> =
        all(&Tempo::new(&Config::default()).routes, "SearchTagValuesV2", SearchTagValuesRequest::default()).await;
    assert_eq!(nameless.expect_err("no name").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn failures_of_the_store_have_codes_and_say_when_to_ask_again() {
    let on = |reader: Broken, concurrency| {
        let config = Config { concurrency, waiting: 0, ..Config::default() };
        super::super::router(Service::new(&config, Arc::new(reader), &mut Registry::default()), Router::new())
    };
    for (error, concurrency, code, again) in [
        (ReadError::Deadline { limit: Duration::from_secs(2) }, 1, Code::DeadlineExceeded, false),
        (ReadError::Memory { limit: 5 }, 1, Code::ResourceExhausted, false),
        (ReadError::Storage("disk on fire".into()), 1, Code::Internal, false),
        (ReadError::Cancelled, 1, Code::Cancelled, false),
        (ReadError::Cancelled, 0, Code::ResourceExhausted, true),
    ] {
        let routes = on(Broken(error), concurrency);
        let answer: Result<Vec<SearchResponse>, Status> = all(&routes, "Search", query("{ }")).await;
        let status = answer.expect_err("a failure");
        let details = String::from_utf8_lossy(status.details()).into_owned();
        assert_eq!((status.code(), details.contains("google.rpc.RetryInfo")), (code, again), "{status:?}");
    }
}

/// How a search goes.
type Search = dyn Fn(&QueryContext, &mut dyn FnMut(SearchPart) -> Result<(), ReadError>) -> Result<SearchAnswer, ReadError>
    + Send
    + Sync;

/// A store that searches as a test says.
struct Staged(Box<Search>);

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Staged")
    }
}

impl TraceReader for Staged {
    fn trace(
        &self,
        _: &TenantId,
        _: TraceId,
        _: &QueryContext,
    ) -> Result<Option<hoptrail_proto::model::Trace>, ReadError> {
        Ok(None)
    }

    fn search(
        &self,
        _: &TenantId,
        _: &hoptrail_storage::SearchRequest,
        _: &QueryContext,
    ) -> Result<SearchAnswer, ReadError> {
        Ok(SearchAnswer::default())
    }

    fn search_in_parts(
        &self,
        _: &TenantId,
        _: &hoptrail_storage::SearchRequest,
        context: &QueryContext,
        take: &mut dyn FnMut(SearchPart) -> Result<(), ReadError>,
    ) -> Result<SearchAnswer, ReadError> {
        (self.0)(context, take)
    }

    fn metrics(&self, _: &TenantId, _: &MetricsRequest, _: &QueryContext) -> Result<MetricsAnswer, ReadError> {
        Ok(MetricsAnswer::default())
    }

    fn attribute_keys(
        &self,
        _: &TenantId,
        _: &AttributeKeysRequest,
        _: &QueryContext,
    ) -> Result<Vec<(AttributeScope, String)>, ReadError> {
        Ok(Vec::new())
    }

    fn field_values(
        &self,
        _: &TenantId,
        _: &FieldValuesRequest,
        _: &QueryContext,
    ) -> Result<Vec<hoptrail_storage::Value>, ReadError> {
        Ok(Vec::new())
    }
}

fn staged(
    search: impl Fn(&QueryContext, &mut dyn FnMut(SearchPart) -> Result<(), ReadError>) -> Result<SearchAnswer, ReadError>
    + Send
    + Sync
    + 'static,
) -> Router {
    let reader = Arc::new(Staged(Box::new(search)));
    super::super::router(Service::new(&Config::default(), reader, &mut Registry::default()), Router::new())
}

fn hit(id: u8) -> TraceHit {
    TraceHit {
        trace_id: TraceId([id; 16]),
        root: None,
        start_unix_nano: id.into(),
        duration_nanos: 0,
        services: Vec::new(),
        sets: Vec::new(),
    }
}

fn ids(message: &SearchResponse) -> Vec<u8> {
    message.traces.iter().map(|trace| trace.start_time_unix_nano as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_come_while_the_search_goes_on() {
    let (seen, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let routes = staged(move |_, take| {
        take(SearchPart { done: 1, all: 9, ..SearchPart::default() })?;
        take(SearchPart { hits: vec![hit(9), hit(8)], done: 2, all: 9, ..SearchPart::default() })?;
        take(SearchPart { hits: vec![hit(7)], done: 3, all: 9, ..SearchPart::default() })?;
        wait.lock().expect("unpoisoned").recv().expect("the test goes on");
        Ok(SearchAnswer { hits: vec![hit(6)], ..SearchAnswer::default() })
    });
    let mut answers = call::<_, SearchResponse>(&routes, "Search", query("{ }"), &[]).await.expect("a call");
    let jobs = |message: &SearchResponse| message.metrics.map(|metrics| (metrics.completed_jobs, metrics.total_jobs));
    // On a slow machine there is news without hits before.
    let first = loop {
        let message = answers.message().await.expect("a message").expect("the first hits");
        if !message.traces.is_empty() {
            break message;
        }
    };
    assert_eq!((ids(&first), jobs(&first)), (vec![9, 8], Some((2, 9))));
    seen.send(()).expect("the search waits");
    let (mut rest, mut last) = (Vec::new(), None);
    while let Some(message) = answers.message().await.expect("no failure") {
        rest.extend(ids(&message));
        last = jobs(&message);
    }
    assert_eq!((rest, last), (vec![7, 6], Some((9, 9))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_search() {
    let (ended, end) = oneshot::channel();
    let ended = Mutex::new(Some(ended));
    let routes = staged(move |context, take| {
        take(SearchPart { hits: vec![hit(9)], ..SearchPart::default() })?;
        let failure = loop {
            match context.check() {
                Ok(()) => std::thread::sleep(Duration::from_millis(1)),
                Err(failure) => break failure,
            }
        };
        let told = ended.lock().expect("unpoisoned").take().expect("one search");
        told.send(failure.clone()).expect("the test waits");
        Err(failure)
    });
    let mut answers = call::<_, SearchResponse>(&routes, "Search", query("{ }"), &[]).await.expect("a call");
    assert_eq!(ids(&answers.message().await.expect("a message").expect("the first hit")), [9]);
    drop(answers);
    assert!(matches!(end.await, Ok(ReadError::Cancelled)));
}
