//! Visitors who buy, and what an order sets in motion.

use hoptrail_proto::model::Attribute;

use super::calls::{availability, cart, catalog_product, quote, session, some_products};
use super::visit;
use crate::shop::backends::{CORE_DB, Message, Sql, speaks_old_http};
use crate::shop::cluster::{Library, Service};
use crate::shop::dice::{MS, SECOND, US};
use crate::shop::http::{Partner, Request};
use crate::shop::incidents::Incident;
use crate::shop::people::{Product, any_product};
use crate::shop::story::{Fault, Outcome, Story};

const ACQUIRER: Partner = Partner { host: "api.acquirer.example", median: 160 * MS, spread: 0.5 };
const CARRIER: Partner = Partner { host: "rates.parcel.example", median: 95 * MS, spread: 0.6 };

/// Puts a product into the cart.
pub(super) fn add_to_cart(s: &mut Story<'_>) -> Vec<Message> {
    let product = any_product(s.dice);
    let quantity = s.dice.popular(5) as i64 + 1;
    let request = Request::plain("POST", "/cart/items");
    visit(s, Service::Frontend, &request, |s| {
        s.attr("app.product.id", product.id.clone());
        s.attr("app.quantity", quantity);
        catalog_product(s, &product)?;
        availability(s, &product)?;
        s.grpc(Service::Cart, "shop.cart.v1.CartService", "AddItem", |s| {
            let owner = s.person.user_id().unwrap_or_else(|| s.person.session.clone());
            s.cache("HINCRBY", &format!("cart:{owner} {} {quantity}", product.id));
            s.cache("EXPIRE", &format!("cart:{owner} 1209600"));
            Ok(())
        })
    });
    Vec::new()
}

/// Shows the cart with today's prices.
pub(super) fn view_cart(s: &mut Story<'_>) -> Vec<Message> {
    let request = Request::plain("GET", "/cart");
    visit(s, Service::Frontend, &request, |s| {
        cart(s)?;
        let products = some_products(s, 7);
        for product in &products {
            catalog_product(s, product)?;
        }
        quote(s, products.len() as u64)?;
        shipping_quote(s)
    });
    Vec::new()
}

/// Buys what is in the cart: the longest of all traces, and it goes on in the workers after the visitor has the answer.
pub(super) fn checkout(s: &mut Story<'_>) -> Vec<Message> {
    let products = some_products(s, 9);
    let order = format!("o-{}", s.dice.between(40_000_000, 49_999_999));
    let total: i64 = products.iter().map(|product| product.cents).sum();
    let mut placed = None;
    let request = Request::plain("POST", "/checkout");
    visit(s, Service::Frontend, &request, |s| {
        s.attr("app.order.id", order.clone());
        session(s)?;
        s.grpc(Service::Checkout, "shop.checkout.v1.CheckoutService", "PlaceOrder", |s| {
            s.attr("app.order.id", order.clone());
            s.attr("app.order.total", total as f64 / 100.0);
            s.attr("app.order.lines", products.len() as i64);
            s.step("prepareOrder", |s| prepare(s, &products))?;
            s.step("chargeCard", |s| charge(s, &order, total))?;
            s.step("saveOrder", |s| save(s, &order, &products))?;
            placed = s.publish("order.placed", &order);
            s.succeeded();
            Ok(())
        })
    });
    if let Some(placed) = &placed {
        fulfil(s, placed, &products);
        confirm(s, placed);
    }
    placed.into_iter().collect()
}

/// Everything that must be known before money moves.
fn prepare(s: &mut Story<'_>, products: &[Product]) -> Outcome {
    cart(s)?;
    for product in products {
        catalog_product(s, product)?;
        availability(s, product)?;
    }
    quote(s, products.len() as u64)?;
    shipping_quote(s)
}

fn shipping_quote(s: &mut Story<'_>) -> Outcome {
    s.grpc(Service::Shipping, "shop.shipping.v1.ShippingService", "GetQuote", |s| {
        s.attr("app.country", s.person.country);
        let partner_fails = s.dice.chance(0.012);
        let fault = partner_fails.then(|| Fault::new("BadGateway", "carrier answered 502").codes(502, 14));
        if s.partner(CARRIER, &Request::plain("POST", "/v3/rates"), 900 * MS, fault).is_err() {
            s.event("shipping.flat_rate", vec![Attribute::new("reason", "carrier does not answer")]);
        }
        s.internal("pack_parcels", |s| s.work(350 * US));
        Ok(())
    })
}

