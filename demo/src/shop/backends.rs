//! gRPC, databases, caches and queues, with the attributes of their semantic conventions.

use hoptrail_proto::model::{Attribute, SpanKind};

use super::cluster::{Library, Platform, Service};
use super::dice::{MS, US};
use super::incidents::{Incident, lasted};
use super::story::{Context, Fault, Outcome, Story};

/// A database that reports nothing itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Database {
    pub(super) namespace: &'static str,
    pub(super) host: &'static str,
}

/// The catalog's database.
pub(super) const CATALOG_DB: Database = Database { namespace: "catalog", host: "pg-catalog.db.svc" };
/// Orders, customers, prices and stock.
pub(super) const CORE_DB: Database = Database { namespace: "shop", host: "pg-core.db.svc" };

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    pub(super) verb: &'static str,
    pub(super) table: &'static str,
    pub(super) text: String,
    /// Usual time, in nanoseconds.
    pub(super) median: u64,
}

impl Sql {
    pub(super) fn new(verb: &'static str, table: &'static str, text: impl Into<String>, median: u64) -> Self {
        Self { verb, table, text: text.into(), median }
    }
}

/// `$1, $2, ...` as drivers write lists.
pub(super) fn placeholders(count: u64) -> String {
    (1..=count).map(|index| format!("${index}")).collect::<Vec<_>>().join(", ")
}

