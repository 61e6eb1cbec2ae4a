//! Routes, asked like a browser asks.
