//! Visitors who look around.

use super::calls::{ads, availability, cart, catalog_list, catalog_product, quote, recommendations, session};
use super::visit;
use crate::shop::backends::{CORE_DB, Message, Sql};
use crate::shop::cluster::Service;
use crate::shop::dice::{MS, US};
use crate::shop::http::{Partner, Request};
use crate::shop::people::{any_product, search_words};
use crate::shop::story::{Fault, Outcome, Story};

const CATEGORIES: [&str; 7] = ["kitchen", "outdoor", "living", "clothing", "office", "audio", "garden"];

/// The start page.
pub(super) fn home(s: &mut Story<'_>) -> Vec<Message> {
    let request = Request::plain("GET", "/");
    visit(s, Service::Frontend, &request, |s| {
        if s.person.user.is_some() {
            session(s)?;
        }
        let category = s.dice.pick(&CATEGORIES);
        let mut listed = Ok(());
        s.parallel(4, |s, strand| match strand {
            0 => listed = catalog_list(s, category),
            1 => recommendations(s),
            2 => ads(s, category),
            _ => _ = cart(s),
        });
        listed?;
        let shown = s.dice.between(8, 24);
        quote(s, shown)?;
        render(s, "pages/home");
        Ok(())
    });
    Vec::new()
}

/// One product's page.
pub(super) fn product_page(s: &mut Story<'_>) -> Vec<Message> {
    let product = any_product(s.dice);
    let request = Request::new("GET", "/products/{slug}", format!("/products/{}", product.slug));
    let mut viewed = Vec::new();
    visit(s, Service::Frontend, &request, |s| {
        s.attr("app.product.id", product.id.clone());
        s.attr("app.product.name", product.name.clone());
        s.attr("app.product.price", product.cents as f64 / 100.0);
        catalog_product(s, &product)?;
        let mut priced = Ok(());
        s.parallel(5, |s, strand| match strand {
            0 => priced = quote(s, 1),
            1 => _ = availability(s, &product),
            2 => recommendations(s),
            3 => ads(s, product.category),
            _ => _ = cart(s),
        });
        priced?;
        render(s, "pages/product");
        viewed.extend(s.publish("product.viewed", &product.id));
        Ok(())
    });
    viewed
}

/// A search, and its hits made ready to show.
pub(super) fn search(s: &mut Story<'_>) -> Vec<Message> {
    let words = search_words(s.dice);
    let encoded = words.replace(' ', "+");
    let page = s.dice.popular(9) + 1;
    let request = Request::plain("GET", "/search").query(format!("q={encoded}&page={page}"));
    visit(s, Service::Frontend, &request, |s| {
        s.http(Service::Search, &Request::plain("GET", "/indexes/products/search").query(format!("q={encoded}")), |s| {
            s.attr("app.search.query", words.clone());
            s.internal("parse_query", |s| s.work(120 * US));
            let body = format!("{{\"query\":{{\"multi_match\":{{\"query\":\"{words}\",\"fields\":[\"name^3\",\"description\"]}}}},\"from\":{},\"size\":24}}", (page - 1) * 24);
            s.opensearch("products-v7", body, 14 * MS);
            let hits = s.dice.popular(600) as i64;
            s.attr("app.search.hits", hits);
            if hits == 0 {
                s.internal("did_you_mean", |s| {
                    s.opensearch("suggest-v2", format!("{{\"suggest\":{{\"text\":\"{words}\"}}}}"), 9 * MS);
                });
            }
            s.internal("rerank", |s| s.work(900 * US));
            Ok(())
        })?;
        s.parallel(2, |s, strand| match strand {
            0 => _ = quote(s, 24),
            _ => ads(s, "search"),
        });
        render(s, "pages/search");
        Ok(())
    });
    Vec::new()
}

/// Signs in; staff accounts live in the company's directory, which is as old as it is slow.
pub(super) fn login(s: &mut Story<'_>) -> Vec<Message> {
    let request = Request::plain("POST", "/login");
    visit(s, Service::Frontend, &request, |s| {
        s.grpc(Service::Auth, "shop.auth.v1.AuthService", "SignIn", |s| {
            s.cache("INCR", &format!("attempts:{}", s.person.ip));
            s.sql(
                CORE_DB,
                &Sql::new(
                    "SELECT",
                    "users",
                    "SELECT id, password_hash, locked_until FROM users WHERE email = lower($1)",
                    1_700 * US,
                ),
            )?;
            if s.dice.chance(0.06) {
                let directory = Partner { host: "ldap.corp.example", median: 140 * MS, spread: 0.9 };
                s.partner(directory, &Request::plain("POST", "/directory/bind"), 2_000 * MS, None)?;
            }
            s.internal("argon2.Verify", |s| s.work(48 * MS));
            if s.dice.chance(0.09) {
                s.sql(
                    CORE_DB,
                    &Sql::new(
                        "INSERT",
                        "login_failures",
                        "INSERT INTO login_failures (user_id, ip, at) VALUES ($1, $2, now())",
                        1_500 * US,
                    ),
                )?;
                return Err(Fault::new("InvalidCredentials", "email or password is wrong").codes(401, 16));
            }
            s.sql(
                CORE_DB,
                &Sql::new(
                    "INSERT",
                    "sessions",
                    "INSERT INTO sessions (token_hash, user_id, scopes, expires_at) VALUES ($1, $2, $3, $4)",
                    2 * MS,
                ),
            )?;
            s.cache("SETEX", &format!("session:{}", s.person.session));
            Ok(())
        })
    });
    Vec::new()
}

/// The app's start screen: one GraphQL query, many resolvers.
pub(super) fn mobile_feed(s: &mut Story<'_>) -> Vec<Message> {
    s.person.mobile = true;
    let request = Request::plain("POST", "/graphql");
    visit(s, Service::MobileBff, &request, |s| {
        let operation = s.dice.pick(&["HomeFeed", "ProductDetail", "CartBadge", "Wishlist"]);
        s.attr("graphql.operation.name", operation);
        s.attr("graphql.operation.type", "query");
        s.internal(format!("query {operation}"), |s| {
            s.internal("graphql.validate", |s| s.work(300 * US));
            session(s)?;
            let products = super::calls::some_products(s, 9);
            let mut worst: Outcome = Ok(());
            s.parallel(products.len(), |s, index| {
                let resolved = s.internal("graphql.resolve product", |s| {
                    s.attr("graphql.field.path", format!("feed.items.{index}.product"));
                    catalog_product(s, &products[index])
                });
                if resolved.is_err() {
                    worst = resolved;
                }
            });
            worst?;
            quote(s, products.len() as u64)
        })
    });
    Vec::new()
}

/// A crawler that follows dead links.
pub(super) fn crawler(s: &mut Story<'_>) -> Vec<Message> {
    s.person.user = None;
    s.person.agent = "Mozilla/5.0 (compatible; PriceBot/2.1; +https://pricebot.example/about)".to_owned();
    let product = any_product(s.dice);
    let request = Request::new("GET", "/products/{slug}", format!("/products/{}-old", product.slug));
    visit(s, Service::Frontend, &request, |s| {
        s.grpc(Service::Catalog, "shop.catalog.v1.CatalogService", "GetProduct", |s| {
            s.cache("GET", &format!("slug:{}-old", product.slug));
            Err(Fault::new("NotFound", format!("no product with slug {}-old", product.slug)).codes(404, 5))
        })
    });
    Vec::new()
}

fn render(s: &mut Story<'_>, template: &'static str) {
    s.internal(format!("render {template}"), |s| {
        s.attr("app.template", template);
        s.work(3 * MS);
    });
}
