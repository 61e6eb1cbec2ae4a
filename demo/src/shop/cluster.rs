//! The shop's services: what they are written in, where their pods run, and what their SDKs say about them.

use std::sync::Arc;

use hoptrail_proto::model::{AnyValue, Attribute, InstrumentationScope, Resource};

use super::dice::{Dice, MS, US};

/// A service that reports spans. Others (databases, the ERP, partners) are only seen through those who call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Web,
    Gateway,
    Frontend,
    MobileBff,
    Cart,
    Checkout,
    Payment,
    Inventory,
    Catalog,
    Search,
    Recommendation,
    Shipping,
    Pricing,
    Auth,
    Ads,
    OrderWorker,
    EmailWorker,
    AnalyticsWorker,
    Scheduler,
}

/// How a service is built, which decides what its telemetry looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Browser,
    Envoy,
    Node,
    DotNet,
    Go,
    Java,
    Python,
    Ruby,
    Rust,
}

/// What the shop knows about a service.
struct Facts {
    service: Service,
    name: &'static str,
    platform: Platform,
    version: &'static str,
    pods: usize,
    port: u16,
}

const fn facts(
    service: Service,
    name: &'static str,
    platform: Platform,
    version: &'static str,
    pods: usize,
    port: u16,
) -> Facts {
    Facts { service, name, platform, version, pods, port }
}

/// In the order of [`Service`].
static SERVICES: [Facts; 19] = [
    facts(Service::Web, "storefront-web", Platform::Browser, "2026.46.3", 1, 443),
    facts(Service::Gateway, "ingress-gateway", Platform::Envoy, "1.34.1", 2, 8443),
    facts(Service::Frontend, "frontend", Platform::Node, "4.18.0", 4, 8080),
    facts(Service::MobileBff, "mobile-bff", Platform::Node, "2.7.5", 2, 8080),
    facts(Service::Cart, "cart", Platform::DotNet, "3.2.1", 3, 8080),
    facts(Service::Checkout, "checkout", Platform::Go, "1.41.2", 3, 5050),
    facts(Service::Payment, "payment", Platform::Java, "7.0.4", 3, 8443),
    facts(Service::Inventory, "inventory", Platform::Java, "5.11.0", 2, 8080),
    facts(Service::Catalog, "catalog", Platform::Go, "2.30.7", 4, 3550),
    facts(Service::Search, "search", Platform::Rust, "0.19.3", 3, 7700),
    facts(Service::Recommendation, "recommendation", Platform::Python, "1.9.12", 3, 9001),
    facts(Service::Shipping, "shipping", Platform::Rust, "0.8.0", 2, 50051),
    facts(Service::Pricing, "pricing", Platform::Java, "2.14.1", 3, 8080),
    facts(Service::Auth, "auth", Platform::Go, "3.0.9", 3, 9090),
    facts(Service::Ads, "ads", Platform::Node, "1.3.3", 2, 8080),
    facts(Service::OrderWorker, "order-worker", Platform::Java, "6.2.0", 2, 8080),
    facts(Service::EmailWorker, "email-worker", Platform::Ruby, "1.15.2", 2, 3000),
    facts(Service::AnalyticsWorker, "analytics-worker", Platform::Python, "0.31.0", 2, 8000),
    facts(Service::Scheduler, "scheduler", Platform::Go, "1.2.0", 1, 8080),
];

impl Service {
    fn facts(self) -> &'static Facts {
        &SERVICES[self as usize]
    }

    /// `service.name`.
    pub(super) fn name(self) -> &'static str {
        self.facts().name
    }

    /// What it is built with.
    pub(super) fn platform(self) -> Platform {
        self.facts().platform
    }

    /// The port it listens on inside the cluster.
    pub(super) fn port(self) -> u16 {
        self.facts().port
    }
}

/// The machines pods run on, and how far the clock of each is off. The last one's time service is broken.
const NODES: [(&str, i64); 6] = [
    ("worker-01", 0),
    ("worker-02", 140 * US as i64),
    ("worker-03", -(310 * US as i64)),
    ("worker-04", 60 * US as i64),
    ("worker-05", -(90 * US as i64)),
    ("worker-06", 18 * MS as i64),
];

/// The machine that is slow at times.
pub(super) const SLOW_NODE: &str = "worker-03";

/// One running instance of a service.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) service: Service,
    pub(super) resource: Arc<Resource>,
    pub(super) node: &'static str,
    /// Whether it runs the next version, which only one pod has.
    pub(super) is_canary: bool,
    /// Its address inside the cluster.
    pub(super) ip: String,
    /// How far its clock is ahead, in nanoseconds.
    pub(super) clock_ahead: i64,
}

/// All pods, and the instrumentation libraries of each platform.
#[derive(Debug)]
pub(super) struct Cluster {
    pods: Vec<Vec<Arc<Pod>>>,
    scopes: Vec<Arc<InstrumentationScope>>,
}

