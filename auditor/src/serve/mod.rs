//! What the daemon tells others: metrics and health over HTTP, findings over a Unix socket and over TLS.
//!
//! Goes in: findings, counts and the pipeline's heartbeat. Comes out: HTTP responses and NDJSON.
//! It never holds a value, and no client, however slow or hostile, holds up the pipeline.

pub mod filter;
pub mod health;
pub mod http;
pub mod hub;
pub mod metrics;
pub mod remote;
pub mod series;
pub mod tail;
pub mod view;
