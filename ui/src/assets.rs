//! Style sheet, script and icon: inside the binary, cached for ever under the hash of their bytes.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const CSS: &str = concat!(include_str!("../assets/hoptrail.css"), include_str!("../assets/plot.css"));
// Only pages of numbers need it.
const NUMBERS: &str = concat!(include_str!("../assets/numbers.css"), include_str!("../assets/explain.css"));
// Only pages of one trace need it.
const TRACE: &str = include_str!("../assets/trace.css");
// What the query box does with a key comes first.
const JS: &str = concat!(
    include_str!("../assets/complete.js"),
    include_str!("../assets/find.js"),
    include_str!("../assets/hoptrail.js")
);

const ASSETS: [Asset; 5] = [
    Asset { name: "hoptrail.css", kind: "text/css; charset=utf-8", bytes: CSS.as_bytes() },
    Asset { name: "hoptrail.js", kind: "text/javascript; charset=utf-8", bytes: JS.as_bytes() },
    Asset { name: "numbers.css", kind: "text/css; charset=utf-8", bytes: NUMBERS.as_bytes() },
    Asset { name: "trace.css", kind: "text/css; charset=utf-8", bytes: TRACE.as_bytes() },
    Asset { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("../assets/icon.svg") },
];

static HASH: LazyLock<String> = LazyLock::new(|| {
    let bytes = ASSETS.iter().flat_map(|asset| asset.bytes);
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
});

/// URL of an asset.
pub(crate) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", *HASH)
}

/// The style of pages of one trace, for a page that has it inside.
pub(crate) fn trace_css() -> String {
    format!("{CSS}{TRACE}")
}

/// The answer for an asset; `None` when there is none of this name.
pub(crate) fn answer(hash: &str, name: &str) -> Option<Response> {
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    // A page of an older version may ask under its hash: it gets the asset of now, uncached.
    let cache = if hash == *HASH { "public, max-age=31536000, immutable" } else { "no-cache" };
    Some(([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, cache)], asset.bytes).into_response())
}

/// `GET /favicon.ico`, for browsers that ask although the page names its icon.
pub(crate) async fn favicon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], ASSETS[4].bytes)
}
