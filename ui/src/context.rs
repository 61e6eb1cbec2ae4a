//! What a page needs besides its parameters: the store, whose data it shows, and the reader's clock.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use hoptrail_proto::model::{SpanKind, TENANT_HEADER, TenantId};
use hoptrail_query::rollups::Durations;
use hoptrail_query::{Clock, Service};
use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

use crate::Config;
use crate::error::PageError;
use crate::kept::Kept;
use crate::links::Links;
use crate::opened::Opened;
use crate::recent::{self, Recent};
use crate::system::{System, SystemSource};
use crate::views::Views;

/// Gives, whenever it is asked, what those who send spans should read.
pub type NoticeSource = Arc<dyn Fn() -> Notices + Send + Sync>;

/// What the server tells the pages beside its spans.
#[derive(Clone)]
pub struct Sources {
    /// What those who send should read.
    pub notices: NoticeSource,
    /// What the server knows of itself.
    pub system: SystemSource,
    /// Searches with a name.
    pub views: Arc<Views>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { notices: Arc::new(Notices::default), system: Arc::new(System::default), views: Arc::default() }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// What those who send spans should read, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notices {
    /// Why spans are refused; none while they are taken.
    pub refused: Option<String>,
    /// Sentences about what will go wrong.
    pub warnings: Vec<String>,
    /// Sentences about anything else, for example that metrics arrive as well.
    pub notices: Vec<String>,
}

/// Buckets of durations that are kept: about 16 MB.
const MOST_BUCKETS: usize = 1 << 20;
/// Names with counts that are kept: about as much.
const MOST_NAMES: usize = 1 << 17;

/// What all requests share.
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    pub(crate) notices: NoticeSource,
    pub(crate) system: SystemSource,
    pub(crate) views: Arc<Views>,
    pub(crate) opened: Opened,
    /// How long spans of a service took in a day, by name and kind.
    pub(crate) durations: Kept<HashMap<String, HashMap<SpanKind, Durations>>>,
    /// How many spans have each name.
    pub(crate) counts: Kept<HashMap<String, u64>>,
    /// Who counts all matches of a search, unasked, has a turn.
    pub(crate) overviews: Semaphore,
    pub(crate) links: Links,
    pub(crate) config: Config,
    clock: Arc<dyn Clock>,
    /// The zone of everybody, when the configuration names one.
    zone: Option<TimeZone>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("zone", &self.zone).finish_non_exhaustive()
    }
}

impl App {
    pub(crate) fn new(service: Arc<Service>, config: &Config, sources: Sources, clock: Arc<dyn Clock>) -> Self {
        let zone = (!config.time_zone.is_empty()).then(|| {
            TimeZone::get(&config.time_zone).unwrap_or_else(|error| {
                tracing::warn!(zone = config.time_zone, %error, "unknown time zone; showing UTC");
                TimeZone::UTC
            })
        });
        let links = Links::new(&config.links).unwrap_or_else(|reason| {
            tracing::warn!(reason, "links cannot be shown");
            Links::default()
        });
        let Sources { notices, system, views } = sources;
        let (opened, durations, counts) = (Opened::default(), Kept::new(MOST_BUCKETS), Kept::new(MOST_NAMES));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let overviews = Semaphore::new(cores.div_ceil(2));
        Self {
            service,
            notices,
            system,
            views,
            opened,
            durations,
            counts,
            overviews,
            links,
            config: config.clone(),
            clock,
            zone,
        }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now_unix_nano()
    }
}

/// What one request brings along.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) app: Arc<App>,
    pub(crate) tenant: TenantId,
    pub(crate) zone: TimeZone,
    /// Whether the reader chose the zone, and has not just that of the browser or of the server.
    pub(crate) chose_zone: bool,
    /// The searches that this browser made last.
    pub(crate) recent: Recent,
    pub(crate) now: u64,
}

impl Visit {
    pub(crate) fn service(&self) -> &Service {
        &self.app.service
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        let names = parts.headers.get_all(TENANT_HEADER).iter().map(HeaderValue::as_bytes);
        let tenant = app.service.config().tenancy.tenant(names)?;
        let chosen = cookie_zone(&parts.headers, CHOSEN_ZONE);
        let chose_zone = chosen.is_some();
        let usual = || app.zone.clone().or_else(|| cookie_zone(&parts.headers, BROWSER_ZONE));
        let zone = chosen.or_else(usual).unwrap_or(TimeZone::UTC);
        let recent = Recent::read(cookie(&parts.headers, recent::COOKIE));
        let now = app.now();
        Ok(Self { app: Arc::clone(app), tenant, zone, chose_zone, recent, now })
    }
}

/// The cookie with the zone that the reader chose.
pub(crate) const CHOSEN_ZONE: &str = "zone";
/// The cookie with the browser's own, which the script writes.
const BROWSER_ZONE: &str = "tz";

/// A cookie's value.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
    pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('=')).next()
}

/// The zone that a cookie names: `Europe/Berlin`, slashes possibly as `%2F`.
fn cookie_zone(headers: &HeaderMap, name: &str) -> Option<TimeZone> {
    let name = cookie(headers, name)?.replace("%2F", "/");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    (name.len() <= 64 && name.chars().all(plain)).then(|| TimeZone::get(&name).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_without_the_systems_files() {
        let bundled = jiff::tz::TimeZoneDatabase::bundled();
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
            assert!(bundled.get(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_zone_comes_from_the_cookie_when_it_is_one() {
        let zone = |cookie: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, cookie.parse().expect("header"));
            cookie_zone(&headers, BROWSER_ZONE).and_then(|zone| zone.iana_name().map(str::to_owned))
        };
        assert_eq!(zone("a=b; tz=Europe%2FBerlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(zone("tz=America/New_York; x=y").as_deref(), Some("America/New_York"));
        for none in ["", "tz=", "tz=../../etc/passwd", "tz=Nowhere/Land", "ttz=UTC"] {
            assert_eq!(zone(none), None, "{none}");
        }
    }
}
