//! What operators see of the certificates: metrics of their expiry, and events.
//!
//! ```
//! # #[cfg(feature = "metrics")] {
//! use std::time::UNIX_EPOCH;
//! use opsbox_cert::{Scan, observe::prometheus};
//!
//! let report = Scan::new().path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).run();
//! let text = prometheus::encode(report.certificates(), UNIX_EPOCH);
//! assert!(text.starts_with("# HELP tls_certificate_expires_timestamp_seconds "));
//! # }
//! ```
//!
//! # Tracing
//!
//! With the feature `tracing`, target `opsbox_cert`:
//!
//! | Span or event | Level | Fields |
//! |---|---|---|
//! | event, one for each `Event` | info if `installed`, `issued` or `removed`, else warn | `event`: its label; `id` of the certificate; `reason`: label of the refusal; the message is the event as text |
//! | span `tls_handshake` | debug | `address`: the one of this machine; at its end `server_name`, `protocol` (ALPN), `outcome`: `done`, `failed`, `timed_out` or `not_issued` |
//! | span `watch_files`, `watch_store` | debug | `certificates`: how many are followed |
//! | span `watch_secrets` | debug | `certificates`: how many are read |
//!
//! No field has a key in it.

#[cfg(all(feature = "install", feature = "metrics"))]
pub mod alerts;
#[cfg(feature = "install")]
mod events;
#[cfg(all(feature = "install", feature = "metrics"))]
mod metrics;
#[cfg(feature = "metrics")]
pub mod prometheus;
#[cfg(all(feature = "install", feature = "metrics"))]
mod store;

#[cfg(feature = "install")]
pub use self::events::{Event, Events};
#[cfg(all(feature = "install", feature = "metrics"))]
pub use self::metrics::Metrics;
#[cfg(all(feature = "install", feature = "metrics"))]
pub use self::store::ObservedStore;
