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
