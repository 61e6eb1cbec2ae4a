//! Settings of the web UI.

use serde::{Deserialize, Serialize};

use crate::links::LinkConfig;
use crate::prices::ModelPrice;

/// Settings of the web UI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// IANA name of the zone in which times are shown, for example `Europe/Berlin`. Empty: the browser's zone, which its
    /// script sends in a cookie, and UTC without it.
    pub time_zone: String,
    /// The path below which a proxy shows the pages, for example `/hoptrail`. The proxy may keep it or strip it.
    pub base_path: String,
    /// Origins whose pages may show these pages in a frame, for example `https://grafana.example`; `self` for this one.
    pub frame_ancestors: Vec<String>,
    /// Links to where more is known of a span or a service.
    pub links: Vec<LinkConfig>,
    /// What a million tokens of language models cost.
    pub ai_prices: Vec<ModelPrice>,
    /// Whether pages hide what is said to language models and by them.
    pub hide_ai_content: bool,
}
