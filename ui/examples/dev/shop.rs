//! Traces of an imaginary shop: small, ordinary, broken, and huge ones.

use std::sync::Arc;

use hoptrail_proto::model::{
    AnyValue, Attribute, InstrumentationScope, Resource, Span, SpanEvent, SpanId, SpanKind, SpanLink, Status,
    StatusCode, TraceId, TraceSpan,
};

const MS: u64 = 1_000_000;
/// Spans of the largest traces. The plain store takes quadratic time for each.
const HUGE: u64 = 100_000;

/// Pseudo-random numbers, the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}

/// A trace under construction. Times are microseconds after its start.
pub(crate) struct Maker {
    trace: TraceId,
    start: u64,
    next: u64,
    pub(crate) spans: Vec<TraceSpan>,
    scope: Arc<InstrumentationScope>,
}

impl Maker {
    pub(crate) fn new(number: u64, start: u64) -> Self {
        let mixed = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let scope = InstrumentationScope {
            name: "io.opentelemetry.shop".into(),
            version: "2.9.0".into(),
            ..InstrumentationScope::default()
        };
        Self {
            trace: TraceId(mixed.to_be_bytes()),
            start,
            next: mixed as u64 | 1,
            spans: vec![],
            scope: Arc::new(scope),
        }
    }

    /// Adds a span from `from` to `to` and tells its id.
    pub(crate) fn span(
        &mut self,
        parent: Option<SpanId>,
        service: &str,
        name: &str,
        kind: SpanKind,
        from: u64,
        to: u64,
    ) -> SpanId {
        self.next = self.next.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let id = SpanId(self.next.to_be_bytes());
        let resource = Resource {
            attributes: vec![
                Attribute::new("service.name", service),
                Attribute::new("service.version", "1.14.2"),
                Attribute::new("deployment.environment.name", "production"),
                Attribute::new("host.name", format!("{service}-5d9c7b-x2k4q")),
                Attribute::new("telemetry.sdk.language", "java"),
            ],
            ..Resource::default()
        };
        let span = Span {
            trace_id: self.trace,
            span_id: id,
            parent_span_id: parent,
            name: name.to_owned(),
            kind,
            start_unix_nano: self.start + from * 1_000,
            end_unix_nano: self.start + to * 1_000,
            ..Span::default()
        };
        self.spans.push(TraceSpan { span, resource: Arc::new(resource), scope: Arc::clone(&self.scope) });
        id
    }

    fn last(&mut self) -> &mut Span {
        let at = self.spans.len() - 1;
        &mut self.spans[at].span
    }

    pub(crate) fn with(&mut self, attributes: &[(&str, AnyValue)]) {
        let attributes = attributes.iter().map(|(key, value)| Attribute { key: (*key).into(), value: value.clone() });
        self.last().attributes.extend(attributes);
    }

    pub(crate) fn fail(&mut self, message: &str) {
        self.last().status = Status { code: StatusCode::Error, message: message.to_owned() };
    }

    fn event(&mut self, at: u64, name: &str, attributes: &[(&str, &str)]) {
        let event = SpanEvent {
            time_unix_nano: self.start + at * 1_000,
            name: name.to_owned(),
            attributes: attributes.iter().map(|(key, value)| Attribute::new(*key, *value)).collect(),
            ..SpanEvent::default()
        };
        self.last().events.push(event);
    }
}

/// All traces, the ones to look at first at the front.
pub(crate) fn traces(now: u64) -> Vec<Vec<TraceSpan>> {
    let ago = |minutes: u64| now - minutes * 60_000 * MS;
    let mut all = vec![small(ago(1)), checkout(ago(2), 1), broken(ago(3)), fan(ago(4)), chain(ago(5)), bush(ago(6))];
    all.insert(2, assistant(ago(2)));
    let mut random = Random(42);
    for number in 0..240 {
        let start = now - random.below(55 * 60_000) * MS;
        all.push(if number % 4 == 0 { checkout(start, number + 2) } else { browse(start, number + 2, &mut random) });
    }
    all
}

fn small(start: u64) -> Vec<TraceSpan> {
    let mut maker = Maker::new(0, start);
    let root = maker.span(None, "frontend", "GET /", SpanKind::Server, 0, 4_200);
    maker.with(&[
        ("http.request.method", "GET".into()),
        ("url.path", "/".into()),
        ("http.response.status_code", 200.into()),
    ]);
    let render = maker.span(Some(root), "frontend", "render", SpanKind::Internal, 300, 3_900);
    maker.span(Some(render), "frontend", "load templates", SpanKind::Internal, 350, 900);
    maker.spans
}

