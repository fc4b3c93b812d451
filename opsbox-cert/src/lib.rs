//! Facts about TLS certificates: what they say, in which order they stand, when they expire.
//!
//! ```text
//! files, folders      bytes            facts              text
//! ┌──────────┐  read  ┌─────┐  parse  ┌───────────┐      ┌────────────┐
//! │   Scan   ├───────▶│ PEM ├────────▶│ CertFacts ├──┬──▶│ Prometheus │  observe, with `now`
//! └────┬─────┘        │ DER │         └───────────┘  │   └────────────┘
//!      │              └──┬──┘         ┌────────────┐ └──▶ JSON (serde)
//!      └─────────────────┴───────────▶│ problems,  │
//!        what could not be read       │ with place │
//!                                     └────────────┘
//! ```
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use opsbox_cert::{Scan, ValidityState};
//!
//! let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
//! let report = Scan::new().path(folder).run();
//!
//! // The time is always an argument: this is the start of 2026.
//! let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
//! for (source, facts) in report.certificates() {
//!     if facts.state(now) == ValidityState::Expired {
//!         println!("{}: {facts}", source.display());
//!     }
//! }
//! for problem in report.problems() {
//!     println!("{problem}");
//! }
//! assert!(!report.is_empty());
//! # #[cfg(feature = "metrics")]
//! # {
//! let metrics = opsbox_cert::observe::prometheus::encode(report.certificates(), now);
//! assert!(metrics.contains("tls_certificate_remaining_days{"));
//! # }
//! ```
//!
//! # Guarantees
//!
//! - No input makes it panic, and a broken certificate does not hide the ones beside it.
//! - Nothing is dropped in silence: `files == read + failed + skipped + ignored`, see [`Counts`].
//! - Facts and reports read no clock: with equal input and equal `now` the result is equal, order
//!   included. What has to know the time takes a [`Clock`].
//! - No private key is shown. A scan does not even decode one: PEM sections are told apart by their
//!   label alone.
//! - Text from a certificate is escaped wherever it is displayed.
//!
//! # Limits
//!
//! - Nothing is verified: no signature, no trust, no revocation. Facts are what a certificate claims.
//! - PKCS#7, PKCS#12 and Java keystores are recognised and reported, not read.
//! - Sizes and counts have limits, all in [`limits`].
//!
//! # Features
//!
//! | Feature | Default | Adds | Costs |
//! |---|---|---|---|
//! | `config` | no | `config`: TOML, YAML or JSON with variables over it | the crates `toml`, `serde-saphyr`, `serde_json` |
//! | `install` | no | `install`: certificates for rustls servers, swapped while they serve | `store`, and the crate `arc-swap` |
//! | `manager` | no | `manager`: certificates that renew themselves | `install` |
//! | `metrics` | yes | `observe::prometheus` | the crate `prometheus-client` |
//! | `serde` | no | `Serialize` for the facts and the report | the crate `serde` |
//! | `serve` | no | `serve`: HTTPS on a tokio listener, redirects and challenge answers beside it | `install`, and the crates `tokio-rustls`, `hyper` and `hyper-util` |
//! | `store` | no | `store`: keys, chains and order state, in memory or in a folder | `tokio`, `rustls` without a provider, `serde_json`, `zeroize` |
//! | `store-encrypted` | no | `store::Encrypted`: private keys encrypted at rest | the crate `chacha20poly1305` |
//! | `store-kube` | no | `store::KubeStore`: Secrets of Kubernetes | the crates `kube`, without TLS, and `k8s-openapi`, whose version feature is yours to choose |
//! | `store-object` | no | `store::ObjectRecords`: S3 and others | the crate `object_store`, without a cloud: name yours in your manifest |
//! | `store-redis` | no | `store::RedisStore` | the crate `redis`, without TLS |
//! | `local-ca` | no | `issuer::LocalCa`: a CA of your own | the crate `rcgen` with `ring` |
//! | `acme` | no | `issuer::AcmeIssuer`, `challenge` | `instant-acme`, `rcgen`, `ring`, `hyper-util` |
//! | `dns` | no | `dns`, the challenge dns-01 | the crate `domain` |
//! | `test-util` | no | the conformance suite of the store, `ManualClock` | nothing |
//! | `tracing` | no | spans and events of what `install`, `watch` and `serve` do, see `observe` | the crate `tracing` |
//! | `watch` | no | `watch`: files, folders and stores followed for new certificates | `install`, and the crate `notify` |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bundle;
mod chain;
#[cfg(feature = "acme")]
pub mod challenge;
mod clock;
#[cfg(feature = "config")]
pub mod config;
mod der;
#[cfg(feature = "dns")]
pub mod dns;
mod error;
mod facts;
mod file;
mod identifier;
#[cfg(feature = "install")]
pub mod install;
mod inventory;
#[cfg(feature = "store")]
pub mod issuer;
pub mod limits;
#[cfg(feature = "manager")]
pub mod manager;
#[cfg(any(feature = "install", feature = "metrics"))]
pub mod observe;
#[cfg(feature = "acme")]
mod order;
mod pem;
pub mod renewal;
mod report;
mod scan;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "store")]
pub mod store;
mod text;
#[cfg(feature = "watch")]
pub mod watch;

pub use crate::bundle::{Bundle, Format};
pub use crate::chain::ChainOrder;
#[cfg(any(test, feature = "test-util"))]
pub use crate::clock::ManualClock;
pub use crate::clock::{Clock, SystemClock};
pub use crate::error::{Error, ErrorKind, Place, Result};
pub use crate::facts::{CertFacts, EcCurve, Fingerprint, KeyType, SubjectAltName, ValidityState};
pub use crate::identifier::{DnsName, Identifier};
pub use crate::inventory::{CertSpec, ChallengeType, KeyAlgorithm};
pub use crate::report::{Counts, ScanReport, SkipReason, Skipped};
pub use crate::scan::{Scan, read_file};
