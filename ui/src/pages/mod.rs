//! The pages of the web UI, one folder or file each.

pub(crate) mod aggregate;
mod asked;
pub(crate) mod compare;
pub(crate) mod components;
mod dropped;
pub(crate) mod error;
pub(crate) mod exceptions;
pub(crate) mod file;
pub(crate) mod known;
pub(crate) mod map;
pub(crate) mod red;
pub(crate) mod search;
pub(crate) mod service;
pub(crate) mod services;
pub(crate) mod start;
pub(crate) mod system;
pub(crate) mod theme;
pub(crate) mod trace;
pub(crate) mod views;
pub(crate) mod why;
pub(crate) mod zone;
