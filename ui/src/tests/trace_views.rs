//! What is left out of a trace, other views of it, and what can be kept of it.

use hoptrail_proto::model::{Attribute, SpanKind, TraceSpan};
use hoptrail_proto::otlp;

use super::server::{Page, Server, order, span, trace_id};

async fn page(query: &str) -> Page {
    Server::of(order()).await.get(&format!("/trace/{}{query}", trace_id(1))).await
}

/// A request that asks a database for each of seven rows, and a queue whose message waits.
fn repeated() -> Vec<TraceSpan> {
    let mut spans = vec![span(1, 1, 0, "shop", "GET /list", (0, 100))];
    for number in 0..7 {
        let mut query = span(1, 10 + number, 1, "shop", "SELECT item", (5 + number * 5, 9 + number * 5));
        query.span.kind = SpanKind::Client;
        query.span.attributes =
            vec![Attribute::new("db.system", "postgresql"), Attribute::new("db.statement", "SELECT 1")];
        spans.push(query);
    }
    spans.push(span(1, 30, 1, "mail", "send", (200, 210)));
    spans
}

#[tokio::test]
async fn equal_calls_one_after_another_are_one_row_and_are_named() {
    let server = Server::of(repeated()).await;
    let page = server.get(&format!("/trace/{}", trace_id(1))).await;
    assert_eq!(page.all(".item .svc"), ["shop", "shop", "mail"]);
    assert_eq!(page.all(".group .times-mark"), ["7 ×"]);
    assert_eq!(page.all(".group .label"), ["28 ms · p95 4 ms"]);
    assert_eq!(page.all(".group .badge"), ["N+1"]);
    let said = page.all(".findings li");
    assert!(
        said.iter()
            .any(|text| text
                .starts_with("N+1: 7 × shop SELECT item one after another below shop GET /list, 28 ms in all")),
        "{said:?}"
    );
    assert!(said.iter().any(|text| text.starts_with("100 ms (48 %) from 100 ms on, no span ran at all")), "{said:?}");
    assert!(
        said.iter().any(|text| text.contains("61 ms (29 %) from 39 ms on, nobody accounts for: shop GET /list")),
        "{said:?}"
    );
    let open = server.get(&page.attributes(".group a.fold", "href")[0]).await;
    assert_eq!(open.all(".item .op").len(), 10);
    assert_eq!(open.attributes("[role=row]", "aria-level")[1..4], ["2", "3", "3"]);
    let shut = server.get(&open.attributes(".group a.fold", "href")[0]).await;
    assert_eq!(shut.all(".item").len(), 3);
    let one = server.get(&format!("/trace/{}?span=000000000000000c", trace_id(1))).await;
    assert_eq!(one.all(".selected .svc").len(), 1, "a member that is looked at opens its group");
}

#[tokio::test]
async fn the_reader_leaves_out_what_does_not_matter() {
    let names = |query: &'static str| async move { page(query).await.all(".item .op") };
    assert_eq!(names("?hide=payment").await, ["POST /order"]);
    assert_eq!(names("?hide=frontend").await[0], "charge <card>");
    assert_eq!(names("?min=50").await, ["POST /order", "charge <card>", "AUTHORIZE"]);
    assert_eq!(names("?find=INSERT&only=1").await, ["POST /order", "charge <card>", "INSERT"]);
    let page = page("?min=50&hide=frontend&each=1").await;
    assert_eq!(page.all(".chip-off").len(), 3);
    assert_eq!(page.one(".shown"), "2 of 4 spans shown, 2 left out");
    let fewer = Server::of(order()).await.get(&page.attributes(".chip-off", "href")[0]).await;
    assert_eq!(fewer.all(".chip-off").len(), 2);
}

