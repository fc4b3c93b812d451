//! What operators see of the certificates: for now the Prometheus text of their expiry.

pub mod prometheus;
