//! What operators see of the certificates: for now the Prometheus text of their expiry.
//!
//! ```
//! use std::time::UNIX_EPOCH;
//! use opsbox_cert::{Scan, observe::prometheus};
//!
//! let report = Scan::new().path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).run();
//! let text = prometheus::encode(report.certificates(), UNIX_EPOCH);
//! assert!(text.starts_with("# HELP tls_certificate_expires_timestamp_seconds "));
//! ```

pub mod prometheus;
