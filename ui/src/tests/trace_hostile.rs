//! Text of senders on the pages of a trace is shown and never run, wherever it stands.

use std::sync::Arc;

use hoptrail_proto::model::{
    Attribute, InstrumentationScope, Resource, SpanEvent, SpanId, SpanKind, SpanLink, Status, StatusCode, TraceSpan,
};
use scraper::{Html, Selector};

use super::server::{MS, NOW, Page, Server, span, trace_id};

/// Ends every quote and element, opens a script, and has characters that turn and hide text.
const HOSTILE: &str =
    "\"'></title></style><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\u{200b}\u{feff}ok";
const ADDRESS: &str = "javascript:alert(document.cookie)";

/// Spans that have the text in every place.
fn spans() -> Vec<TraceSpan> {
    let attributes = || {
        vec![
            Attribute::new(HOSTILE, HOSTILE),
            Attribute::new("url.full", ADDRESS),
            Attribute::new("http.route", HOSTILE),
            Attribute::new("db.system.name", HOSTILE),
            Attribute::new("large", "x".repeat(1 << 20)),
            Attribute::new("exception.stacktrace", format!("{HOSTILE}\n\tat {HOSTILE}")),
            Attribute::new("gen_ai.operation.name", "chat"),
            Attribute::new("gen_ai.provider.name", HOSTILE),
            Attribute::new("gen_ai.input.messages", format!("[{{\"role\":\"user\",\"content\":{HOSTILE:?}}}]")),
        ]
    };
    let resource = Resource {
        attributes: vec![Attribute::new("service.name", HOSTILE), Attribute::new("host.name", HOSTILE)],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: HOSTILE.into(), attributes: attributes(), ..Default::default() };
    let mut all = Vec::new();
    for number in 1..=8 {
        let mut one = span(1, number, u64::from(number > 1), "", HOSTILE, (number, 50 + number));
        one.span.kind = SpanKind::Client;
        one.span.trace_state = HOSTILE.into();
        one.span.status = Status { code: StatusCode::Error, message: HOSTILE.into() };
        one.span.attributes = attributes();
        one.span.events = vec![SpanEvent {
            time_unix_nano: NOW - 60_000 * MS,
            name: HOSTILE.into(),
            attributes: attributes(),
            ..SpanEvent::default()
        }];
        one.span.links =
            vec![SpanLink { trace_id: trace_id(1), span_id: SpanId(1_u64.to_be_bytes()), ..SpanLink::default() }];
        one.span.links[0].attributes = attributes();
        (one.resource, one.scope) = (Arc::new(resource.clone()), Arc::new(scope.clone()));
        all.push(one);
    }
    all
}

const PAGES: [&str; 14] = [
    "",
    "?events=1&each=1",
    "?span=0000000000000001",
    "?span=0000000000000002&panel=side&events=1",
    "?span=0000000000000001~peer",
    "?find=onerror&only=1",
    "?view=flame",
    "?view=statistics&by=db.system.name&by2=http.route",
    "?view=spans&columns=url.full,http.route",
    "?view=spans&find=%3Cscript%3E",
    "?view=graph",
    "?view=events",
    "?view=messages",
    "/html",
];

#[tokio::test]
async fn what_senders_write_is_shown_and_never_run() {
    let server = Server::of(spans()).await;
    for query in PAGES {
        let page = server.get(&format!("/trace/{}{query}", trace_id(1))).await;
        assert_eq!(page.status.as_u16(), 200, "{query}");
        assert!(page.body.len() < 1_000_000, "{query}: {} bytes", page.body.len());
        nothing_runs(&page, query);
        hidden_characters_are_shown(&page, query);
    }
}

fn nothing_runs(page: &Page, query: &str) {
    let own = if query == "/html" { 0 } else { 1 };
    assert_eq!(page.all("script").len(), own, "{query}: the script of the pages and no other");
    for bad in ["img", "iframe", "[onerror]", "script:not([src])", "style[onload]", "base"] {
        assert_eq!(page.all(bad).len(), 0, "{query}: {bad}");
    }
    for link in page.attributes("[href]", "href").iter().chain(&page.attributes("form", "action")) {
        let link = link.trim().to_lowercase();
        let is_ours = link.starts_with(['/', '#']) && !link.starts_with("//");
        assert!(is_ours, "{query}: {link}");
    }
}

fn hidden_characters_are_shown(page: &Page, query: &str) {
    let html = Html::parse_document(&page.text());
    let unseen = |text: &str| text.contains(['\u{202e}', '\u{200b}', '\u{feff}']);
    let texts: Vec<String> = html.root_element().text().map(str::to_owned).collect();
    let attributes = ["title", "aria-label"].map(|name| page.attributes(&format!("[{name}]"), name)).concat();
    for text in texts.iter().chain(&attributes) {
        assert!(!unseen(text), "{query}: {text:?}");
    }
    let marks = Selector::parse("mark").expect("a selector");
    let shown = html.select(&marks).next().is_some() || attributes.iter().chain(&texts).any(|t| t.contains("[U+202E]"));
    assert!(shown, "{query}: it says that there are such characters");
}
