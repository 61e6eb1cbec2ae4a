//! What runs without a visitor: probes, nightly jobs, batches.

use hoptrail_proto::model::{Attribute, SpanKind};

use crate::shop::backends::{CATALOG_DB, CORE_DB, Message, Sql, placeholders};
use crate::shop::cluster::{Library, Service};
use crate::shop::dice::{MS, SECOND, US};
use crate::shop::http::Request;
use crate::shop::incidents::Incident;
use crate::shop::people::any_product;
use crate::shop::story::{Outcome, Story};

/// The kubelet asks whether a pod is well.
pub(super) fn probe(s: &mut Story<'_>) -> Vec<Message> {
    s.person.ip = "10.42.0.1".to_owned();
    s.person.agent = "kube-probe/1.34".to_owned();
    let service = s.dice.pick(&[Service::Catalog, Service::Auth, Service::Inventory, Service::Pricing]);
    _ = s.serve_http(service, &Request::plain("GET", "/readyz"), |s| {
        s.sql(CORE_DB, &Sql::new("SELECT", "pg_stat_activity", "SELECT 1", 250 * US))?;
        s.cache("PING", "");
        Ok(())
    });
    Vec::new()
}

/// Takes stock figures from the ERP, one article after the other: the classic that a waterfall shows at a glance.
pub(super) fn stock_sync(s: &mut Story<'_>) -> Vec<Message> {
    let slowness = if s.is(Incident::ErpDown) { 20 } else { 1 };
    let articles = s.dice.between(20, 68);
    job(s, "stock-sync", |s| {
        s.http(Service::Inventory, &Request::plain("POST", "/jobs/stock-sync"), |s| {
            s.attr("app.batch.size", articles as i64);
            s.erp("ListChangedArticles", 8 * SECOND, slowness * 3)?;
            for number in 0..articles {
                let sku = any_product(s.dice).id;
                s.sql(
                    CORE_DB,
                    &Sql::new(
                        "SELECT",
                        "stock",
                        format!("SELECT on_hand, reserved FROM stock WHERE sku = '{sku}'"),
                        900 * US,
                    ),
                )?;
                s.sql(
                    CORE_DB,
                    &Sql::new(
                        "UPDATE",
                        "stock",
                        format!(
                            "UPDATE stock SET on_hand = {}, synced_at = now() WHERE sku = '{sku}'",
                            number * 37 % 500
                        ),
                        1_300 * US,
                    ),
                )?;
                if number % 25 == 24 {
                    s.event("job.progress", vec![Attribute::new("app.batch.done", number as i64 + 1)]);
                }
            }
            Ok(())
        })
    });
    Vec::new()
}

/// Reads a price list and tells everybody.
pub(super) fn price_import(s: &mut Story<'_>) -> Vec<Message> {
    let chunks = s.dice.between(5, 16);
    let mut sent = Vec::new();
    job(s, "price-import", |s| {
        s.http(Service::Pricing, &Request::plain("POST", "/jobs/import"), |s| {
            for chunk in 0..chunks {
                s.internal("PriceList.importChunk", |s| {
                    s.attr("app.chunk", chunk as i64);
                    s.work(4 * MS);
                    s.sql(CATALOG_DB, &Sql::new("SELECT", "products", format!("SELECT id FROM products WHERE sku IN ({})", placeholders(64)), 5 * MS))?;
                    s.sql(CORE_DB, &Sql::new("INSERT", "prices", "INSERT INTO prices (sku, currency, cents, valid_from) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) ON CONFLICT (sku, currency) DO UPDATE SET cents = EXCLUDED.cents", 18 * MS))
                })?;
                sent.extend(s.publish("price.changed", &format!("chunk-{chunk}")));
            }
            Ok(())
        })
    });
    sent
}

fn job(s: &mut Story<'_>, name: &'static str, mut inside: impl FnMut(&mut Story<'_>) -> Outcome) {
    s.person.ip = "10.42.0.1".to_owned();
    s.person.agent = "Go-http-client/1.1".to_owned();
    let scheduler = s.cluster.pod(Service::Scheduler, s.dice);
    s.span(&scheduler, Library::App, SpanKind::Internal, format!("job {name}"), |s| {
        s.attr("app.job.name", name);
        s.attr("app.job.trigger", "cron");
        s.work(2 * MS);
        match inside(s) {
            Ok(()) => s.succeeded(),
            Err(fault) => {
                s.exception(Service::Scheduler.platform(), &fault);
                s.failed(fault.message);
            }
        }
    });
}

/// Counts events in batches. A batch belongs to many traces, so it is one of its own with a link to each.
pub(in crate::shop) fn analytics_batch(s: &mut Story<'_>, messages: &[Message]) {
    let pod = s.cluster.pod(Service::AnalyticsWorker, s.dice);
    let topic = messages.first().map_or("product.viewed", |message| message.topic);
    s.span(&pod, Library::Messaging, SpanKind::Consumer, format!("process {topic}"), |s| {
        s.attr("messaging.system", "kafka");
        s.attr("messaging.operation.type", "process");
        s.attr("messaging.destination.name", topic);
        s.attr("messaging.consumer.group.name", "analytics-worker");
        s.attr("messaging.batch.message_count", messages.len() as i64);
        for message in messages {
            let about = vec![
                Attribute::new("messaging.kafka.offset", message.offset),
                Attribute::new("messaging.kafka.message.key", message.key.clone()),
            ];
            s.link(message.context, about);
        }
        s.internal("aggregate", |s| s.work(400 * US + 90 * US * messages.len() as u64));
        _ = s.sql(CORE_DB, &Sql::new("INSERT", "facts_hourly", "INSERT INTO facts_hourly (hour, kind, product_id, n) VALUES ($1, $2, $3, $4) ON CONFLICT (hour, kind, product_id) DO UPDATE SET n = facts_hourly.n + EXCLUDED.n", 7 * MS));
    });
}
