//! Links of the settings in the detail of a span.

use hoptrail_proto::model::Attribute;

use super::server::{NOW, Server, order, trace_id};
use crate::{Config, LinkConfig, On, Sources};

fn link(name: &str, url: &str, on: On) -> LinkConfig {
    let (base, source) = (String::new(), String::new());
    LinkConfig { name: name.to_owned(), url: url.to_owned(), preset: None, base, source, on }
}

#[tokio::test]
async fn a_span_has_the_links_that_fit_it_and_no_value_leads_elsewhere() {
    let hostile = "\"><script>alert(1)</script>@evil.example/";
    let mut spans = order();
    spans[0].span.attributes.push(Attribute::new("order", hostile));
    let settings = Config {
        links: vec![
            link("Logs <of it>", "https://logs.example/{{span.order}}?t={{trace_id}}&from={{start_ms - 5m}}", On::Span),
            link("Pod", "https://k8s.example/{{resource.k8s.pod.name}}", On::Span),
            link("Service", "https://other.example/{{service}}", On::Service),
        ],
        ..Config::default()
    };
    let server = Server::with_settings(&settings, Sources::default(), hoptrail_query::Config::default(), spans).await;
    let page = server.get(&format!("/trace/{}?span=0000000000000001", trace_id(1))).await;
    assert_eq!(page.all(".elsewhere a"), ["Logs <of it>"]);
    let expected = format!(
        "https://logs.example/%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%40evil.example%2F?t={}&from={}",
        trace_id(1),
        (NOW - 360_000_000_000) / 1_000_000
    );
    assert_eq!(page.attributes(".elsewhere a", "href"), [expected]);
    assert!(!page.text().contains("<script>alert"), "{}", page.text());
    let page = server.get("/services/frontend").await;
    assert_eq!(page.attributes(".ways a[rel]", "href"), ["https://other.example/frontend"]);
}