/// Charges the card; tries again when the acquirer has a moment of weakness.
fn charge(s: &mut Story<'_>, order: &str, total: i64) -> Outcome {
    let request = Request::plain("POST", "/v1/charges");
    s.http(Service::Payment, &request, |s| {
        s.attr("app.order.id", order.to_owned());
        s.attr("app.payment.amount", total as f64 / 100.0);
        s.attr("app.payment.currency", s.person.currency);
        let brand = s.dice.pick(&["visa", "mastercard", "amex", "paypal"]);
        s.attr("app.payment.method", brand);
        s.sql(
            CORE_DB,
            &Sql::new(
                "SELECT",
                "payment_attempts",
                "SELECT count(*) FROM payment_attempts WHERE order_id = $1 AND state = 'pending'",
                1_200 * US,
            ),
        )?;
        if s.dice.chance(0.03) {
            return Err(Fault::new(
                "com.shop.payment.CardDeclined",
                format!("the issuer declined the {brand} card: insufficient funds"),
            )
            .codes(402, 9));
        }
        authorise(s, order)?;
        s.sql(
            CORE_DB,
            &Sql::new(
                "INSERT",
                "payments",
                "INSERT INTO payments (order_id, amount, currency, authorisation) VALUES ($1, $2, $3, $4) RETURNING id",
                2 * MS,
            ),
        )?;
        s.internal("AuditTrail.append", |s| {
            s.attr("code.function.name", "com.shop.payment.AuditTrail.append");
            // The ledger is the mainframe's; it is told, not asked.
            s.erp("PostLedgerEntry", 3 * SECOND, 1).or_else(|fault| {
                s.event("ledger.queued", vec![Attribute::new("reason", fault.message)]);
                Ok(())
            })
        })
    })
}

fn authorise(s: &mut Story<'_>, order: &str) -> Outcome {
    let (failing, timeout) = if s.is(Incident::AcquirerDown) { (0.6, 1_200 * MS) } else { (0.015, 2_500 * MS) };
    let mut last = Ok(());
    for attempt in 0..3_i64 {
        last = s.step("RetryingClient.execute", |s| {
            s.attr("code.function.name", "com.shop.core.RetryingClient.execute");
            s.attr("http.request.resend_count", attempt);
            s.attr("app.idempotency_key", format!("{order}-{attempt}"));
            let fails = s.dice.chance(failing);
            let fault = fails.then(|| {
                Fault::new("com.shop.payment.AcquirerException", "acquirer answered 503 Service Unavailable")
                    .codes(503, 14)
            });
            let answer = s.partner(ACQUIRER, &Request::plain("POST", "/v2/authorisations"), timeout, fault);
            if let Err(fault) = &answer {
                s.exception(Service::Payment.platform(), fault);
            }
            answer
        });
        if last.is_ok() || attempt == 2 {
            break;
        }
        let pause = s.dice.log_normal((80 << attempt) * MS, 0.2);
        s.event("retry.scheduled", vec![Attribute::new("retry.delay_ms", (pause / MS) as i64)]);
        s.wait(pause);
    }
    last
}

fn save(s: &mut Story<'_>, order: &str, products: &[Product]) -> Outcome {
    s.sql(CORE_DB, &Sql::new("BEGIN", "orders", "BEGIN ISOLATION LEVEL SERIALIZABLE", 300 * US))?;
    s.sql(
        CORE_DB,
        &Sql::new(
            "INSERT",
            "orders",
            "INSERT INTO orders (id, user_id, total, currency, state) VALUES ($1, $2, $3, $4, 'placed')",
            2 * MS,
        ),
    )?;
    for product in products {
        s.sql(
            CORE_DB,
            &Sql::new(
                "INSERT",
                "order_lines",
                format!(
                    "INSERT INTO order_lines (order_id, sku, quantity, cents) VALUES ('{order}', '{}', $1, {})",
                    product.id, product.cents
                ),
                1_100 * US,
            ),
        )?;
    }
    s.sql(CORE_DB, &Sql::new("COMMIT", "orders", "COMMIT", 3 * MS))
}

