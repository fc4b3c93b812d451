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

#[cfg(feature = "install")]
mod events;
#[cfg(feature = "metrics")]
pub mod prometheus;

#[cfg(feature = "install")]
pub use self::events::{Event, Events};
