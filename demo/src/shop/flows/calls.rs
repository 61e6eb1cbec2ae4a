//! What the services do for each other, used by several kinds of traces.

use crate::shop::backends::{CATALOG_DB, CORE_DB, Sql, placeholders};
use crate::shop::cluster::Service;
use crate::shop::dice::{MS, SECOND, US};
use crate::shop::http::Request;
use crate::shop::incidents::Incident;
use crate::shop::people::{Product, any_product};
use crate::shop::story::{Fault, Outcome, Story};

/// How much slower the catalog's database is than usual.
fn database_factor(s: &Story<'_>) -> u64 {
    if s.is(Incident::DatabaseSlow) { 14 } else { 1 }
}

/// One product out of the catalog.
pub(super) fn catalog_product(s: &mut Story<'_>, product: &Product) -> Outcome {
    let slow = database_factor(s);
    s.grpc(Service::Catalog, "shop.catalog.v1.CatalogService", "GetProduct", |s| {
        s.attr("app.product.id", product.id.clone());
        s.cached(0.7, &format!("product:{}", product.id), |s| {
            s.sql(
                CATALOG_DB,
                &Sql::new(
                    "SELECT",
                    "products",
                    "SELECT id, name, slug, category_id, description, attributes FROM products WHERE id = $1",
                    1_400 * US * slow,
                ),
            )?;
            s.sql(
                CATALOG_DB,
                &Sql::new(
                    "SELECT",
                    "media",
                    "SELECT url, alt, width, height FROM media WHERE product_id = $1 ORDER BY position",
                    900 * US * slow,
                ),
            )
        })
    })
}

/// A page of products.
pub(super) fn catalog_list(s: &mut Story<'_>, category: &'static str) -> Outcome {
    let slow = database_factor(s);
    let count = s.dice.between(8, 60);
    s.grpc(Service::Catalog, "shop.catalog.v1.CatalogService", "ListProducts", |s| {
        s.attr("app.category", category);
        s.attr("app.page.size", count as i64);
        let page = s.dice.popular(40) + 1;
        s.cached(0.45, &format!("list:{category}:{page}"), |s| {
            let text = format!("SELECT p.id, p.name, p.slug, m.url FROM products p LEFT JOIN media m ON m.product_id = p.id AND m.position = 0 WHERE p.category_id = $1 AND p.visible ORDER BY p.rank LIMIT {count} OFFSET $2");
            s.sql(CATALOG_DB, &Sql::new("SELECT", "products", text, 6 * MS * slow))?;
            s.internal("hydrateProducts", |s| {
                s.attr("app.products.count", count as i64);
                s.work(400 * US);
                if s.is(Incident::NPlusOne) {
                    return one_by_one(s, count);
                }
                s.sql(CATALOG_DB, &Sql::new("SELECT", "attributes", format!("SELECT product_id, key, value FROM attributes WHERE product_id IN ({})", placeholders(count)), 3 * MS * slow))
            })
        })
    })
}

/// Reads the attributes of each product by a statement of its own.
fn one_by_one(s: &mut Story<'_>, count: u64) -> Outcome {
    let text = "SELECT key, value FROM attributes WHERE product_id = $1";
    (0..count).try_for_each(|_| s.sql(CATALOG_DB, &Sql::new("SELECT", "attributes", text, 2 * MS)))
}

/// What `count` things cost this visitor.
pub(super) fn quote(s: &mut Story<'_>, count: u64) -> Outcome {
    let request = Request::plain("POST", "/v2/quotes");
    s.http(Service::Pricing, &request, |s| {
        s.attr("app.quote.lines", count as i64);
        s.attr("app.currency", s.person.currency);
        s.step("PriceEngine.evaluate", |s| {
            s.attr("code.function.name", "com.shop.pricing.PriceEngine.evaluate");
            s.work(700 * US + 60 * US * count);
            s.feature_flag("pricing-engine", &["v2", "v2", "v2", "v3"]);
            if s.is(Incident::BadRelease) && s.here().is_some_and(|pod| pod.is_canary) {
                let class = "java.lang.IllegalStateException";
                let message = format!("no tax rule for region {} in rule set 2026-11", s.person.country);
                return Err(Fault::new(class, message));
            }
            s.cached(0.85, &format!("rules:{}:{}", s.person.country, s.person.currency), |s| {
                s.sql(CORE_DB, &Sql::new("SELECT", "price_rules", "SELECT rule_id, kind, payload FROM price_rules WHERE country = $1 AND valid_from <= now() AND (valid_to IS NULL OR valid_to > now())", 4 * MS))
            })
        })
    })
}

/// Whether things are in stock. Callers try again at once when the inventory refuses.
pub(super) fn availability(s: &mut Story<'_>, product: &Product) -> Outcome {
    let mut last = stock(s, product);
    for _ in 0..3 {
        if !matches!(&last, Err(fault) if fault.http == 503) {
            break;
        }
        last = stock(s, product);
    }
    last
}

