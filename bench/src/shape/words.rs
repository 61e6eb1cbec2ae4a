//! The words of the shop.

/// Routes of each service.
pub(super) const ROUTES: usize = 8;

pub(super) const SERVICES: [&str; 12] = [
    "frontend",
    "cart",
    "checkout",
    "catalogue",
    "payment",
    "shipping",
    "currency",
    "recommendation",
    "advertising",
    "email",
    "accounts",
    "inventory",
];

pub(super) const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// Status codes of requests that did not fail.
pub(super) const CODES: [i64; 6] = [200, 200, 200, 201, 204, 404];

pub(super) const PORTS: [i64; 4] = [8080, 8443, 9090, 50051];

pub(super) const AGENTS: [&str; 10] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Version/17.5",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126.0 Mobile",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Apache-HttpClient/5.3.1 (Java/21.0.3)",
    "grpc-node-js/1.10.9",
];

/// What each service has routes for.
pub(super) const NOUNS: [&str; ROUTES] =
    ["items", "orders", "customers", "offers", "sessions", "stocks", "prices", "reviews"];

/// What may follow the number in a path.
const ACTIONS: [&str; 4] = ["", "/details", "", "/history"];

pub(super) const SYSTEMS: [&str; 3] = ["postgresql", "redis", "mysql"];

/// Statements that reach databases.
pub(super) const QUERIES: usize = 36;

/// The template of a route, for span names.
pub(super) fn route(service: usize, route: usize) -> String {
    format!("/api/{}/{}/{{id}}{}", SERVICES[service], NOUNS[route], ACTIONS[(service + route) % ACTIONS.len()])
}

/// The path of a request.
pub(super) fn path(service: usize, route: usize, number: u32) -> String {
    format!("/api/{}/{}/{number}{}", SERVICES[service], NOUNS[route], ACTIONS[(service + route) % ACTIONS.len()])
}

/// `db.system.name`, `db.namespace` and `db.query.text`.
pub(super) fn database(index: usize) -> (&'static str, String, String) {
    let (noun, service) = (NOUNS[index % ROUTES], SERVICES[index % SERVICES.len()]);
    let text = match index % 3 {
        0 => format!("SELECT id, name, price, updated_at FROM {service}_{noun} WHERE id = $1 LIMIT $2"),
        1 => format!("GET {service}:{noun}:?"),
        _ => format!("UPDATE {service}_{noun} SET state = ?, updated_at = now() WHERE id = ?"),
    };
    (SYSTEMS[index % 3], format!("{service}_db"), text)
}

/// The message of an exception.
pub(super) fn message(index: u32) -> String {
    format!("deadline of request {index} exceeded while waiting for {}", SERVICES[index as usize % SERVICES.len()])
}