impl Cluster {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let pods =
            SERVICES.iter().map(|facts| (0..facts.pods).map(|number| Arc::new(pod(facts, number, dice))).collect());
        Self { pods: pods.collect(), scopes: SCOPES.iter().map(|scope| Arc::new(scope.build())).collect() }
    }

    /// One of the service's pods, as a load balancer would choose.
    pub(super) fn pod(&self, service: Service, dice: &mut Dice) -> Arc<Pod> {
        let pods = &self.pods[service as usize];
        Arc::clone(&pods[dice.below(pods.len() as u64) as usize])
    }

    /// The library that instruments this on that platform.
    pub(super) fn scope(&self, platform: Platform, library: Library) -> Arc<InstrumentationScope> {
        let exact = SCOPES.iter().position(|scope| scope.platform == platform && scope.library == library);
        let index = exact.or_else(|| SCOPES.iter().position(|scope| scope.platform == platform));
        Arc::clone(&self.scopes[index.unwrap_or_default()])
    }
}

/// What an instrumentation library covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    App,
    Server,
    Client,
    Rpc,
    Database,
    Cache,
    Messaging,
}

struct Scope {
    platform: Platform,
    library: Library,
    name: &'static str,
    version: &'static str,
}

impl Scope {
    fn build(&self) -> InstrumentationScope {
        InstrumentationScope {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            ..InstrumentationScope::default()
        }
    }
}

const fn scope(platform: Platform, library: Library, name: &'static str, version: &'static str) -> Scope {
    Scope { platform, library, name, version }
}

static SCOPES: [Scope; 42] = {
    use Library::*;
    use Platform::*;
    [
        scope(Browser, App, "@opentelemetry/instrumentation-document-load", "0.54.0"),
        scope(Browser, Client, "@opentelemetry/instrumentation-fetch", "0.210.0"),
        scope(Envoy, Server, "envoy", "1.34.1"),
        scope(Node, App, "shop-frontend", "4.18.0"),
        scope(Node, Server, "@opentelemetry/instrumentation-http", "0.210.0"),
        scope(Node, Client, "@opentelemetry/instrumentation-undici", "0.20.0"),
        scope(Node, Rpc, "@opentelemetry/instrumentation-grpc", "0.210.0"),
        scope(Node, Cache, "@opentelemetry/instrumentation-redis", "0.58.0"),
        scope(Node, Messaging, "@opentelemetry/instrumentation-kafkajs", "0.19.0"),
        scope(DotNet, App, "Shop.Cart", "3.2.1"),
        scope(DotNet, Server, "Microsoft.AspNetCore", ""),
        scope(DotNet, Client, "System.Net.Http", ""),
        scope(DotNet, Rpc, "OpenTelemetry.Instrumentation.GrpcNetClient", "1.12.0"),
        scope(DotNet, Cache, "OpenTelemetry.Instrumentation.StackExchangeRedis", "1.12.0"),
        scope(Go, App, "shop/internal/trace", "1.0.0"),
        scope(Go, Server, "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.65.0"),
        scope(Go, Client, "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.65.0"),
        scope(Go, Rpc, "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc", "0.65.0"),
        scope(Go, Database, "github.com/exaring/otelpgx", "0.10.0"),
        scope(Go, Cache, "github.com/redis/go-redis/extra/redisotel", "9.17.0"),
        scope(Go, Messaging, "github.com/twmb/franz-go/plugin/kotel", "1.6.0"),
        scope(Java, App, "com.shop.domain", "1"),
        scope(Java, Server, "io.opentelemetry.tomcat-10.0", "2.22.0-alpha"),
        scope(Java, Client, "io.opentelemetry.java-http-client", "2.22.0-alpha"),
        scope(Java, Rpc, "io.opentelemetry.grpc-1.6", "2.22.0-alpha"),
        scope(Java, Database, "io.opentelemetry.jdbc", "2.22.0-alpha"),
        scope(Java, Cache, "io.opentelemetry.lettuce-5.1", "2.22.0-alpha"),
        scope(Java, Messaging, "io.opentelemetry.kafka-clients-0.11", "2.22.0-alpha"),
        scope(Python, App, "shop.workers", "0.31.0"),
        scope(Python, Server, "opentelemetry.instrumentation.fastapi", "0.60b1"),
        scope(Python, Client, "opentelemetry.instrumentation.httpx", "0.60b1"),
        scope(Python, Rpc, "opentelemetry.instrumentation.grpc", "0.60b1"),
        scope(Python, Database, "opentelemetry.instrumentation.psycopg", "0.60b1"),
        scope(Python, Cache, "opentelemetry.instrumentation.redis", "0.60b1"),
        scope(Python, Messaging, "opentelemetry.instrumentation.confluent_kafka", "0.60b1"),
        scope(Ruby, App, "mailer", "1.15.2"),
        scope(Ruby, Client, "OpenTelemetry::Instrumentation::Net::HTTP", "0.23.0"),
        scope(Ruby, Messaging, "OpenTelemetry::Instrumentation::Rdkafka", "0.7.0"),
        scope(Rust, App, "shop_core", "0.19.3"),
        scope(Rust, Server, "axum-tracing-opentelemetry", "0.33.0"),
        scope(Rust, Client, "reqwest-tracing", "0.5.8"),
        scope(Rust, Rpc, "tonic-tracing-opentelemetry", "0.33.0"),
    ]
};

