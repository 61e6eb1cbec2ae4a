//! The page of the server.

use std::sync::Arc;
use std::time::Duration;

use hoptrail_proto::model::Tenancy;

use super::server::{MS, Server};
use super::services::request;
use crate::{Attributes, Intake, Notices, Refused, Sources, Stored, System};

const MINUTE: u64 = 60_000 * MS;

fn system() -> System {
    System {
        running: Duration::from_secs(7_200),
        stored: Some(Stored { spans: 1_000, bytes: 40_000, segments: 2, in_memory: 5, ..Stored::default() }),
        intake: Some(Intake {
            spans: 1_005,
            refused: vec![Refused {
                reason: "no trace id".into(),
                service: "<b>cart".into(),
                requests: 3,
                spans: 12,
                example: "span \u{202e}x".into(),
                ..Refused::default()
            }],
            dropped: vec![Refused { reason: "metrics".into(), requests: 7, ..Refused::default() }],
            ..Intake::default()
        }),
        attributes: Attributes {
            keys: vec![("span.url".into(), 9_000), ("span.<i>".into(), 1_000)],
            bytes: 40_000,
            spans: 1_000,
        },
    }
}

async fn server(tenancy: Tenancy) -> Server {
    let spans = (0..10).map(|number| request(number, ["a", "b"][usize::from(number > 6)], MINUTE, 5, false)).collect();
    let notices = Notices { refused: Some("the disk is full".to_owned()), ..Notices::default() };
    let sources =
        Sources { notices: Arc::new(move || notices.clone()), system: Arc::new(system), ..Sources::default() };
    let config = hoptrail_query::Config { tenancy, ..hoptrail_query::Config::default() };
    Server::with_sources(sources, config, spans).await
}

#[tokio::test]
async fn the_page_says_what_is_stored_and_what_is_refused() {
    let page = server(Tenancy::Single).await.get("/system").await;
    assert_eq!(page.status, 200);
    assert!(page.one(".notice.error").contains("the disk is full"));
    let facts: Vec<(String, String)> = page.all(".tiles dt").into_iter().zip(page.all(".tiles .tile")).collect();
    let value = |name: &str| facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((value("Spans"), value("On disk")), (Some("1 005"), Some("40.0 kB")));
    assert_eq!(
        (value("Last 24 hours"), value("Running for"), value("Kept for")),
        (Some("10"), Some("2 h"), Some("ever"))
    );
    assert_eq!(page.all("[aria-labelledby=refused-title] td"), ["3", "12"]);
    assert!(page.one("[aria-labelledby=refused-title] .under").starts_with("<b>cart: span U+202E"));
    assert_eq!(page.all("[aria-labelledby=dropped-title] td"), ["7"]);
    assert_eq!(page.all("[aria-labelledby=services-title] tbody th"), ["a", "b"]);
    assert_eq!(page.all("[aria-labelledby=services-title] td[data-label=Spans]"), ["7", "3"]);
    assert_eq!(page.all("[aria-labelledby=attributes-title] th code"), ["span.url", "span.<i>"]);
    assert_eq!(
        page.all("[aria-labelledby=attributes-title] td.num"),
        ["9.00 kB", "9.00", "22 %", "1.00 kB", "1.00", "2.5 %"]
    );
    assert!(page.one("[aria-labelledby=clocks-title] .none").contains("no clock is wrong"));
}

#[tokio::test]
async fn a_tenant_learns_nothing_of_others() {
    let server = server(Tenancy::Multi).await;
    let request = axum::http::Request::get("/system").header("x-scope-orgid", "team").body(axum::body::Body::empty());
    let page = server.ask(request.expect("request")).await;
    assert_eq!(page.status, 200);
    assert!(
        page.all(".tiles, .notice.error, [aria-labelledby=slow-title]").is_empty() && !page.text().contains("cart")
    );
    assert!(page.one(".notice.quiet").contains("keeps tenants apart"));
}