impl Story<'_> {
    /// Calls a gRPC method of `to` from the pod at work.
    pub(super) fn grpc<T>(
        &mut self,
        to: Service,
        service: &'static str,
        method: &'static str,
        inside: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let Some(here) = self.here().cloned() else { return inside(self) };
        let pod = self.cluster.pod(to, self.dice);
        let name = format!("{service}/{method}");
        self.span(&here, Library::Rpc, SpanKind::Client, name.clone(), |s| {
            s.rpc_attributes(service, method);
            s.attr("server.address", format!("{}.shop.svc", to.name()));
            s.attr("server.port", i64::from(to.port()));
            s.work(140 * US);
            let answer = s.span(&pod, Library::Rpc, SpanKind::Server, name, |s| {
                s.rpc_attributes(service, method);
                s.attr("client.address", s.person.ip.clone());
                s.runtime_attributes(to.platform());
                s.work(160 * US);
                let answer = inside(s);
                s.grpc_status(&answer);
                if let Err(fault) = &answer
                    && fault.is_servers()
                {
                    s.exception(to.platform(), fault);
                }
                answer
            });
            s.work(110 * US);
            s.grpc_status(&answer);
            answer
        })
    }

    fn rpc_attributes(&mut self, service: &'static str, method: &'static str) {
        self.attr("rpc.system", "grpc");
        self.attr("rpc.service", service);
        self.attr("rpc.method", method);
    }

    fn grpc_status<T>(&mut self, answer: &Outcome<T>) {
        let code = answer.as_ref().err().map_or(0, |fault| fault.grpc);
        self.attr("rpc.grpc.status_code", code);
        if let Err(fault) = answer {
            self.failed(fault.message.clone());
        }
    }

    /// Runs a statement on PostgreSQL.
    pub(super) fn sql(&mut self, database: Database, statement: &Sql) -> Outcome {
        let Some(here) = self.here().cloned() else { return Ok(()) };
        let name = format!("{} {}.{}", statement.verb, database.namespace, statement.table);
        self.span(&here, Library::Database, SpanKind::Client, name, |s| {
            s.attr("db.system.name", "postgresql");
            s.attr("db.namespace", database.namespace);
            s.attr("db.collection.name", statement.table);
            s.attr("db.operation.name", statement.verb);
            s.attr("db.query.text", statement.text.clone());
            s.attr("server.address", database.host);
            s.attr("server.port", 5432_i64);
            let took = s.dice.log_normal(statement.median, 0.6) * s.slowness();
            // A checkpoint or a lock now and then: the slow tail that averages hide.
            let stalled = s.dice.chance(0.004);
            let stall = if stalled { s.dice.log_normal(220 * MS, 0.6) } else { 0 };
            s.wait(took + stall);
            if s.dice.chance(0.000_6) {
                let message = "canceling statement due to lock timeout";
                s.attr("db.response.status_code", "55P03");
                s.attr("error.type", "55P03");
                s.failed(message);
                return Err(Fault::new("PgError", format!("ERROR: {message} (SQLSTATE 55P03)")));
            }
            if statement.verb == "SELECT" {
                let rows = s.dice.between(0, 48) as i64;
                s.attr("db.response.returned_rows", rows);
            }
            Ok(())
        })
    }

    /// Runs a command on the cache.
    pub(super) fn cache(&mut self, command: &'static str, key: &str) {
        let Some(here) = self.here().cloned() else { return };
        self.span(&here, Library::Cache, SpanKind::Client, command, |s| {
            s.attr("db.system.name", "redis");
            s.attr("db.operation.name", command);
            s.attr("db.query.text", format!("{command} {key}"));
            s.attr("server.address", "valkey.cache.svc");
            s.attr("server.port", 6379_i64);
            s.work(320 * US);
        });
    }

    /// Reads the cache. On a miss runs `load`, then stores what it loaded.
    pub(super) fn cached(&mut self, hit_rate: f64, key: &str, load: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        self.cache("GET", key);
        if self.dice.chance(hit_rate) {
            return Ok(());
        }
        self.event("cache.miss", vec![Attribute::new("cache.key", key)]);
        load(self)?;
        self.cache("SETEX", key);
        Ok(())
    }

    /// Puts a message into a topic. Returns what a consumer needs to continue the trace.
    pub(super) fn publish(&mut self, topic: &'static str, key: &str) -> Option<Message> {
        let here = self.here().cloned()?;
        let partition = self.dice.below(12);
        let offset = (self.now / (900 * MS)) as i64 * 7 + self.dice.below(7) as i64;
        self.span(&here, Library::Messaging, SpanKind::Producer, format!("send {topic}"), |s| {
            s.attr("messaging.operation.name", "send");
            s.attr("messaging.operation.type", "send");
            s.kafka_attributes(topic, key, partition, offset);
            s.work(900 * US);
            let context = s.context()?;
            Some(Message { topic, key: key.to_owned(), partition, offset, sent: s.now, context })
        })
    }

    /// Consumes one message, about `delay` after it was sent. The consumer continues the trace of the sender.
    pub(super) fn consume(
        &mut self,
        by: Service,
        message: &Message,
        delay: u64,
        inside: impl FnOnce(&mut Self) -> Outcome,
    ) {
        let pod = self.cluster.pod(by, self.dice);
        let name = format!("process {}", message.topic);
        // A queue that leaks loses a third of the time that it lasts.
        let is_leaking = by == Service::OrderWorker && self.is(Incident::LeakingQueue);
        let behind = if is_leaking { lasted(message.sent) / 3 } else { 0 };
        self.now = message.sent + self.dice.log_normal(delay, 0.8) + behind;
        self.continued(message.context, |s| {
            s.span(&pod, Library::Messaging, SpanKind::Consumer, name, |s| {
                s.attr("messaging.operation.name", "process");
                s.attr("messaging.operation.type", "process");
                s.attr("messaging.consumer.group.name", by.name());
                s.kafka_attributes(message.topic, &message.key, message.partition, message.offset);
                s.runtime_attributes(by.platform());
                s.work(600 * US);
                if let Err(fault) = inside(s) {
                    s.exception(by.platform(), &fault);
                    s.attr("error.type", fault.class);
                    s.failed(fault.message);
                }
            });
        });
    }

    fn kafka_attributes(&mut self, topic: &'static str, key: &str, partition: u64, offset: i64) {
        self.attr("messaging.system", "kafka");
        self.attr("messaging.destination.name", topic);
        self.attr("messaging.destination.partition.id", partition.to_string());
        self.attr("messaging.kafka.message.key", key);
        self.attr("messaging.kafka.offset", offset);
        self.attr("server.address", "kafka-bootstrap.queue.svc");
        self.attr("server.port", 9092_i64);
    }

    /// Asks OpenSearch.
    pub(super) fn opensearch(&mut self, index: &'static str, query: String, median: u64) {
        let Some(here) = self.here().cloned() else { return };
        self.span(&here, Library::Client, SpanKind::Client, format!("search {index}"), |s| {
            s.attr("db.system.name", "opensearch");
            s.attr("db.operation.name", "search");
            s.attr("db.collection.name", index);
            s.attr("db.query.text", query);
            s.attr("http.request.method", "POST");
            s.attr("url.full", format!("http://opensearch.search.svc:9200/{index}/_search"));
            s.attr("server.address", "opensearch.search.svc");
            s.attr("server.port", 9200_i64);
            let took = s.dice.log_normal(median, 0.7);
            s.wait(took);
            s.attr("http.response.status_code", 200_i64);
        });
    }

    /// The two spans that Envoy makes of a request that passes through it. All its values are strings.
    pub(super) fn through_gateway<T>(
        &mut self,
        to: &'static str,
        method: &'static str,
        path: &str,
        inside: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let pod = self.cluster.pod(Service::Gateway, self.dice);
        let request_id = self.dice.uuid();
        let name = format!("{to}.shop.svc:8080/*");
        self.span(&pod, Library::Server, SpanKind::Server, name, |s| {
            s.envoy_attributes(method, path, &request_id, to);
            s.work(210 * US);
            let answer = s.span(&pod, Library::Server, SpanKind::Client, format!("router {to} egress"), |s| {
                s.envoy_attributes(method, path, &request_id, to);
                s.work(120 * US);
                let answer = inside(s);
                s.envoy_status(&answer);
                answer
            });
            s.envoy_status(&answer);
            answer
        })
    }

    fn envoy_attributes(&mut self, method: &'static str, path: &str, request_id: &str, to: &'static str) {
        self.attr("component", "proxy");
        self.attr("http.method", method);
        self.attr("http.url", format!("https://shop.example{path}"));
        self.attr("http.protocol", "HTTP/2");
        self.attr("guid:x-request-id", request_id);
        self.attr("upstream_cluster", format!("outbound|8080||{to}.shop.svc"));
        self.attr("user_agent", self.person.agent.clone());
        self.attr("peer.address", self.person.ip.clone());
        self.attr("zone", "");
    }

    fn envoy_status<T>(&mut self, answer: &Outcome<T>) {
        let code = answer.as_ref().err().map_or(200, |fault| fault.http);
        self.attr("http.status_code", code.to_string());
        self.attr("response_flags", if code == 503 { "UF" } else { "-" });
        let size = self.dice.log_normal(4_100, 1.0).to_string();
        self.attr("response_size", size);
        if code >= 500 {
            self.attr("error", "true");
            self.failed("");
        }
    }

    /// Records that a feature flag was evaluated. Returns its variant.
    pub(super) fn feature_flag(&mut self, key: &'static str, variants: &[&'static str]) -> &'static str {
        let variant = self.dice.pick(variants);
        let attributes = vec![
            Attribute::new("feature_flag.key", key),
            Attribute::new("feature_flag.provider.name", "flagd"),
            Attribute::new("feature_flag.result.variant", variant),
        ];
        self.event("feature_flag.evaluation", attributes);
        variant
    }
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) topic: &'static str,
    pub(super) key: String,
    partition: u64,
    pub(super) offset: i64,
    pub(super) sent: u64,
    pub(super) context: Context,
}

/// Whether spans of the platform carry the old names of HTTP attributes.
pub(super) fn speaks_old_http(platform: Platform) -> bool {
    platform == Platform::Ruby
}