/// SDK language, name, version and the runtime, as each platform's SDK reports them.
fn sdk(platform: Platform) -> [&'static str; 5] {
    match platform {
        Platform::Browser => ["webjs", "opentelemetry", "2.3.0", "", ""],
        Platform::Envoy => ["cpp", "envoy", "1.34.1", "", ""],
        Platform::Node => ["nodejs", "opentelemetry", "2.3.0", "nodejs", "24.11.0"],
        Platform::DotNet => ["dotnet", "opentelemetry", "1.14.0", ".NET", "10.0.0"],
        Platform::Go => ["go", "opentelemetry", "1.39.0", "go", "go1.25.4"],
        Platform::Java => ["java", "opentelemetry", "1.57.0", "OpenJDK Runtime Environment", "21.0.9+10-LTS"],
        Platform::Python => ["python", "opentelemetry", "1.39.1", "cpython", "3.13.9"],
        Platform::Ruby => ["ruby", "opentelemetry", "1.10.0", "ruby", "3.4.7"],
        Platform::Rust => ["rust", "opentelemetry", "0.31.0", "rustc", "1.91.1"],
    }
}

fn pod(facts: &Facts, number: usize, dice: &mut Dice) -> Pod {
    let is_canary = facts.service == Service::Pricing && number == 0;
    let version = if is_canary { "2.15.0" } else { facts.version };
    let (node, clock_ahead) = NODES[dice.weighted(&[20, 20, 20, 20, 16, 4])];
    let ip = format!("10.42.{}.{}", dice.between(0, 5), dice.between(2, 250));
    let mut attributes = vec![
        Attribute::new("service.name", facts.name),
        Attribute::new("service.version", version),
        Attribute::new("service.namespace", "shop"),
        Attribute::new("service.instance.id", dice.uuid()),
        Attribute::new("deployment.environment.name", "production"),
    ];
    let in_cluster = facts.platform != Platform::Browser;
    let clock_ahead = if in_cluster { clock_ahead } else { 0 };
    if in_cluster {
        attributes.extend(kubernetes(facts, (node, version), dice));
    }
    attributes.extend(process(facts.platform));
    let schema_url = "https://opentelemetry.io/schemas/1.37.0".to_owned();
    let resource = Arc::new(Resource { attributes, schema_url, ..Resource::default() });
    Pod { service: facts.service, resource, node, is_canary, ip, clock_ahead }
}

fn kubernetes(facts: &Facts, (node, version): (&str, &str), dice: &mut Dice) -> Vec<Attribute> {
    let pod = format!("{}-{}-{}", facts.name, dice.hex(10), dice.hex(5));
    vec![
        Attribute::new("k8s.cluster.name", "prod-eu-1"),
        Attribute::new("k8s.namespace.name", "shop"),
        Attribute::new("k8s.deployment.name", facts.name),
        Attribute::new("k8s.pod.name", pod.clone()),
        Attribute::new("k8s.pod.uid", dice.uuid()),
        Attribute::new("k8s.node.name", node),
        Attribute::new("k8s.container.name", facts.name),
        Attribute::new("container.image.name", format!("images.shop.example/{}", facts.name)),
        Attribute::new("container.image.tags", AnyValue::Array(vec![version.into()])),
        Attribute::new("host.name", pod),
        Attribute::new("host.arch", dice.pick(&["amd64", "amd64", "arm64"])),
        Attribute::new("cloud.availability_zone", dice.pick(&["eu-1a", "eu-1b", "eu-1c"])),
    ]
}

fn process(platform: Platform) -> Vec<Attribute> {
    let [language, name, version, runtime, runtime_version] = sdk(platform);
    let mut attributes = vec![
        Attribute::new("telemetry.sdk.language", language),
        Attribute::new("telemetry.sdk.name", name),
        Attribute::new("telemetry.sdk.version", version),
    ];
    if !runtime.is_empty() {
        attributes.push(Attribute::new("process.pid", 1_i64));
        attributes.push(Attribute::new("process.runtime.name", runtime));
        attributes.push(Attribute::new("process.runtime.version", runtime_version));
    }
    if platform == Platform::Node {
        let arguments = ["node", "--enable-source-maps", "dist/server.js"].map(AnyValue::from);
        attributes.push(Attribute::new("process.command_args", AnyValue::Array(arguments.to_vec())));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_follows_the_enum() {
        for (index, facts) in SERVICES.iter().enumerate() {
            assert_eq!(facts.service as usize, index, "{}", facts.name);
        }
    }

    #[test]
    fn every_pod_is_a_pod_of_its_own() {
        let cluster = Cluster::new(&mut Dice::new(1));
        let mut ids: Vec<_> = cluster.pods.iter().flatten().map(|pod| format!("{:?}", pod.resource)).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all);
        assert!(all >= 40, "{all}");
    }
}
