//! Routes, asked like a browser asks: status, headers, and what stands on the page.

mod adapt;
mod aggregate;
mod bad_input;
mod compare;
mod components;
mod exceptions;
mod find;
mod headers;
mod keep;
mod links;
mod lists;
mod map;
mod metrics;
mod search;
mod server;
mod service;
mod services;
mod system;
mod trace;
mod trace_hostile;
mod trace_views;
mod why;
