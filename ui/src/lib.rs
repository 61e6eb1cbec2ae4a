//! The web UI: pages over [`hoptrail_query::Service`], complete without JavaScript.
//!
//! A page is a struct, a template and a handler in `pages/`. What is drawn where is decided in `waterfall/`, which is pure.
//! They keep Jaeger's URLs (`/search`, `/trace/{id}`) and their parameters.

mod adapt;
mod assets;
mod chrome;
mod colour;
mod config;
mod context;
mod error;
mod filters;
mod format;
mod ids;
mod kept;
mod layers;
mod links;
mod opened;
mod origin;
mod pages;
mod plot;
mod prices;
mod recent;
mod routes;
mod system;
#[cfg(test)]
mod tests;
mod url;
mod views;
mod waterfall;

pub use adapt::{check_base_path, check_frame_ancestors};
pub use config::Config;
pub use context::{NoticeSource, Notices, Sources};
pub use format::duration;
pub use links::{LinkConfig, On, Preset, check_links};
pub use pages::components::components;
pub use prices::{ModelPrice, check_prices};
pub use routes::{router, router_with_clock};
pub use system::{Attributes, Intake, Refused, Stored, System, SystemSource};
pub use views::{View, ViewError, Views};