#[tokio::test]
async fn forms_keep_what_they_do_not_ask_for() {
    let page = page("?find=x&min=50&hide=frontend&clocks=corrected&zoom=1-9000000&panel=side&events=1").await;
    let fields = |form: &str| {
        let names = page.attributes(&format!("{form} input[type=hidden]"), "name");
        names
            .into_iter()
            .zip(page.attributes(&format!("{form} input[type=hidden]"), "value"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fields(".find"),
        ["clocks=corrected", "zoom=1-9000000", "min=50", "events=1", "panel=side", "hide=frontend"]
    );
    assert_eq!(fields(".reduce"), ["find=x", "clocks=corrected", "zoom=1-9000000", "events=1", "panel=side"]);
    assert_eq!(page.attributes(".reduce [name=hide][checked]", "value"), ["frontend"]);
}

#[tokio::test]
async fn events_have_rows_when_asked() {
    let page = page("?events=1").await;
    assert_eq!(page.all(".event-row .svc"), ["exception"]);
    assert_eq!(page.all(".event-row .op"), ["declined"]);
    assert_eq!(page.attributes(".event-row .mark", "x"), ["80.00%"]);
}

#[tokio::test]
async fn what_is_mistyped_is_told() {
    for (query, part) in [
        ("?view=nothing", "flame, statistics, spans, graph, events"),
        ("?min=a", "number of percent from 0 to 100"),
        ("?view=statistics&sort=x", "it is one of value"),
        ("?view=spans&sort=x", "it is one of start"),
        ("?view=spans&page=x", "no number of a page"),
        ("?view=spans&columns=a,b,c,d,e", "at most 4"),
        ("?view=flame&frame=zz", "no name of a box"),
        ("/json?span=zz", "no span id"),
        ("/json?span=00000000000000aa", "not in this trace"),
        ("/value?span=0000000000000001&key=nothing", "has no attribute"),
        ("/value", "is missing: it is the id of a span"),
    ] {
        let page = page(query).await;
        assert_eq!(page.status.as_u16(), 400, "{query}");
        assert!(page.one(".what").contains(part), "{query}: {}", page.one(".what"));
    }
}

#[tokio::test]
async fn statistics_group_by_any_two_fields() {
    let page = page("?view=statistics").await;
    assert_eq!(page.all(".stats tbody th"), ["payment", "payment", "frontend", "payment"]);
    assert_eq!(
        page.all(".stats tbody tr:first-child td"),
        ["AUTHORIZE", "1", "0", "50 ms", "50 ms", "50 ms", "50 ms", "50 ms", "50 ms", "50 ms"]
    );
    let server = Server::of(repeated()).await;
    let by = server.get(&format!("/trace/{}?view=statistics&by=db.system.name&by2=none&sort=count", trace_id(1))).await;
    assert_eq!(by.all(".stats tbody th"), ["postgresql", "(none)"], "the old key is found by its new name");
    assert_eq!(by.all(".stats tbody tr:first-child td")[..3], ["7", "0", "28 ms"]);
    let suggested = by.attributes("#fields option", "value");
    assert!(
        suggested.contains(&"db.query.text".to_owned()) && suggested.contains(&"resource.service.name".to_owned()),
        "{suggested:?}"
    );
    let sorted = server.get(&by.attributes(".stats thead a", "href")[1]).await;
    assert_eq!(sorted.all(".stats tbody th"), ["(none)", "postgresql"], "the other way round");
}

#[tokio::test]
async fn spans_stand_in_a_table() {
    let page = page("?view=spans&sort=duration&columns=http.route,db.system.name").await;
    assert_eq!(page.all(".stats tbody th"), ["POST /order", "charge <card>", "AUTHORIZE", "INSERT"]);
    assert_eq!(page.all(".stats tbody td:nth-last-child(2)"), ["/order", "", "", ""]);
    assert_eq!(page.all(".stats tbody td:last-child"), ["", "", "", "postgresql"]);
    let link = page.attributes(".stats tbody th a", "href").remove(1);
    assert_eq!(Server::of(order()).await.get(&link).await.one(".detail h2"), "payment charge <card>");
    let mut spans = vec![span(1, 1, 0, "batch", "import", (0, 10_000))];
    spans.extend((2..=250).map(|number| span(1, number, 1, "batch", "row", (number, number + 1))));
    let server = Server::of(spans).await;
    let mut seen = 0;
    let mut next = format!("/trace/{}?view=spans", trace_id(1));
    for _ in 0..5 {
        let page = server.get(&next).await;
        seen += page.all(".stats tbody tr").len();
        let Some(link) = page.attributes(".pager a", "href").pop().filter(|_| page.text().contains(">Next<")) else {
            break;
        };
        next = link;
    }
    assert_eq!(seen, 250, "every span is reached");
}

#[tokio::test]
async fn the_flame_graph_adds_what_was_reached_the_same_way() {
    let server = Server::of(repeated()).await;
    let page = server.get(&format!("/trace/{}?view=flame", trace_id(1))).await;
    assert_eq!(page.all(".flame-text"), ["GET /list", "SELECT item", "send"]);
    assert!(
        page.all(".flame title")[1].starts_with("shop SELECT item: 7 spans, 28 ms of work"),
        "{:?}",
        page.all(".flame title")
    );
    let widths = page.attributes(".flame a > svg", "width");
    assert_eq!(widths[0], "100.000%");
    let one = server.get(&page.attributes(".flame a", "href")[1]).await;
    assert_eq!(one.attributes(".flame a > svg", "width"), ["100.000%", "100.000%"], "the box and what is above it");
}

#[tokio::test]
async fn the_graph_shows_who_called_whom() {
    let page = page("?view=graph").await;
    assert_eq!(page.all(".node-name"), ["frontend", "payment", "mainframe", "postgresql"]);
    assert_eq!(page.all(".stats tbody th"), ["frontend", "payment", "payment"]);
    assert_eq!(page.all(".stats tbody td:nth-child(2)"), ["payment", "mainframe", "postgresql"]);
}

#[tokio::test]
async fn events_stand_in_a_table() {
    let all = page("?view=events").await;
    assert_eq!(all.all(".stats tbody td:first-child"), ["+80 ms"]);
    assert_eq!(all.all(".stats tbody th"), ["declined"]);
    assert!(page("?view=events&find=nowhere").await.one(".none").contains("such an event"));
}

#[tokio::test]
async fn a_trace_is_kept_in_four_forms() {
    let protobuf = page("/otlp").await;
    let spans = otlp::decode(&protobuf.body).expect("protobuf");
    assert!(order().iter().all(|span| spans.contains(span)) && spans.len() == 4);

    let jaeger: serde_json::Value = serde_json::from_slice(&page("/jaeger").await.body).expect("JSON");
    let trace = &jaeger["data"][0];
    assert_eq!(trace["traceID"], trace_id(1).to_string());
    assert_eq!(trace["spans"].as_array().map(Vec::len), Some(4));
    let spans = trace["spans"].as_array().expect("spans");
    let pay = spans.iter().find(|span| span["operationName"] == "charge <card>").expect("the charge");
    assert_eq!(pay["duration"], 80_000);
    assert_eq!(pay["references"].as_array().map(Vec::len), Some(2), "parent and link");
    assert_eq!(trace["processes"][pay["processID"].as_str().expect("a process")]["serviceName"], "payment");

    let file = page("/html").await;
    assert!(file.headers["content-disposition"].to_str().is_ok_and(|text| text.ends_with(".html\"")));
    assert_eq!(file.all("details.item > summary .op"), ["POST /order", "charge <card>", "AUTHORIZE", "INSERT"]);
    assert!(file.all("style")[0].contains(".wf"), "its style is inside");
    for inside in ["script", "link", "img", "[src]", "a[href]"] {
        assert_eq!(file.all(inside).len(), 0, "{inside}: it needs nothing else");
    }

    let one = page("/json?span=0000000000000002").await;
    let read = otlp::json::read(&one.body, &otlp::Limits::default()).expect("OTLP/JSON");
    assert_eq!(otlp::decode(&read.body).expect("protobuf").len(), 1);
    assert_eq!(page("/value?span=0000000000000002&key=exception.message").await.text(), "declined");
}

#[tokio::test]
async fn the_border_of_names_is_remembered() {
    let request = axum::http::Request::get(format!("/trace/{}", trace_id(1))).header("cookie", "names=48");
    let page = Server::of(order()).await.ask(request.body(axum::body::Body::empty()).expect("request")).await;
    assert_eq!(page.all(".wf.n48").len(), 1);
}

#[tokio::test]
async fn spans_slower_than_their_kind_are_named() {
    let length = |trace: u8| if trace == 1 { 900 } else { 5 };
    let spans = (1..=250).map(|trace| span(trace, 1, 0, "shop", "GET /", (0, length(trace)))).collect();
    let page = Server::of(spans).await.get(&format!("/trace/{}", trace_id(1))).await;
    let slow = page.all(".findings li");
    assert!(slow.iter().any(|text| text.starts_with("shop GET / took 900 ms: longer than 99")), "{slow:?}");
    assert!(page.all(".rank.unusual").iter().any(|text| text.contains("p99")), "{:?}", page.all(".rank"));
}

fn request_to_a_model() -> Vec<TraceSpan> {
    let mut chat = span(1, 1, 0, "agent", "chat gpt", (0, 100));
    chat.span.attributes = vec![
        Attribute::new("gen_ai.operation.name", "chat"),
        Attribute::new("gen_ai.request.model", "gpt-x"),
        Attribute::new("gen_ai.usage.input_tokens", 2_000_000),
        Attribute::new("gen_ai.usage.output_tokens", 1_000_000),
        Attribute::new(
            "gen_ai.input.messages",
            r#"[{"role":"user","parts":[{"type":"text","content":"<b>Weather?</b>"}]}]"#,
        ),
        Attribute::new(
            "gen_ai.output.messages",
            r#"[{"role":"assistant","parts":[{"type":"tool_call","name":"sky","arguments":{"at":"Bonn"}}]}]"#,
        ),
    ];
    vec![chat]
}

#[tokio::test]
async fn requests_to_models_are_conversations_with_a_cost() {
    let price = crate::ModelPrice { model: "gpt".into(), input: 1.5, output: 2.0, cached: None };
    let settings = crate::Config { ai_prices: vec![price], ..crate::Config::default() };
    let server = Server::with_settings(
        &settings,
        crate::Sources::default(),
        hoptrail_query::Config::default(),
        request_to_a_model(),
    )
    .await;
    let page = server.get(&format!("/trace/{}?view=messages", trace_id(1))).await;
    assert_eq!(page.all(".view > .talk-facts dd"), ["1", "2 000 000", "1 000 000", "5.00"]);
    assert_eq!(page.all(".message .role"), ["user", "assistant"]);
    assert_eq!(page.all(".message.user .said"), ["<b>Weather?</b>"]);
    assert_eq!(page.all(".message.assistant summary"), ["calls sky"]);
    let raw = server.get(&page.attributes(".talk-raw a", "href")[0]).await;
    assert_eq!(
        (raw.headers["content-type"].to_str().expect("text"), raw.text().contains("<b>")),
        ("text/plain; charset=utf-8", true)
    );
    let detail = server.get(&format!("/trace/{}?span=0000000000000001", trace_id(1))).await;
    assert_eq!(detail.all(".detail .message").len(), 2);
}

#[tokio::test]
async fn what_is_said_to_models_can_be_hidden() {
    let settings = crate::Config { hide_ai_content: true, ..crate::Config::default() };
    let server = Server::with_settings(
        &settings,
        crate::Sources::default(),
        hoptrail_query::Config::default(),
        request_to_a_model(),
    )
    .await;
    for query in
        ["?view=messages", "?span=0000000000000001", "/value?span=0000000000000001&key=gen_ai.input.messages", "/html"]
    {
        let page = server.get(&format!("/trace/{}{query}", trace_id(1))).await;
        assert!(!page.text().contains("Weather?"), "{query}");
        assert!(page.text().contains("hidden"), "{query}");
    }
}