/// The warehouse's side of an order.
fn fulfil(s: &mut Story<'_>, placed: &Message, products: &[Product]) {
    s.consume(Service::OrderWorker, placed, 120 * MS, |s| {
        s.attr("app.order.id", placed.key.clone());
        s.sql(
            CORE_DB,
            &Sql::new("SELECT", "orders", "SELECT id, state, version FROM orders WHERE id = $1 FOR UPDATE", 1_800 * US),
        )?;
        for product in products {
            let request =
                Request::new("POST", "/stock/{sku}/reservations", format!("/stock/{}/reservations", product.id));
            s.http(Service::Inventory, &request, |s| {
                s.attr("app.sku", product.id.clone());
                s.sql(
                    CORE_DB,
                    &Sql::new(
                        "UPDATE",
                        "stock",
                        format!("UPDATE stock SET reserved = reserved + $1 WHERE sku = '{}'", product.id),
                        1_500 * US,
                    ),
                )
            })?;
        }
        let slowness = if s.is(Incident::ErpDown) { 20 } else { 2 };
        s.http(Service::Inventory, &Request::plain("POST", "/picklists"), |s| {
            s.erp("CreatePickList", 4 * SECOND, slowness)
        })?;
        s.grpc(Service::Shipping, "shop.shipping.v1.ShippingService", "BookPickup", |s| {
            s.partner(CARRIER, &Request::plain("POST", "/v3/shipments"), 3 * SECOND, None)
        })?;
        s.sql(
            CORE_DB,
            &Sql::new(
                "UPDATE",
                "orders",
                "UPDATE orders SET state = 'picking', version = version + 1 WHERE id = $1 AND version = $2",
                2 * MS,
            ),
        )
    });
}

/// The confirmation by mail; the worker's SDK is old and so are its attribute names.
fn confirm(s: &mut Story<'_>, placed: &Message) {
    s.consume(Service::EmailWorker, placed, 900 * MS, |s| {
        s.internal("OrderMailer#confirmation", |s| {
            s.attr("app.order.id", placed.key.clone());
            s.attr("app.mail.template", "order_confirmation_v12");
            s.work(9 * MS);
        });
        send_mail(s)
    });
}

fn send_mail(s: &mut Story<'_>) -> Outcome {
    let Some(here) = s.here().cloned() else { return Ok(()) };
    s.span(&here, Library::Client, hoptrail_proto::model::SpanKind::Client, "HTTP POST", |s| {
        if speaks_old_http(here.service.platform()) {
            s.attr("http.method", "POST");
            s.attr("http.scheme", "https");
            s.attr("http.target", "/v3/mail/send");
            s.attr("net.peer.name", "smtp-relay.mail.example");
        }
        let took = s.dice.log_normal(210 * MS, 0.6);
        s.wait(took);
        let refused = s.dice.chance(0.02);
        s.attr("http.status_code", if refused { 429_i64 } else { 202 });
        if refused {
            s.failed("Too Many Requests");
            return Err(Fault::new("Net::HTTPTooManyRequests", "mail relay answered 429").codes(429, 8));
        }
        Ok(())
    })
}

/// A carrier reports where a parcel is.
pub(super) fn carrier_webhook(s: &mut Story<'_>) -> Vec<Message> {
    s.person.user = None;
    s.person.mobile = true;
    s.person.agent = "ParcelHooks/3.4".to_owned();
    let carrier = s.dice.pick(&["dhl", "ups", "postnl", "inpost", "colissimo"]);
    let parcel = format!("{}{}", carrier.to_uppercase(), s.dice.between(100_000_000, 999_999_999));
    let request = Request::new("POST", "/webhooks/carriers/{carrier}", format!("/webhooks/carriers/{carrier}"));
    let mut update = None;
    visit(s, Service::Shipping, &request, |s| {
        s.attr("app.parcel.id", parcel.clone());
        s.internal("verify_signature", |s| s.work(200 * US));
        if s.dice.chance(0.02) {
            return Err(Fault::new("InvalidSignature", "webhook signature does not match").codes(403, 7));
        }
        update = s.publish("parcel.moved", &parcel);
        Ok(())
    });
    if let Some(update) = &update {
        s.consume(Service::EmailWorker, update, 700 * MS, |s| {
            s.internal("ParcelMailer#moved", |s| s.work(6 * MS));
            send_mail(s)
        });
    }
    update.into_iter().collect()
}
