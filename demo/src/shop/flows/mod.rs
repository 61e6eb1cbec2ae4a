//! What happens in the shop: each function makes one kind of trace.

mod browse;
mod calls;
mod jobs;
mod order;

pub(super) use jobs::analytics_batch;

use super::backends::Message;
use super::cluster::{Library, Service};
use super::http::Request;
use super::story::{Outcome, Story};

/// A kind of trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Home,
    ProductPage,
    Search,
    AddToCart,
    ViewCart,
    Login,
    Checkout,
    MobileFeed,
    Probe,
    Crawler,
    CarrierWebhook,
    StockSync,
    PriceImport,
}

/// Every kind with how often it happens, per thousand.
pub(super) const FLOWS: [(Flow, u32); 13] = [
    (Flow::Home, 150),
    (Flow::ProductPage, 260),
    (Flow::Search, 150),
    (Flow::AddToCart, 90),
    (Flow::ViewCart, 70),
    (Flow::Login, 50),
    (Flow::Checkout, 32),
    (Flow::MobileFeed, 80),
    (Flow::Probe, 60),
    (Flow::Crawler, 36),
    (Flow::CarrierWebhook, 14),
    (Flow::StockSync, 5),
    (Flow::PriceImport, 3),
];

/// Makes one trace. Returns what it publishes for the analytics.
pub(super) fn play(flow: Flow, s: &mut Story<'_>) -> Vec<Message> {
    match flow {
        Flow::Home => browse::home(s),
        Flow::ProductPage => browse::product_page(s),
        Flow::Search => browse::search(s),
        Flow::AddToCart => order::add_to_cart(s),
        Flow::ViewCart => order::view_cart(s),
        Flow::Login => browse::login(s),
        Flow::Checkout => order::checkout(s),
        Flow::MobileFeed => browse::mobile_feed(s),
        Flow::Probe => jobs::probe(s),
        Flow::Crawler => browse::crawler(s),
        Flow::CarrierWebhook => order::carrier_webhook(s),
        Flow::StockSync => jobs::stock_sync(s),
        Flow::PriceImport => jobs::price_import(s),
    }
}

/// A request of a visitor: from the browser (some pages report their own spans), through the gateway, to `to`.
fn visit(s: &mut Story<'_>, to: Service, request: &Request, mut inside: impl FnMut(&mut Story<'_>) -> Outcome) {
    let mut enter = |s: &mut Story<'_>| {
        s.through_gateway(to.name(), request.method, &request.path, |s| {
            s.serve_http(to, request, |s| {
                s.attr("session.id", s.person.session.clone());
                if let Some(user) = s.person.user_id() {
                    s.attr("user.id", user);
                }
                s.attr("app.currency", s.person.currency);
                s.attr("geo.country.iso_code", s.person.country);
                inside(s)
            })
        })
    };
    if s.person.mobile || !s.dice.chance(0.3) {
        _ = enter(s);
        return;
    }
    let browser = s.cluster.pod(Service::Web, s.dice);
    s.span(
        &browser,
        Library::Client,
        hoptrail_proto::model::SpanKind::Client,
        format!("HTTP {}", request.method),
        |s| {
            s.attr("http.request.method", request.method);
            s.attr("url.full", format!("https://shop.example{}", request.path));
            s.attr("user_agent.original", s.person.agent.clone());
            s.attr("browser.language", s.person.country.to_lowercase());
            let network = s.dice.log_normal(18_000_000, 0.6);
            s.wait(network / 2);
            let answer = enter(s);
            s.wait(network / 2);
            s.attr("http.response.status_code", answer.as_ref().err().map_or(200, |fault| fault.http));
            if answer.is_err() {
                s.failed("");
            }
        },
    );
}