pub(crate) fn browse(start: u64, number: u64, random: &mut Random) -> Vec<TraceSpan> {
    let mut maker = Maker::new(number, start);
    let slow = 1 + random.below(12) * random.below(9);
    let names = ["GET /product/{id}", "GET /category/{name}", "GET /search", "POST /cart"];
    let name = names[random.below(4) as usize];
    let root = maker.span(None, "frontend", name, SpanKind::Server, 0, 9_000 * slow);
    let call = maker.span(Some(root), "frontend", "GET", SpanKind::Client, 800, 8_200 * slow);
    let catalog = maker.span(Some(call), "catalog", "GET /api/products/{id}", SpanKind::Server, 1_400, 7_600 * slow);
    maker.span(Some(catalog), "catalog", "SELECT products", SpanKind::Client, 2_000, 3_000 * slow);
    maker.with(&[("db.system.name", "postgresql".into()), ("db.namespace", "catalog".into())]);
    if random.below(6) == 0 {
        maker.fail("deadlock detected");
    }
    if random.below(3) == 0 {
        let ads = maker.span(Some(root), "ads", "oteldemo.AdService/GetAds", SpanKind::Server, 1_000, 4_000 * slow);
        maker.span(Some(ads), "ads", "targeting", SpanKind::Internal, 1_200, 2_200);
    }
    maker.spans
}

