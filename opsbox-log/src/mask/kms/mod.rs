//! Data keys of the AWS Key Management Service, or of anything that speaks its API.
//!
//! Two operations are used, `GenerateDataKey` and `Decrypt`, over the JSON protocol, signed with
//! Signature Version 4: some two hundred lines here, where the SDK of AWS brings some two hundred
//! crates. Signing is HMAC-SHA-256 from the `hmac` crate, which masking has anyway.

mod client;
mod credentials;
mod sign;

pub use client::AwsKms;
pub use credentials::AwsCredentials;
