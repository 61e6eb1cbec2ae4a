//! Routes, asked like a browser asks: status, headers, and what stands on the page.

mod bad_input;
mod headers;
mod links;
mod lists;
mod metrics;
mod search;
mod server;
mod trace;