/// The inventory asks the ERP when its own record is old.
fn stock(s: &mut Story<'_>, product: &Product) -> Outcome {
    let request = Request::new("GET", "/stock/{sku}", format!("/stock/{}", product.id));
    s.http(Service::Inventory, &request, |s| {
        s.attr("app.sku", product.id.clone());
        if s.is(Incident::RetryStorm) && s.dice.chance(0.6) {
            let class = "java.util.concurrent.RejectedExecutionException";
            let waiting = s.dice.between(200, 220);
            return Err(Fault::new(class, format!("queue is full: {waiting} tasks wait")).codes(503, 14));
        }
        s.sql(
            CORE_DB,
            &Sql::new(
                "SELECT",
                "stock",
                format!("SELECT sku, on_hand, reserved, synced_at FROM stock WHERE sku = '{}'", product.id),
                1_100 * US,
            ),
        )?;
        if !s.dice.chance(0.22) {
            return Ok(());
        }
        let slowness = if s.is(Incident::ErpDown) { 20 } else { 1 };
        if let Err(fault) = s.erp("GetAvailability", 1_500 * MS, slowness) {
            // Old stock figures are better than no page.
            s.event("erp.fallback", vec![hoptrail_proto::model::Attribute::new("reason", fault.message)]);
            s.attr("app.stock.stale", true);
            return Ok(());
        }
        s.sql(
            CORE_DB,
            &Sql::new("UPDATE", "stock", "UPDATE stock SET on_hand = $1, synced_at = now() WHERE sku = $2", 1_600 * US),
        )
    })
}

/// Things that might please. Nobody fails because of it: the caller leaves the box out.
pub(super) fn recommendations(s: &mut Story<'_>) {
    let request = Request::plain("POST", "/v1/recommend");
    let answer = s.http(Service::Recommendation, &request, |s| {
        let variant = s.feature_flag("recommendation-model", &["als", "als", "two-tower"]);
        s.attr("app.model.name", variant);
        s.cache("HGETALL", &format!("features:{}", s.person.user_id().unwrap_or_default()));
        s.step("rank_candidates", |s| {
            let candidates = s.dice.between(80, 900);
            s.attr("app.candidates.count", candidates as i64);
            let score = s.dice.below(10_000) as f64 / 10_000.0;
            s.attr("app.model.score.max", score);
            s.work(2 * MS + 14 * US * candidates);
            if s.dice.chance(0.008) {
                return Err(Fault::new("ModelNotLoaded", format!("model {variant} is not loaded on this replica"))
                    .codes(503, 14));
            }
            Ok(())
        })?;
        if s.dice.chance(0.01) {
            s.internal("refresh_features", |s| {
                s.work(3 * MS);
                s.lose_current();
                s.cache("HSET", "features:batch");
            });
        }
        Ok(())
    });
    if answer.is_err() {
        s.event("recommendations.skipped", Vec::new());
    }
}

/// Advertisements. A page does without those that fail.
pub(super) fn ads(s: &mut Story<'_>, category: &'static str) {
    let request = Request::plain("GET", "/ads").query(format!("context={category}&slots=3"));
    _ = s.http(Service::Ads, &request, |s| {
        s.attr("app.ads.context", category);
        s.cache("SRANDMEMBER", &format!("ads:{category}"));
        s.work(600 * US);
        if s.dice.chance(0.003) {
            return Err(Fault::new("RangeError", "Maximum call stack size exceeded"));
        }
        Ok(())
    });
}

/// Who the visitor is.
pub(super) fn session(s: &mut Story<'_>) -> Outcome {
    s.grpc(Service::Auth, "shop.auth.v1.AuthService", "Introspect", |s| {
        s.attr("session.id", s.person.session.clone());
        s.cached(0.93, &format!("session:{}", s.person.session), |s| {
            s.sql(
                CORE_DB,
                &Sql::new(
                    "SELECT",
                    "sessions",
                    "SELECT user_id, scopes, expires_at FROM sessions WHERE token_hash = $1",
                    1_300 * US,
                ),
            )
        })?;
        if s.dice.chance(0.006) {
            return Err(Fault::new("TokenExpired", "session has expired").codes(401, 16));
        }
        Ok(())
    })
}

/// The visitor's cart.
pub(super) fn cart(s: &mut Story<'_>) -> Outcome {
    s.grpc(Service::Cart, "shop.cart.v1.CartService", "GetCart", |s| {
        let owner = s.person.user_id().unwrap_or_else(|| s.person.session.clone());
        s.cache("HGETALL", &format!("cart:{owner}"));
        if s.dice.chance(0.001_5) {
            let message = "Timeout performing HGETALL (5000ms), inst: 0, qu: 14, qs: 6, aw: False";
            s.wait(5 * SECOND);
            return Err(Fault::new("StackExchange.Redis.RedisTimeoutException", message).codes(504, 4));
        }
        s.internal("CartMapper.ToReply", |s| s.work(90 * US));
        Ok(())
    })
}

/// Some products, as in a cart or on a page.
pub(super) fn some_products(s: &mut Story<'_>, most: u64) -> Vec<Product> {
    let count = s.dice.between(1, most);
    (0..count).map(|_| any_product(s.dice)).collect()
}