/// An ordinary order: 40 spans, a queue, databases, a retry, a legacy system, an error, a clock that is off.
pub(crate) fn checkout(start: u64, number: u64) -> Vec<TraceSpan> {
    let mut maker = Maker::new(number, start);
    let m = &mut maker;
    use SpanKind::{Client, Consumer, Internal, Producer, Server};
    let root = m.span(None, "frontend", "POST /checkout", Server, 0, 1_284_000);
    m.with(&[
        ("http.request.method", "POST".into()),
        ("http.route", "/checkout".into()),
        ("http.response.status_code", 200.into()),
        (
            "user_agent.original",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36".into(),
        ),
        ("session.id", "b7c1d0a2-6f5e-4d0b-9a53-7c2f5be0e1f4".into()),
        ("enduser.pseudo.id", "u-48213".into()),
        ("client.address", "203.0.113.77".into()),
    ]);
    m.span(Some(root), "frontend", "verify session", Internal, 900, 14_000);
    let session = m.span(Some(root), "frontend", "GET session", Client, 1_200, 12_800);
    m.with(&[
        ("db.system.name", "redis".into()),
        ("server.address", "session-cache".into()),
        ("db.query.text", "GET session:b7c1d0a2".into()),
    ]);
    let _ = session;
    let call = m.span(Some(root), "frontend", "oteldemo.CheckoutService/PlaceOrder", Client, 18_000, 1_268_000);
    m.with(&[("rpc.system", "grpc".into()), ("rpc.service", "oteldemo.CheckoutService".into())]);
    let place = m.span(Some(call), "checkout", "oteldemo.CheckoutService/PlaceOrder", Server, 21_500, 1_262_000);
    m.event(22_000, "prepared", &[]);
    m.event(310_000, "charged", &[("app.payment.transaction.id", "e7d6c1f0-1234")]);
    let prepare = m.span(Some(place), "checkout", "prepareOrderItems", Internal, 23_000, 212_000);
    let cart = m.span(Some(prepare), "checkout", "oteldemo.CartService/GetCart", Client, 24_000, 58_000);
    let get_cart = m.span(Some(cart), "cart", "POST /oteldemo.CartService/GetCart", Server, 26_000, 55_000);
    m.span(Some(get_cart), "cart", "HGET", Client, 28_000, 51_000);
    m.with(&[("db.system", "redis".into()), ("net.peer.name", "valkey-cart".into()), ("net.peer.port", 6379.into())]);
    for item in 0..4 {
        let from = 60_000 + item * 36_000;
        let get =
            m.span(Some(prepare), "checkout", "oteldemo.ProductCatalogService/GetProduct", Client, from, from + 17_000);
        let product = m.span(
            Some(get),
            "product-catalog",
            "oteldemo.ProductCatalogService/GetProduct",
            Server,
            from + 1_500,
            from + 15_000,
        );
        m.with(&[("app.product.id", format!("OLJCESPC{item}Z").into())]);
        m.span(Some(product), "product-catalog", "SELECT catalog.products", Client, from + 3_000, from + 12_000);
        m.with(&[
            ("db.system.name", "postgresql".into()),
            ("db.namespace", "catalog".into()),
            ("db.query.text", "SELECT p.id, p.name, p.description, p.picture, p.price_currency_code, p.price_units, p.price_nanos, p.categories FROM catalog.products p WHERE p.id = $1".into()),
        ]);
        let convert =
            m.span(Some(prepare), "checkout", "oteldemo.CurrencyService/Convert", Client, from + 18_500, from + 33_000);
        m.span(Some(convert), "currency", "Currency/Convert", Server, from + 20_000, from + 31_000);
    }
    let quote = m.span(Some(place), "checkout", "POST /get-quote", Client, 30_000, 168_000);
    let shipping = m.span(Some(quote), "shipping", "POST /get-quote", Server, 33_000, 164_000);
    m.span(Some(shipping), "shipping", "POST /getquote", Client, 40_000, 150_000);
    m.with(&[
        ("url.full", "http://quote.internal:8090/getquote".into()),
        ("server.address", "quote.internal".into()),
        ("server.port", 8090.into()),
    ]);
    let charge = m.span(Some(place), "checkout", "oteldemo.PaymentService/Charge", Client, 215_000, 318_000);
    m.with(&[("rpc.system", "grpc".into()), ("rpc.service", "oteldemo.PaymentService".into())]);
    m.fail("14 UNAVAILABLE: connection reset by peer");
    m.event(317_500, "exception", &[
        ("exception.type", "io.grpc.StatusRuntimeException"),
        ("exception.message", "UNAVAILABLE: connection reset by peer"),
        ("exception.stacktrace", "io.grpc.StatusRuntimeException: UNAVAILABLE: connection reset by peer\n\tat io.grpc.stub.ClientCalls.toStatusRuntimeException(ClientCalls.java:268)\n\tat io.grpc.stub.ClientCalls.getUnchecked(ClientCalls.java:249)\n\tat shop.checkout.Payments.charge(Payments.java:61)\n\tat shop.checkout.PlaceOrder.run(PlaceOrder.java:118)"),
    ]);
    let _ = charge;
    let retry = m.span(Some(place), "checkout", "oteldemo.PaymentService/Charge", Client, 342_000, 1_118_000);
    m.with(&[("rpc.system", "grpc".into()), ("retry.count", 1.into())]);
    // The clock of the payment host is 2.4 s ahead.
    let ahead = 2_400_000;
    let pay =
        m.span(Some(retry), "payment", "oteldemo.PaymentService/Charge", Server, ahead + 348_000, ahead + 1_110_000);
    m.span(Some(pay), "payment", "fraud check", Internal, ahead + 350_000, ahead + 421_000);
    m.span(Some(pay), "payment", "AUTHORIZE", Client, ahead + 424_000, ahead + 1_101_000);
    m.with(&[
        ("peer.service", "mainframe-billing".into()),
        ("server.address", "10.20.0.4".into()),
        ("server.port", 1414.into()),
        ("billing.program", "PAY0170".into()),
    ]);
    let email = m.span(Some(place), "checkout", "POST /send_order_confirmation", Client, 1_122_000, 1_158_000);
    m.span(Some(email), "email", "POST /send_order_confirmation", Server, 1_125_000, 1_155_000);
    let publish = m.span(Some(place), "checkout", "publish orders", Producer, 1_160_000, 1_171_000);
    m.with(&[("messaging.system", "kafka".into()), ("messaging.destination.name", "orders".into())]);
    let accounting = m.span(Some(publish), "accounting", "process orders", Consumer, 1_205_000, 1_402_000);
    m.last().links = vec![SpanLink { trace_id: TraceId([9; 16]), span_id: SpanId([3; 8]), ..SpanLink::default() }];
    m.span(Some(accounting), "accounting", "INSERT ledger", Client, 1_230_000, 1_390_000);
    m.with(&[("db.system.name", "oracle.db".into()), ("db.namespace", "LEDGER".into())]);
    let fraud = m.span(Some(publish), "fraud-detection", "process orders", Consumer, 1_190_000, 1_240_000);
    m.span(Some(fraud), "fraud-detection", "score", Internal, 1_196_000, 1_231_000);
    maker.spans
}

/// An assistant that asks a model, and a database again and again.
fn assistant(start: u64) -> Vec<TraceSpan> {
    let mut maker = Maker::new(904, start);
    let m = &mut maker;
    let root = m.span(None, "assistant", "POST /ask", SpanKind::Server, 0, 2_400_000);
    m.with(&[("http.method", "POST".into()), ("http.status_code", 200.into())]);
    let history = m.span(Some(root), "assistant", "load history", SpanKind::Internal, 8_000, 420_000);
    for number in 0..42 {
        let from = 10_000 + number * 9_500;
        m.span(Some(history), "assistant", "SELECT orders", SpanKind::Client, from, from + 4_000 + number * 70);
        m.with(&[
            ("db.system", "postgresql".into()),
            ("db.name", "shop".into()),
            ("db.statement", "SELECT * FROM orders WHERE id = $1".into()),
        ]);
    }
    m.span(Some(root), "assistant", "chat gpt-small", SpanKind::Client, 460_000, 1_900_000);
    m.with(&[
        ("gen_ai.operation.name", "chat".into()),
        ("gen_ai.provider.name", "openai".into()),
        ("gen_ai.request.model", "gpt-small".into()),
        ("gen_ai.usage.input_tokens", 1_840.into()),
        ("gen_ai.usage.output_tokens", 212.into()),
        ("gen_ai.system_instructions", r#"[{"type":"text","content":"You answer questions about orders. Be brief."}]"#.into()),
        ("gen_ai.input.messages", r#"[{"role":"user","parts":[{"type":"text","content":"Where is my order?"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"find_order","arguments":{"customer":"u-48213","newest":true}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"1","response":{"order":"A-17","state":"shipped"}}]}]"#.into()),
        ("gen_ai.output.messages", r#"[{"role":"assistant","parts":[{"type":"reasoning","content":"The order has left the warehouse."},{"type":"text","content":"It is on its way and arrives on Tuesday."}]}]"#.into()),
    ]);
    maker.spans
}

/// Everything that can be odd about spans.
fn broken(start: u64) -> Vec<TraceSpan> {
    let mut maker = Maker::new(900, start);
    let m = &mut maker;
    let root = m.span(None, "gateway", "GET /orders", SpanKind::Server, 0, 80_000);
    m.span(Some(SpanId([5; 8])), "orders", "list orders", SpanKind::Internal, 12_000, 60_000);
    m.span(Some(SpanId([5; 8])), "orders", "count orders", SpanKind::Internal, 14_000, 22_000);
    let child = m.span(Some(root), "gateway", "authorise", SpanKind::Internal, 1_000, 8_000);
    m.last().dropped_attributes_count = 3;
    m.span(Some(child), "gateway", "ends before it starts", SpanKind::Internal, 7_000, 5_000);
    m.span(Some(child), "gateway", "", SpanKind::Internal, 2_000, 4_000);
    m.with(&[("hoptrail.repaired", "name of 4 bytes that is not UTF-8".into())]);
    m.span(Some(root), "", "no service", SpanKind::Internal, 20_000, 42_000);
    m.span(Some(root), "gateway", "a day early", SpanKind::Internal, 20_000, 42_000);
    m.last().start_unix_nano -= 90_000_000 * MS;
    m.last().end_unix_nano -= 90_000_000 * MS;
    let own = m.span(Some(root), "gateway", "its own parent", SpanKind::Internal, 50_000, 60_000);
    m.last().parent_span_id = Some(own);
    maker.spans
}

/// One span with very many children of a few names.
fn fan(start: u64) -> Vec<TraceSpan> {
    let mut maker = Maker::new(901, start);
    let mut random = Random(7);
    let root = maker.span(None, "batch", "nightly price import", SpanKind::Internal, 0, HUGE * 220);
    for number in 1..HUGE {
        let name = ["UPDATE prices", "UPDATE stock", "publish price"][(number % 7 / 3) as usize];
        maker.span(
            Some(root),
            ["batch", "stock", "prices"][(number % 3) as usize],
            name,
            SpanKind::Internal,
            number * 200,
            number * 200 + 100 + random.below(4_000),
        );
        if random.below(5_000) == 0 {
            maker.fail("row is locked");
        }
    }
    maker.spans
}

/// Every span the only child of the one before.
fn chain(start: u64) -> Vec<TraceSpan> {
    let mut maker = Maker::new(902, start);
    let mut parent = None;
    for number in 0..HUGE {
        let service = ["walker", "stepper"][(number / 5 % 2) as usize];
        parent = Some(maker.span(parent, service, "step", SpanKind::Internal, number * 10, HUGE * 20 - number * 10));
    }
    maker.spans
}

/// A wide and deep tree of twelve services.
fn bush(start: u64) -> Vec<TraceSpan> {
    let mut maker = Maker::new(903, start);
    let mut random = Random(3);
    let mut known = vec![(maker.span(None, "svc-0", "fan out", SpanKind::Server, 0, 9_000_000), 0, 9_000_000)];
    for number in 1..20_000_u64 {
        let (parent, from, to) = known[random.below(number.min(4_000)) as usize];
        let start = from + random.below((to - from) / 2 + 1);
        let end = start + random.below(to - start + 1);
        let service = format!("svc-{}", random.below(12));
        let id = maker.span(Some(parent), &service, &format!("work {}", number % 40), SpanKind::Internal, start, end);
        if random.below(900) == 0 {
            maker.fail("overflow");
        }
        known.push((id, start, end));
    }
    maker.spans
}
